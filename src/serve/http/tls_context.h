// A certificate with its key, and the rules of encryption: TLS 1.2 and 1.3, HTTP/1.1 by ALPN, no renegotiation.
// Internal to http_server.h.
//
// A build without TLS (the CMake option OCTET_TLS) has the type, but makes none.
#pragma once

#include <filesystem>
#include <memory>

#include "base/error.h"

#ifdef OCTET_TLS
#include <boost/asio/ssl/context.hpp>
#endif

namespace octet::serve {

class TlsContext {
 public:
  // Both files are PEM: the certificate followed by those that vouch for it, and its private key without a passphrase.
  // Fails with not_found for a missing file, with invalid_argument for what isn't such a file or where the key is
  // another certificate's, with unsupported where the build has no TLS.
  static Result<std::unique_ptr<TlsContext>> Open(const std::filesystem::path& certificate,
                                                  const std::filesystem::path& key);

#ifdef OCTET_TLS
  boost::asio::ssl::context& context() { return context_; }

 private:
  boost::asio::ssl::context context_{boost::asio::ssl::context::tls_server};
#endif
};

}  // namespace octet::serve
