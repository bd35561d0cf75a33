// A client's TCP connection, with TLS around it where the server has a certificate: what Beast reads and writes.
// Internal to connection.h.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <utility>

#include "serve/http/tls_context.h"

#ifdef OCTET_TLS
#include <boost/asio/ssl/stream.hpp>
#endif

namespace octet::serve {

class ByteStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;

  // `tls` may be null: plain bytes then.
  ByteStream(Socket socket, [[maybe_unused]] TlsContext* tls) : socket_(std::move(socket)) {
#ifdef OCTET_TLS
    if (tls != nullptr) tls_.emplace(socket_, tls->context());
#endif
  }

  executor_type get_executor() { return socket_.get_executor(); }
  // What lies below; its bytes are TLS's where is_encrypted().
  Socket& socket() { return socket_; }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
#ifdef OCTET_TLS
    if (tls_) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
#endif
    return socket_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
#ifdef OCTET_TLS
    if (tls_) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
#endif
    return socket_.async_write_some(buffers, std::forward<Handler>(handler));
  }

  // Handshake and Shutdown require is_encrypted(); the latter tells the client that nothing more comes, and waits until
  // it says the same.
#ifdef OCTET_TLS
  bool is_encrypted() const { return tls_.has_value(); }
  template <class Handler>
  void Handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  template <class Handler>
  void Shutdown(Handler&& handler) {
    tls_->async_shutdown(std::forward<Handler>(handler));
  }
#else
  bool is_encrypted() const { return false; }
  template <class Handler>
  void Handshake(Handler&&) {}
  template <class Handler>
  void Shutdown(Handler&&) {}
#endif

 private:
  Socket socket_;
#ifdef OCTET_TLS
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
#endif
};

}  // namespace octet::serve
