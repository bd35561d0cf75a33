// Any bytes at the server's socket, whole or in two packets, under tight limits: each reply is HTTP, and the server
// goes on.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "serve/http/http_server.h"

namespace {

using namespace octet;
using namespace octet::serve;

// Sends back what it was given.
class EchoingHandler : public Handler {
 public:
  std::optional<HttpReply> Screen(const HttpRequest& head) override {
    if (head.path == "/refused") return Refusal(head, 401, "no");
    return std::nullopt;
  }
  void Handle(HttpRequest request, std::shared_ptr<Answer> answer) override {
    if (request.body.size() > kMostBody) __builtin_trap();
    if (request.headers.size() > kMostHeaders) __builtin_trap();
    answer->Send({.content_type = "text/plain", .body = request.method + request.path + request.query + request.body});
  }
  HttpReply Refusal(const HttpRequest&, int status, std::string_view message) override {
    return {.status = status, .content_type = "text/plain", .body = std::string(message)};
  }
  void Decorate(const HttpRequest&, HttpReply&) override {}
  void Finished(const Exchange&) override {}

  static constexpr size_t kMostBody = 4096, kMostHeaders = 20;
};

HttpServer& TheServer() {
  static EchoingHandler handler;
  static const std::unique_ptr<HttpServer> server = [] {
    HttpOptions options;
    options.port = 0;
    options.threads = 1;
    options.header_bytes = 2048;
    options.header_count = EchoingHandler::kMostHeaders;
    options.body_bytes = EchoingHandler::kMostBody;
    std::unique_ptr<HttpServer> made = *HttpServer::Listen(options, handler);
    made->Start();
    return made;
  }();
  return *server;
}

[[noreturn]] void GiveUp(const char* call) {
  std::perror(call);
  __builtin_trap();
}

// A port stays taken for a minute behind each connection that the server closed first, and an address has 28,000 of
// them: each input comes from another of the machine's own addresses, 127.0.0.1 to 127.255.255.254.
in_addr_t NextAddress() {
  static uint32_t last = 0;
  last = last % 0xFFFFFD + 1;
  return htonl(INADDR_LOOPBACK - 1 + last);
}

// libFuzzer's clock is a signal: a call to connect that it interrupts goes on by itself (POSIX).
void AwaitConnected(int socket) {
  if (errno != EINTR) GiveUp("connect");
  pollfd connected = {.fd = socket, .events = POLLOUT, .revents = 0};
  while (::poll(&connected, 1, -1) < 0) {
    if (errno != EINTR) GiveUp("poll");
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) GiveUp("connect");
}

int Connect(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;  // the port is chosen by both ends' addresses, not by this one's alone
  ::setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = NextAddress();
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) GiveUp("bind");
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) AwaitConnected(socket);
  const linger at_once = {1, 0};  // nor does this end keep the port
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  return socket;
}

void SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const int socket = Connect(TheServer().port());
  const size_t cut = bytes.size() * data[0] / 256;  // the first byte says where a packet ends
  SendAll(socket, bytes.substr(0, cut));
  SendAll(socket, bytes.substr(cut));
  ::shutdown(socket, SHUT_WR);  // the client has left: what is not whole by now never will be
  std::string reply;
  char part[4096];
  for (ssize_t got = 0; (got = ::recv(socket, part, sizeof part, 0)) > 0;) reply.append(part, static_cast<size_t>(got));
  if (!reply.empty() && !reply.starts_with("HTTP/1.")) __builtin_trap();
  ::close(socket);
  return 0;
}
