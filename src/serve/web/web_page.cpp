#include "serve/web/web_page.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

#include "base/cat.h"
#include "base/error.h"

namespace octet::serve {
namespace {

std::string_view Between(std::string_view page, std::string_view begin, std::string_view end) {
  const size_t from = page.find(begin), to = page.find(end);
  OCTET_CHECK(from != std::string_view::npos && to != std::string_view::npos && from < to);
  return page.substr(from + begin.size(), to - from - begin.size());
}

// 'sha256-...', as a policy names a text.
std::string PolicyHash(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1> base64;
  EVP_EncodeBlock(base64.data(), digest.data(), digest.size());
  return Cat("'sha256-", reinterpret_cast<const char*>(base64.data()), "'");
}

}  // namespace

std::string ContentPolicyOf(std::string_view page) {
  return Cat("default-src 'none'; script-src ", PolicyHash(Between(page, "<script>", "</script>")), "; style-src ",
             PolicyHash(Between(page, "<style>", "</style>")),
             "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

HttpReply WebPage() {
  static const std::string policy = ContentPolicyOf(kPageText);
  return {.content_type = "text/html; charset=utf-8",
          .headers = {{"Content-Security-Policy", policy}, {"Referrer-Policy", "no-referrer"}},
          .body = std::string(kPageText)};
}

}  // namespace octet::serve
