// A client that sends what it is told, byte for byte, and reads what comes until the server closes or a time is over.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>

namespace octet::serve {

class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }

  // False where the server has closed.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // Until the text has come, the server closes, or so many seconds are over.
  std::string ReadUntil(std::string_view text, double seconds = 20) {
    std::string all;
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (text.empty() || all.find(text) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      pollfd look = {socket_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&look, 1, static_cast<int>(left.count())) <= 0) break;
      char part[4096];
      const ssize_t got = ::recv(socket_, part, sizeof part, 0);
      closed_ = got <= 0;
      if (closed_) break;
      all.append(part, static_cast<size_t>(got));
    }
    return all;
  }
  std::string ReadAll(double seconds = 20) { return ReadUntil({}, seconds); }
  // Whether the last read ended because the server closed.
  bool closed() const { return closed_; }

  void Close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  int socket_;
  bool connected_ = false;
  bool closed_ = false;
};

}  // namespace octet::serve
