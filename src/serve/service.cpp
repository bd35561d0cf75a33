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
#include "serve/api/encoding.h"
#include "serve/api/fields.h"
#include "serve/api/responses.h"
#include "serve/api/tokens.h"
#include "serve/encoding_task.h"
#include "serve/generation_task.h"
#include "serve/service_call.h"
#include "serve/web/web_page.h"

namespace octet::serve {

namespace {

constexpr std::string_view kPagePath = "/";
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

std::optional<double> RequestedSeconds(const HttpRequest& request) {
  const std::string_view text = request.Header("X-Request-Timeout");
  double seconds = 0;
  const std::from_chars_result read = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (!whole || !(seconds > 0 && seconds < 1e6)) return std::nullopt;
  return seconds;
}

}  // namespace

Service::Service(ServiceOptions options) : options_(std::move(options)), models_(options_.models) {}

void Service::Open(OpenModel model) {
  models_.Add(std::move(model));
  open_ = true;
}

Status Service::OpenModels() {
  OCTET_TRY(models_.OpenFirst());
  open_ = true;
  return {};
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
      {"GET", "/models", &Service::ModelStates},
      {"POST", "/models/load", &Service::LoadModel, false, true, true, true},
      {"POST", "/models/unload", &Service::UnloadModel, false, true, false, true},
      {"GET", "/tokenizer_info", &Service::TokenizerInfo},
      {"POST", "/tokenize", &Service::FromBody<&AnswerTokenize>},
      {"POST", "/detokenize", &Service::FromBody<&AnswerDetokenize>},
      {"POST", "/apply-template", &Service::FromBody<&AnswerApplyTemplate>},
      {"POST", "/v1/completions", &Service::Generate<&ReadCompletion>, false, true, true},
      {"POST", "/v1/chat/completions", &Service::Generate<&ReadChat>, false, true, true},
      {"POST", "/v1/responses", &Service::Generate<&ReadResponse>, false, true, true},
      {"POST", "/v1/messages", &Service::Generate<&ReadAnthropicMessage>, false, true, true},
      {"POST", "/v1/embeddings", &Service::Encode<&ReadEmbeddings>, false, true, true},
      {"POST", "/v1/rerank", &Service::Encode<&ReadRerank>, false, true, true},
      {"POST", "/v1/reranking", &Service::Encode<&ReadRerank>, false, true, true},
      {"POST", "/rerank", &Service::Encode<&ReadRerank>, false, true, true},
      {"POST", "/reranking", &Service::Encode<&ReadRerank>, false, true, true},
      {"POST", "/score", &Service::Encode<&ReadScore>, false, true, true},
      {"POST", "/v1/score", &Service::Encode<&ReadScore>, false, true, true},
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
  if (route != nullptr && route->is_admin) {
    if (std::optional<HttpReply> refusal = CheckAdmin(head)) return refusal;
  }
  if (route == nullptr && allowed.empty())
    return Refusal(head, 404,
                   Cat("there is no ", head.path.substr(0, 200),
                       " here; GET /v1/models, POST /v1/chat/completions "
                       "and others are in the documentation of `octet serve`"));
  if (route == nullptr) {
    HttpReply reply = Refusal(head, 405, Cat(head.path, " takes ", allowed, ", not ", head.method.substr(0, 20)));
    reply.headers.push_back({"Allow", allowed});
    return reply;
  }
  if (route->needs_model && !open_) return Refusal(head, 503, "the model is being loaded; try again in some seconds");
  if (route->needs_engine && draining_) return Refusal(head, 503, "the server is ending and takes no new requests");
  if (const std::string_view limit = head.Header("X-Request-Timeout"); !limit.empty() && !RequestedSeconds(head)) {
    return Refusal(head, 400,
                   Cat("X-Request-Timeout is `", limit.substr(0, 40),
                       "`, a number of seconds above 0 and below 1000000 is expected"));
  }
  const std::string_view type = head.Header("Content-Type");
  if (head.method == "POST" && !type.empty() && !SameWord(type.substr(0, type.find(';')), "application/json"))
    return Refusal(head, 415,
                   Cat("the body is sent as ", type.substr(0, 100), "; send Content-Type: application/json"));
  return std::nullopt;
}

void Service::Handle(HttpRequest request, std::shared_ptr<Answer> answer) {
  if (request.method == "OPTIONS") return answer->Send(Preflight(request));
  std::string allowed;
  const Route* route = Find(request.method, request.path, allowed);
  Call call{std::move(request), std::move(answer), std::chrono::steady_clock::now()};
  (this->*route->answer)(call);
}

HttpReply Service::Refusal(const HttpRequest& head, int status, std::string_view message) {
  return FailedReply(head, StatusError(status, message));
}

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

Service::Work Service::CountWork() const {
  Work work;
  for (const ModelStatus& model : models_.List()) {
    if (!model.lease) continue;
    if (model.lease->encoder != nullptr) work.waiting += model.lease->encoder->stats().jobs;
    if (model.lease->loop == nullptr) continue;
    const LoopStats stats = model.lease->loop->stats();
    work.running += stats.running;
    work.waiting += stats.waiting;
  }
  return work;
}

size_t Service::under_way() const {
  const Work work = CountWork();
  return work.running + work.waiting;
}

void Service::Load(Call& call) const {
  const Work work = CountWork();
  call.answer->Send(
      JsonReply({{"server_load", work.running + work.waiting}, {"running", work.running}, {"waiting", work.waiting}}));
}

void Service::Metrics(Call& call) const {
  MetricsSource source{.requests = counts_, .connections = connections_ ? connections_() : 0};
  for (const ModelStatus& model : models_.List()) {
    ModelFigures figures{.name = model.name, .loaded = model.lease != nullptr};
    if (model.lease) {
      figures.load_seconds = model.lease->load_seconds;
      figures.tier = model.lease->tier;
      if (model.lease->loop != nullptr) figures.engine = model.lease->loop->stats();
      if (model.lease->encoder != nullptr) figures.encoder = model.lease->encoder->stats();
      for (size_t i = 0; i < model.adapters.size(); ++i)
        figures.adapters.emplace_back(model.lease->adapters[i]->number(), model.adapters[i]);
    }
    source.models.push_back(std::move(figures));
  }
  HttpReply reply{.content_type = "text/plain; version=0.0.4; charset=utf-8"};
  reply.body = MetricsText(source);
  call.answer->Send(std::move(reply));
}

void Service::TokenizerInfo(Call& call) const {
  FindModel(call, Json::object(), ModelUse::kAny, [](const Call& found, const Json&, const ModelLease& model) {
    const ApiResult<Json> info = AnswerTokenizerInfo(model->model);
    found.answer->Send(info ? JsonReply(*info) : ErrorReply(info.error()));
  });
}

// Goes on with the model that the body names, on the connection's thread; it may have to be loaded before.
void Service::FindModel(Call& call, Json body, ModelUse use, WithModel then) const {
  std::optional<std::string> name;
  if (const Json* named = FindMember(body, "model"); named != nullptr) {
    if (!named->is_string())
      return call.answer->Send(FailedReply(call.request, WrongField("model", "`model` is no text")));
    name = named->get<std::string>();
  }
  const std::shared_ptr<Answer> answer = call.answer;
  const auto waiting = std::make_shared<std::pair<Call, Json>>(std::move(call), std::move(body));
  models_.With(name, use, [answer, waiting, then = std::move(then)](const ApiResult<ModelLease>& model) {
    answer->Post([waiting, then, model] {
      const auto& [found, json] = *waiting;
      if (!model) return found.answer->Send(FailedReply(found.request, model.error()));
      then(found, json, *model);
    });
  });
}

template <auto kAnswer>
void Service::FromBody(Call& call) const {
  ApiResult<Json> body = ParseBody(call.request.body);
  if (!body) return call.answer->Send(FailedReply(call.request, body.error()));
  FindModel(call, std::move(*body), ModelUse::kAny, [](const Call& found, const Json& json, const ModelLease& model) {
    const ApiResult<Json> reply = kAnswer(json, model->model);
    found.answer->Send(reply ? JsonReply(*reply) : FailedReply(found.request, reply.error()));
  });
}

template <auto kRead>
void Service::Generate(Call& call) const {
  ApiResult<Json> body = ParseBody(call.request.body);
  if (!body) return call.answer->Send(FailedReply(call.request, body.error()));
  const auto then = [this](const Call& found, const Json& json, const ModelLease& model) {
    if (model->loop == nullptr) {
      const std::string why = Cat("`", model->model.name, "` is an encoder, which writes no text; it answers ",
                                  "POST /v1/embeddings or POST /v1/rerank");
      return found.answer->Send(FailedReply(found.request, WrongField("model", why)));
    }
    ApiResult<Generation> generation = kRead(json, model->model, found.request.id);
    if (!generation) return found.answer->Send(FailedReply(found.request, generation.error()));
    // Of the name that was read: another one than the model's or none is an adapter's.
    const Json* name = FindMember(json, "model");
    if (name != nullptr) generation->adapter = model->AdapterNamed(name->get_ref<const std::string&>());
    Run(found, std::move(*generation), model);
  };
  FindModel(call, std::move(*body), ModelUse::kText, then);
}

template <auto kRead>
void Service::Encode(Call& call) const {
  ApiResult<Json> body = ParseBody(call.request.body);
  if (!body) return call.answer->Send(ErrorReply(body.error()));
  const auto then = [this](const Call& found, const Json& json, const ModelLease& model) {
    ApiResult<Encoding> encoding = kRead(json, model->model, found.request.id);
    if (!encoding) return found.answer->Send(ErrorReply(encoding.error()));
    ApiResult<std::vector<HttpHeader>> headers = TellUnknown(encoding->unknown_fields);
    if (!headers) return found.answer->Send(ErrorReply(headers.error()));
    StartEncoding(std::move(*encoding), model, found.answer, DeadlineOf(found), std::move(*headers));
  };
  FindModel(call, std::move(*body), ModelUse::kEncoding, then);
}

// The header that names fields that nobody knows, or the refusal of them.
ApiResult<std::vector<HttpHeader>> Service::TellUnknown(const std::vector<std::string>& fields) const {
  if (fields.empty()) return {};
  if (options_.strict_fields)
    return tl::unexpected(WrongField(fields[0], Cat("`", fields[0], "` is no field of this API")));
  return std::vector<HttpHeader>{{"X-Octet-Ignored-Fields", FieldList(fields)}};
}

std::optional<std::chrono::steady_clock::time_point> Service::DeadlineOf(const Call& call) const {
  const double most = options_.request_seconds;
  double seconds = RequestedSeconds(call.request).value_or(most);
  if (most > 0) seconds = std::min(seconds, most);
  if (seconds <= 0) return std::nullopt;
  return call.arrival +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
}

void Service::Run(const Call& call, Generation generation, const ModelLease& model) const {
  ApiResult<std::vector<HttpHeader>> headers = TellUnknown(generation.unknown_fields);
  if (!headers) return call.answer->Send(generation.shape->Refusal(headers.error()));
  // Others' keys never share what a prompt begins with: how quickly it is answered would tell of their requests.
  const std::string tenant = TenantOf(call.request);
  if (!tenant.empty()) generation.cache_salt = Cat(tenant, "/", generation.cache_salt);
  std::make_shared<GenerationTask>(std::move(generation), model, call.answer)
      ->Start(DeadlineOf(call), std::move(*headers));
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
