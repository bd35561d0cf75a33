#include "serve/http/http_server.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "serve/http/connection.h"

namespace octet::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Result<tcp::endpoint> Endpoint(const HttpOptions& options) {
  if (options.host == "localhost") return tcp::endpoint(asio::ip::address_v4::loopback(), options.port);
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.host, error);
  if (!error) return tcp::endpoint(address, options.port);
  return Fail(ErrorCode::kInvalidArgument, "`", options.host,
              "` is no numeric address; give one of this machine, as in 127.0.0.1, 0.0.0.0 or ::1");
}

class AsioServer : public HttpServer {
 public:
  AsioServer(const HttpOptions& options, Handler& handler)
      : options_(options),
        scope_{options_, handler},
        io_(static_cast<int>(options.threads)),
        acceptor_(asio::make_strand(io_)),
        pause_(acceptor_.get_executor()) {}
  ~AsioServer() override { Stop(0); }

  Status Open() {
    if (options_.tls_certificate.empty() != options_.tls_key.empty())
      return Fail(ErrorCode::kInvalidArgument, "TLS needs both a certificate and its key; ",
                  options_.tls_key.empty() ? "the key" : "the certificate", " is missing");
    if (!options_.tls_certificate.empty()) {
      tls_ = OCTET_TRY(TlsContext::Open(options_.tls_certificate, options_.tls_key));
      scope_.tls = tls_.get();
    }
    const tcp::endpoint endpoint = OCTET_TRY(Endpoint(options_));
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (!error) return {};
    return Fail(ErrorCode::kInvalidArgument, "can't listen on ", options_.host, " port ", options_.port, ": ",
                error.message(), "; choose another --host or --port");
  }

  uint16_t port() const override { return port_; }
  size_t connections() const override { return scope_.open; }

  void Start() override {
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
    for (size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { RunUntilStopped(); });
  }

  void Stop(double seconds) override {
    if (threads_.empty()) return;
    scope_.closing = true;
    asio::post(acceptor_.get_executor(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
      for (const auto& entry : connections_) {
        if (const std::shared_ptr<Connection> connection = entry.second.lock()) connection->CloseWhenIdle();
      }
    });
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (scope_.open > 0 && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    scope_.stopped = true;
  }

 private:
  // A request that takes more memory than there is ends its own connection, not the server.
  void RunUntilStopped() {
    while (!io_.stopped()) {
      try {
        io_.run();
      } catch (const std::exception& error) {
        LogWarning("a connection was closed: ", error.what());
      }
    }
  }

  void Accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) return AcceptLater();
      Add(std::move(socket));
      Accept();
    });
  }

  // Out of file descriptors or memory: some may be free soon, and trying at once would only burn time.
  void AcceptLater() {
    pause_.expires_after(std::chrono::milliseconds(50));
    pause_.async_wait([this](error_code error) {
      if (!error && acceptor_.is_open()) Accept();
    });
  }

  void Add(tcp::socket socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);  // a token is worth a packet
    const bool full = scope_.open >= options_.connections;
    const auto connection = std::make_shared<Connection>(std::move(socket), scope_);
    if (connections_.size() > 2 * scope_.open + 64)
      std::erase_if(connections_, [](const auto& entry) { return entry.second.expired(); });
    connections_.emplace(next_++, connection);
    connection->Start(full);
  }

  const HttpOptions options_;
  std::unique_ptr<TlsContext> tls_;  // null: plain HTTP
  ConnectionScope scope_;
  asio::io_context io_;  // destroys what is left of connections, so that it goes before the scope
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::unordered_map<uint64_t, std::weak_ptr<Connection>> connections_;  // on the acceptor's strand
  uint64_t next_ = 0;
  std::vector<std::thread> threads_;
  uint16_t port_ = 0;
};

}  // namespace

bool IsLoopback(std::string_view host) {
  if (SameWord(host, "localhost")) return true;
  error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(const HttpOptions& options, Handler& handler) {
  auto server = std::make_unique<AsioServer>(options, handler);
  OCTET_TRY(server->Open());
  return server;
}

}  // namespace octet::serve
