// HTTP/1.1 over TCP: few threads, many connections, each with limits on size, number and time.
//
//   std::unique_ptr<HttpServer> server = OCTET_TRY(HttpServer::Listen({.port = 8080}, handler));
//   server->Start();
//   ...
//   server->Stop();
//
// Reading and writing are Boost.Beast's, encryption is OpenSSL's: TLS 1.2 and later where a certificate is given, and
// nothing but TLS then.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "serve/http/answer.h"

namespace octet::serve {

struct HttpOptions {
  std::string host = "127.0.0.1";  // a numeric address, or localhost
  uint16_t port = 8080;            // 0: any that is free
  size_t threads = 2;
  size_t connections = 4096;  // more are answered with 503 and closed

  std::filesystem::path tls_certificate = {}, tls_key = {};  // PEM files: both, or none for plain HTTP

  size_t header_bytes = 16 << 10;  // of request line and headers together, and of a chunk's head
  size_t header_count = 100;
  size_t body_bytes = 8 << 20;
  size_t unread_bytes = 1 << 20;  // of a stream that its client doesn't read; more closes the connection

  double idle_seconds = 75;    // between two requests of a connection
  double header_seconds = 10;  // from a request's first byte to the end of its headers; of a handshake, too
  double body_seconds = 60;    // from there to the end of its body
  double write_seconds = 60;   // for the system to take what was written
  double ping_seconds = 15;    // between two comments in a silent stream
};

// Whether the address reaches this machine alone: 127.0.0.0/8, ::1 and localhost.
bool IsLoopback(std::string_view host);

// Whether this build can encrypt: the CMake option OCTET_TLS.
bool HasTls();

class HttpServer {
 public:
  // Binds and listens. Fails with invalid_argument for an address that can't be had, naming it and the reason; for a
  // certificate as TlsContext::Open does. The handler must outlive the server.
  static Result<std::unique_ptr<HttpServer>> Listen(const HttpOptions& options, Handler& handler);
  virtual ~HttpServer() = default;

  virtual uint16_t port() const = 0;
  // Connections open now.
  virtual size_t connections() const = 0;

  // Accepts from here on, on threads of its own.
  virtual void Start() = 0;
  // Lets replies that are under way end for at most so many seconds, closes all connections and waits for the threads.
  // Answers may outlive it until the server is destroyed; what they send is dropped then.
  virtual void Stop(double seconds = 0) = 0;
};

}  // namespace octet::serve
