#include "serve/service.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <utility>

#include "base/cat.h"
#include "octet/version.h"
#include "serve/api/anthropic.h"
#include "serve/api/chat.h"
#include "serve/api/completions.h"
#include "serve/api/fields.h"
#include "serve/api/responses.h"
#include "serve/api/tokens.h"
#include "serve/generation_task.h"
#include "serve/web/web_page.h"

namespace octet::serve {

struct Service::Call {
  HttpRequest request;
  std::shared_ptr<Answer> answer;
};

// A path without `method` of its own kind is found by Find; {id} behind a path that ends in a slash.
struct Service::Route {
  std::string_view method;
  std::string_view path;
  void (Service::*answer)(Call&) const;
  bool is_public = false;     // answered without a key
  bool needs_model = true;    // 503 while the model is being loaded
  bool needs_engine = false;  // 503 while the server drains
};

namespace {

constexpr std::string_view kModelPath = "/v1/models/", kPagePath = "/";
constexpr size_t kLongestFieldList = 1024;

// Names of fields that nobody knows, as a header may hold them.
std::string FieldList(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    if (list.size() + name.size() > kLongestFieldList) return list + ", ...";
    list += list.empty() ? "" : ", ";
    for (const char c : name) list.push_back(c > ' ' && c < '\x7f' && c != ',' ? c : '?');
  }
  return list;
}

// %2F and the like as the characters they stand for; what isn't of that form stays.
std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    uint8_t byte = 0;
    const char* end = text.data() + at + 3;
    const bool coded =
        text[at] == '%' && at + 3 <= text.size() && std::from_chars(text.data() + at + 1, end, byte, 16).ptr == end;
    out.push_back(coded ? static_cast<char>(byte) : text[at]);
    if (coded) at += 2;
  }
  return out;
}

// In the shape of the API whose path it is.
HttpReply FailedReply(const HttpRequest& request, const ApiError& error) {
  return request.path.starts_with("/v1/messages") ? AnthropicError(error) : ErrorReply(error);
}

std::optional<double> RequestedSeconds(const HttpRequest& request) {
  const std::string_view text = request.Header("X-Request-Timeout");
  double seconds = 0;
  const std::from_chars_result read = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (!whole || !(seconds > 0 && seconds < 1e6)) return std::nullopt;
  return seconds;
}

}  // namespace

Service::Service(ServiceOptions options) : options_(std::move(options)) {}

void Service::Open(OpenModel model) {
  model_ = std::move(model);
  open_ = true;
}

const Service::Route* Service::Find(std::string_view method, std::string_view path, std::string& allowed) {
  static constexpr auto kRoutes = std::to_array<Route>({
      {"GET", kPagePath, &Service::Page, true, false},
      {"GET", "/health", &Service::Health, true, false},
      {"GET", "/v1/health", &Service::Health, true, false},
      {"GET", "/ping", &Service::Health, true, false},
      {"POST", "/ping", &Service::Health, true, false},
      {"GET", "/ready", &Service::Ready, true, false},
      {"GET", "/version", &Service::Version, false, false},
      {"GET", "/load", &Service::Load},
      {"GET", "/metrics", &Service::Metrics},
      {"GET", "/v1/models", &Service::Models},
      {"GET", kModelPath, &Service::Models},
      {"GET", "/tokenizer_info", &Service::TokenizerInfo},
      {"POST", "/tokenize", &Service::FromBody<&AnswerTokenize>},
      {"POST", "/detokenize", &Service::FromBody<&AnswerDetokenize>},
      {"POST", "/apply-template", &Service::FromBody<&AnswerApplyTemplate>},
      {"POST", "/v1/completions", &Service::Generate<&ReadCompletion>, false, true, true},
      {"POST", "/v1/chat/completions", &Service::Generate<&ReadChat>, false, true, true},
      {"POST", "/v1/responses", &Service::Generate<&ReadResponse>, false, true, true},
      {"POST", "/v1/messages", &Service::Generate<&ReadAnthropicMessage>, false, true, true},
      {"POST", "/v1/messages/count_tokens", &Service::FromBody<&CountAnthropicTokens>},
  });
  const Route* found = nullptr;
  for (const Route& route : kRoutes) {
    const bool prefix = route.path == kModelPath && path.size() > route.path.size() && path.starts_with(route.path);
    if (route.path != path && !prefix) continue;
    allowed += Cat(allowed.empty() ? "" : ", ", route.method);
    if (route.method == method || (method == "HEAD" && route.method == "GET")) found = &route;
  }
  return found;
}

// Paths as the metrics name them: never what a client made up.
std::string_view Service::KnownPath(std::string_view path) {
  std::string allowed;
  Find("", path, allowed);
  if (allowed.empty()) return "other";
  return path.starts_with(kModelPath) ? kModelPath : path;
}

std::optional<HttpReply> Service::Screen(const HttpRequest& head) {
  if (std::optional<HttpReply> refusal = CheckHost(head)) return refusal;
  if (head.method == "OPTIONS" && !options_.cors_origins.empty()) return std::nullopt;
  if (std::optional<HttpReply> refusal = CheckOrigin(head)) return refusal;
  std::string allowed;
  const Route* route = Find(head.method, head.path, allowed);
  if (head.path == kPagePath && !options_.web_page) {
    route = nullptr;
    allowed.clear();
  }
  if (route == nullptr || !route->is_public) {
    if (std::optional<HttpReply> refusal = CheckKey(head)) return refusal;
  }
  if (route == nullptr && allowed.empty())
    return Refusal(404, Cat("there is no ", head.path.substr(0, 200),
                            " here; GET /v1/models, POST /v1/chat/completions "
                            "and others are in the documentation of `octet serve`"));
  if (route == nullptr) {
    HttpReply reply = Refusal(405, Cat(head.path, " takes ", allowed, ", not ", head.method.substr(0, 20)));
    reply.headers.push_back({"Allow", allowed});
    return reply;
  }
  if (route->needs_model && !open_) return Refusal(503, "the model is being loaded; try again in some seconds");
  if (route->needs_engine && draining_) return Refusal(503, "the server is ending and takes no new requests");
  const std::string_view type = head.Header("Content-Type");
  if (head.method == "POST" && !type.empty() && !SameWord(type.substr(0, type.find(';')), "application/json"))
    return Refusal(415, Cat("the body is sent as ", type.substr(0, 100), "; send Content-Type: application/json"));
  return std::nullopt;
}

void Service::Handle(HttpRequest request, std::shared_ptr<Answer> answer) {
  if (request.method == "OPTIONS") return answer->Send(Preflight(request));
  std::string allowed;
  const Route* route = Find(request.method, request.path, allowed);
  Call call{std::move(request), std::move(answer)};
  (this->*route->answer)(call);
}

HttpReply Service::Refusal(int status, std::string_view message) { return ErrorReply(StatusError(status, message)); }

void Service::Page(Call& call) const { call.answer->Send(WebPage()); }

void Service::Health(Call& call) const {
  if (open_) return call.answer->Send(JsonReply({{"status", "ok"}}));
  // In the words of llama.cpp's server, which scripts wait for.
  call.answer->Send(
      JsonReply({{"error", {{"code", 503}, {"message", "Loading model"}, {"type", "unavailable_error"}}}}, 503));
}

void Service::Ready(Call& call) const {
  const bool ready = open_ && !draining_;
  call.answer->Send(JsonReply({{"status", ready ? "ready" : open_ ? "draining" : "loading"}}, ready ? 200 : 503));
}

void Service::Version(Call& call) const {
  const BuildInfo build = ThisBuild();
  call.answer->Send(JsonReply({{"version", build.version}, {"commit", build.commit}, {"compiler", build.compiler}}));
}

void Service::Load(Call& call) const {
  const LoopStats stats = model_.loop->stats();
  call.answer->Send(JsonReply(
      {{"server_load", stats.running + stats.waiting}, {"running", stats.running}, {"waiting", stats.waiting}}));
}

void Service::Models(Call& call) const {
  const ServedModel& model = model_.model;
  if (call.request.path.starts_with(kModelPath)) {
    const std::string name = PercentDecoded(std::string_view(call.request.path).substr(kModelPath.size()));
    const ApiResult<std::string> known = RequestedName({{"model", name}}, model);
    return call.answer->Send(known ? JsonReply(ModelJson(model, name)) : ErrorReply(known.error()));
  }
  Json list = {{"object", "list"}, {"data", Json::array()}};
  list["data"].push_back(ModelJson(model, model.name));
  for (const std::string& alias : model.aliases) list["data"].push_back(ModelJson(model, alias));
  call.answer->Send(JsonReply(list));
}

void Service::Metrics(Call& call) const {
  HttpReply reply{.content_type = "text/plain; version=0.0.4; charset=utf-8"};
  reply.body = MetricsText({.model_name = model_.model.name,
                            .stats = model_.loop->stats(),
                            .requests = counts_,
                            .connections = connections_ ? connections_() : 0,
                            .load_seconds = model_.load_seconds,
                            .tier = model_.tier});
  call.answer->Send(std::move(reply));
}

void Service::TokenizerInfo(Call& call) const {
  const ApiResult<Json> info = AnswerTokenizerInfo(model_.model);
  call.answer->Send(info ? JsonReply(*info) : ErrorReply(info.error()));
}

template <auto kAnswer>
void Service::FromBody(Call& call) const {
  const ApiResult<Json> reply =
      ParseBody(call.request.body).and_then([&](const Json& body) { return kAnswer(body, model_.model); });
  call.answer->Send(reply ? JsonReply(*reply) : FailedReply(call.request, reply.error()));
}

template <auto kRead>
void Service::Generate(Call& call) const {
  ApiResult<Generation> generation = ParseBody(call.request.body).and_then([&](const Json& body) {
    return kRead(body, model_.model, call.request.id);
  });
  if (!generation) return call.answer->Send(FailedReply(call.request, generation.error()));
  Run(call, std::move(*generation));
}

void Service::Run(Call& call, Generation generation) const {
  std::vector<HttpHeader> headers;
  if (!generation.unknown_fields.empty()) {
    if (options_.strict_fields) {
      const std::string& name = generation.unknown_fields[0];
      return call.answer->Send(
          generation.shape->Refusal(WrongField(name, Cat("`", name, "` is no field of this API"))));
    }
    headers.push_back({"X-Octet-Ignored-Fields", FieldList(generation.unknown_fields)});
  }
  // Others' keys never share what a prompt begins with: how quickly it is answered would tell of their requests.
  const std::string tenant = TenantOf(call.request);
  if (!tenant.empty()) generation.cache_salt = Cat(tenant, "/", generation.cache_salt);
  std::optional<std::chrono::steady_clock::time_point> deadline;
  const double most = options_.request_seconds;
  double seconds = RequestedSeconds(call.request).value_or(most);
  if (most > 0) seconds = std::min(seconds, most);
  if (seconds > 0)
    deadline = std::chrono::steady_clock::now() +
               std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
  std::make_shared<GenerationTask>(std::move(generation), *model_.loop, call.answer)
      ->Start(deadline, std::move(headers));
}

void Service::Finished(const Exchange& exchange) {
  const HttpRequest& request = *exchange.request;
  counts_.Add(KnownPath(request.path), exchange.status, exchange.gone);
  if (!options_.log) return;
  char time[32] = {};
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &parts));
  Json line = {{"time", time},
               {"request_id", request.id},
               {"client", request.peer},
               {"method", request.method},
               {"path", request.path.substr(0, 200)},
               {"status", exchange.status},
               {"reply_bytes", exchange.reply_bytes},
               {"seconds", exchange.seconds}};
  if (exchange.gone) line["client_left"] = true;
  line.update(exchange.more);
  options_.log(line);
}

}  // namespace octet::serve
