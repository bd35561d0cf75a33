#include "serve/http/tls_context.h"

#include "serve/http/http_server.h"

#ifdef OCTET_TLS
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <iterator>

#include "base/mapped_file.h"
#endif

namespace octet::serve {

#ifdef OCTET_TLS

namespace {

constexpr size_t kMostPemBytes = size_t{1} << 20;

// A client that offers protocols must offer HTTP/1.1; one that offers none means it.
int SelectHttp(SSL*, const unsigned char** chosen, unsigned char* length, const unsigned char* offered,
               unsigned int offered_length, void*) {
  static constexpr unsigned char kHttp[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, length, kHttp, sizeof kHttp, offered, offered_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = selected;
  return SSL_TLSEXT_ERR_OK;
}

Status SetRules(boost::asio::ssl::context& context) {
  SSL_CTX* native = context.native_handle();
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);  // clients keep tickets instead
  SSL_CTX_set_alpn_select_cb(native, SelectHttp, nullptr);
  if (SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) == 1) return {};
  return Fail(ErrorCode::kUnsupported, "the system's OpenSSL can't be held to TLS 1.2 and later");
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::Open(const std::filesystem::path& certificate,
                                                     const std::filesystem::path& key) {
  auto tls = std::make_unique<TlsContext>();
  OCTET_TRY(SetRules(tls->context_));
  boost::system::error_code error;
  const std::string chain = OCTET_TRY(ReadTextFile(certificate, kMostPemBytes));
  tls->context_.use_certificate_chain(boost::asio::buffer(chain), error);
  if (error) {
    return Fail(ErrorCode::kInvalidArgument, certificate, ": holds no certificate in PEM form: ", error.message());
  }
  // A key with a passphrase would else be asked for on the terminal.
  tls->context_.set_password_callback([](size_t, auto) { return std::string(); }, error);
  std::string secret = OCTET_TRY(ReadTextFile(key, kMostPemBytes));
  tls->context_.use_private_key(boost::asio::buffer(secret), boost::asio::ssl::context::pem, error);
  OPENSSL_cleanse(secret.data(), secret.size());
  if (error) {
    return Fail(ErrorCode::kInvalidArgument, key, ": holds no private key of ", certificate,
                " in PEM form without a passphrase: ", error.message());
  }
  if (SSL_CTX_check_private_key(tls->context_.native_handle()) != 1)
    return Fail(ErrorCode::kInvalidArgument, key, ": is not the key of the certificate in ", certificate);
  return tls;
}

bool HasTls() { return true; }

#else

Result<std::unique_ptr<TlsContext>> TlsContext::Open(const std::filesystem::path&, const std::filesystem::path&) {
  return Fail(ErrorCode::kUnsupported,
              "this build has no TLS; configure it with -DOCTET_TLS=ON, or put a proxy that "
              "ends TLS before the server");
}

bool HasTls() { return false; }

#endif

}  // namespace octet::serve
