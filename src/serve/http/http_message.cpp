#include "serve/http/http_message.h"

#include <algorithm>
#include <cstdint>
#include <random>

namespace octet::serve {
namespace {

constexpr size_t kLongestId = 128;

char Lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

bool IsIdCharacter(char c) {
  return (Lower(c) >= 'a' && Lower(c) <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("._:-/").find(c) != std::string_view::npos;
}

}  // namespace

std::string_view HttpRequest::Header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (SameWord(header.name, name)) return header.value;
  }
  return {};
}

bool TakeTarget(std::string_view target, HttpRequest& request) {
  const size_t colon = target.find("://");
  const std::string_view scheme = target.substr(0, colon);
  if (colon != std::string_view::npos && (SameWord(scheme, "http") || SameWord(scheme, "https"))) {
    const std::string_view rest = target.substr(colon + 3);
    const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
    if (host.empty() || host.find('@') != std::string_view::npos) return false;
    const auto given = std::find_if(request.headers.begin(), request.headers.end(),
                                    [](const HttpHeader& header) { return SameWord(header.name, "Host"); });
    if (given != request.headers.end()) given->value = host;
    if (given == request.headers.end()) request.headers.push_back({"Host", std::string(host)});
    target = rest.substr(host.size());
    if (!target.starts_with('/')) request.path = '/';
  }
  const size_t mark = target.find('?');
  request.path += target.substr(0, mark);
  if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
  return request.path.starts_with('/');
}

bool SameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return Lower(x) == Lower(y); });
}

bool IsRequestId(std::string_view text) {
  return !text.empty() && text.size() <= kLongestId && std::all_of(text.begin(), text.end(), IsIdCharacter);
}

std::string RandomId() {
  thread_local std::mt19937_64 draw{(uint64_t{std::random_device{}()} << 32) ^ std::random_device{}()};
  std::string id;
  for (int word = 0; word < 2; ++word) {
    uint64_t bits = draw();
    for (int digit = 0; digit < 12; ++digit, bits >>= 4) id.push_back("0123456789abcdef"[bits & 15]);
  }
  return id;
}

}  // namespace octet::serve
