// A certificate made on the spot, and a client that speaks TLS by libssl: nothing of the server's own code.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/cat.h"

namespace octet::serve {

// cert.pem and key.pem of a certificate for localhost that vouches for itself, in a folder of their own.
class TlsFiles {
 public:
  explicit TlsFiles(const char* passphrase = nullptr) {
    static int number = 0;
    folder_ = std::filesystem::temp_directory_path() / Cat("octet_tls_", ::getpid(), "_", number++);
    std::filesystem::create_directories(folder_);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* x509 = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_set_version(x509, 2);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    X509_NAME* name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                               0);
    X509_set_issuer_name(x509, name);
    X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(x509, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(x509, key, EVP_sha256());
    std::FILE* file = std::fopen(certificate().c_str(), "w");
    PEM_write_X509(file, x509);
    std::fclose(file);
    file = std::fopen(this->key().c_str(), "w");
    PEM_write_PrivateKey(file, key, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), nullptr, 0, nullptr,
                         const_cast<char*>(passphrase));
    std::fclose(file);
    X509_free(x509);
    EVP_PKEY_free(key);
  }
  ~TlsFiles() { std::filesystem::remove_all(folder_); }
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  std::string certificate() const { return folder_ / "cert.pem"; }
  std::string key() const { return folder_ / "key.pem"; }

 private:
  std::filesystem::path folder_;
};

struct TlsWish {
  int lowest = TLS1_2_VERSION, highest = TLS1_3_VERSION;
  std::string protocols = "\x08http/1.1";  // as ALPN writes them; empty: none are offered
};

class TlsClient {
 public:
  // Trusts the certificate alone, and only for the name localhost.
  TlsClient(uint16_t port, const TlsFiles& files, const TlsWish& wish = {})
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), context_(SSL_CTX_new(TLS_client_method())) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit = {20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    SSL_CTX_set_cipher_list(context_, "DEFAULT:@SECLEVEL=0");  // lets TLS 1.1 be asked for at all
    SSL_CTX_set_min_proto_version(context_, wish.lowest);
    SSL_CTX_set_max_proto_version(context_, wish.highest);
    SSL_CTX_load_verify_file(context_, files.certificate().c_str());
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    if (!wish.protocols.empty()) {
      SSL_CTX_set_alpn_protos(context_, reinterpret_cast<const unsigned char*>(wish.protocols.data()),
                              static_cast<unsigned>(wish.protocols.size()));
    }
    ssl_ = SSL_new(context_);
    SSL_set1_host(ssl_, "localhost");
    SSL_set_fd(ssl_, socket_);
    connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    Close();
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const { return connected_; }
  std::string version() const { return SSL_get_version(ssl_); }
  std::string protocol() const {
    const unsigned char* text = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_, &text, &length);
    return {reinterpret_cast<const char*>(text), length};
  }

  void Send(std::string_view bytes) {
    EXPECT_EQ(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
  }
  // Until the text has come so many times, or the server closes.
  std::string ReadUntil(std::string_view text, size_t times = 1) {
    std::string all;
    while (text.empty() || Count(all, text) < times) {
      char part[4096];
      const int got = SSL_read(ssl_, part, sizeof part);
      if (got <= 0) break;
      all.append(part, static_cast<size_t>(got));
    }
    return all;
  }
  std::string ReadAll() { return ReadUntil({}); }
  // Whether the server said that nothing more comes, rather than going without a word.
  bool was_told() const { return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0; }
  void Close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  static size_t Count(std::string_view all, std::string_view text) {
    size_t count = 0;
    for (size_t at = all.find(text); at != std::string_view::npos; at = all.find(text, at + 1)) ++count;
    return count;
  }

  int socket_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
};

}  // namespace octet::serve
