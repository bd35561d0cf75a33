// Who may ask: the half of service.h that looks at hosts, origins and keys.
#include <algorithm>

#include "base/cat.h"
#include "serve/api/anthropic_reply.h"
#include "serve/api/api_error.h"
#include "serve/http/http_server.h"
#include "serve/service_call.h"

namespace octet::serve {
namespace {

// The host of a Host header or an origin, without its port.
std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

std::string_view ShownKey(const HttpRequest& request) {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view header = request.Header("Authorization");
  if (header.size() > kBearer.size() && SameWord(header.substr(0, kBearer.size()), kBearer))
    return header.substr(kBearer.size());
  return request.Header("X-Api-Key");  // as clients of Anthropic's API send it
}

// Headers that a page may send: those that it asks for, as far as they are names. Clients made for browsers add some of
// their own, and what they say is looked at as anybody's.
std::string AskedHeaders(const HttpRequest& request) {
  constexpr size_t kLongest = 2048;
  const std::string_view asked = request.Header("Access-Control-Request-Headers");
  const bool names = std::all_of(asked.begin(), asked.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == ',' || c == ' ';
  });
  if (!asked.empty() && asked.size() <= kLongest && names) return std::string(asked);
  return "Authorization, Content-Type, X-Api-Key, X-Request-Id, X-Request-Timeout";
}

}  // namespace

HttpReply FailedReply(const HttpRequest& request, const ApiError& error) {
  return request.path.starts_with("/v1/messages") ? AnthropicError(error) : ErrorReply(error);
}

// A page of any site can make its name point here; its requests then show that name.
std::optional<HttpReply> Service::CheckHost(const HttpRequest& head) const {
  if (!options_.only_local_hosts) return std::nullopt;
  const std::string_view host = WithoutPort(head.Header("Host"));
  const bool named = std::any_of(options_.allowed_hosts.begin(), options_.allowed_hosts.end(),
                                 [&](const std::string& allowed) { return SameWord(allowed, host); });
  if (named || IsLoopback(host) || head.Header("Host").empty()) return std::nullopt;
  return FailedReply(head, StatusError(403, Cat("the Host header names `", host.substr(0, 100),
                                                "`, which this server doesn't answer for; --allow-host adds a name")));
}

bool Service::IsNamedOrigin(std::string_view origin) const {
  return std::any_of(options_.cors_origins.begin(), options_.cors_origins.end(),
                     [&](const std::string& named) { return named == "*" || named == origin; });
}

// Browsers name the page that asks. Another site's page may neither read replies nor cause work.
std::optional<HttpReply> Service::CheckOrigin(const HttpRequest& head) const {
  const std::string_view origin = head.Header("Origin");
  if (origin.empty() || head.method == "GET" || head.method == "HEAD" || IsNamedOrigin(origin)) return std::nullopt;
  const size_t scheme = origin.find("://");
  if (scheme != std::string_view::npos && SameWord(origin.substr(scheme + 3), head.Header("Host"))) return std::nullopt;
  return FailedReply(
      head, StatusError(403, Cat("pages of ", origin.substr(0, 100), " may not ask this server; --cors allows them")));
}

std::optional<HttpReply> Service::CheckKey(const HttpRequest& head) const {
  if (options_.keys.empty() || options_.keys.Find(ShownKey(head)) != nullptr) return std::nullopt;
  return FailedReply(
      head, StatusError(401, ShownKey(head).empty() ? "this server asks for a key: send Authorization: Bearer KEY"
                                                    : "the key is not one of this server's"));
}

// What changes the server for all asks for more than a key.
std::optional<HttpReply> Service::CheckAdmin(const HttpRequest& head) const {
  if (options_.keys.IsAdmin(ShownKey(head))) return std::nullopt;
  return ErrorReply(StatusError(403, Cat(head.path,
                                         " asks for a key of an administrator: a line `NAME:KEY admin` in "
                                         "the server's file of keys makes one")));
}

std::string Service::TenantOf(const HttpRequest& request) const {
  const std::string* name = options_.keys.Find(ShownKey(request));
  return name == nullptr ? std::string() : *name;
}

HttpReply Service::Preflight(const HttpRequest& request) const {
  if (!IsNamedOrigin(request.Header("Origin")))
    return ErrorReply(StatusError(403, "pages of this origin may not ask this server; --cors allows them"));
  return {.status = 200,
          .content_type = "text/plain",
          .headers = {{"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
                      {"Access-Control-Allow-Headers", AskedHeaders(request)},
                      {"Access-Control-Max-Age", "3600"}}};
}

void Service::Decorate(const HttpRequest& request, HttpReply& reply) {
  reply.headers.push_back({"Cache-Control", "no-store"});
  reply.headers.push_back({"X-Content-Type-Options", "nosniff"});
  const std::string_view origin = request.Header("Origin");
  if (origin.empty() || !IsNamedOrigin(origin)) return;
  reply.headers.push_back({"Access-Control-Allow-Origin", std::string(origin)});
  reply.headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id, X-Octet-Ignored-Fields, Retry-After"});
  reply.headers.push_back({"Vary", "Origin"});
}

}  // namespace octet::serve
