// `octet serve`: a model for many users over HTTP, until a signal ends it.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "base/json_text.h"
#include "base/mapped_file.h"
#include "base/open_files.h"
#include "cli/model_flags.h"
#include "cli/signals.h"
#include "cli/verb.h"
#include "serve/http/http_server.h"
#include "serve/service.h"

namespace octet::cli {
namespace {

constexpr size_t kMostKeyBytes = 1 << 20;
constexpr const char* kKeyVariable = "OCTET_API_KEYS";
constexpr std::chrono::milliseconds kLook{20};
constexpr double kFlushSeconds = 2;  // for the last replies to reach the system

struct ServeFlags {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;
  std::vector<std::string> name, models, adapter;
  std::filesystem::path api_key_file;
  std::filesystem::path tls_cert, tls_key;
  bool without_key = false;
  std::vector<std::string> cors, allow_host;
  size_t http_threads = 2, connections = 4096, body_megabytes = 8;
  size_t users = 4, models_max = 4;
  double idle_unload = 0;
  double request_timeout = 3600, drain_timeout = 30;
  bool request_log = true, strict_api = false, web = true;
  std::string tool_format = "auto";
  ScheduleOptions schedule;
  ModelFlags model;

  template <class Visit>
  static void Describe(Visit&& visit) {
    using F = ServeFlags;
    visit(&F::host, "host", "numeric address to listen on; other than this machine's own only with a key");
    visit(&F::port, "port", "port to listen on; 0: any that is free, which the first line on stdout names");
    visit(&F::name, "name",
          "what clients call the model; may be repeated; not given: the name of its file or directory; several models "
          "have theirs before an equals sign, NAME[,ALIAS]=MODEL");
    visit(&F::models, "models", "further models, as MODEL or NAME[,ALIAS]=MODEL; may be repeated; in a file a list",
          Takes{"MODEL"});
    visit(&F::adapter, "adapter",
          "folder of a LoRA adapter as PEFT saves it; requests that name NAME as their model are answered with it, "
          "beside "
          "others; NAME@MODEL=DIR where several models are given; may be repeated",
          Takes{"[NAME=]DIR"});
    visit(&F::models_max, "models-max",
          "most models in memory; more are loaded as requests name them, in place of those unused for longest",
          Between{1, 1024});
    visit(&F::idle_unload, "idle-unload",
          "seconds after which a model that nobody asks leaves memory, until a request names it; 0: never",
          Between{0, 1e9});
    visit(&F::api_key_file, "api-key-file",
          "file with a key a line, or NAME:KEY, and ` admin` behind one that may load and unload models; clients send "
          "one "
          "as a bearer token; OCTET_API_KEYS holds the same text");
    visit(&F::without_key, "without-key", "listen to other machines although no key is asked for");
    visit(&F::tls_cert, "tls-cert",
          "certificate with those that vouch for it, PEM; the server then speaks HTTPS alone");
    visit(&F::tls_key, "tls-key", "the certificate's private key, PEM without a passphrase");
    visit(&F::cors, "cors", "origin whose pages may ask, as in https://example.org; may be repeated; * is all",
          Takes{"ORIGIN"});
    visit(&F::allow_host, "allow-host", "further name by which clients may call this machine; may be repeated",
          Takes{"NAME"});
    visit(&F::http_threads, "http-threads", "threads that read requests and write replies, beside those that compute",
          Between{1, 64});
    visit(&F::connections, "connections", "most connections at the same time", Between{1, 1 << 20});
    visit(&F::body_megabytes, "body-megabytes", "largest body of a request", Between{1, 1024});
    visit(&F::users, "users", "full contexts that the cache has room for, shared by all that run", Between{1, 65536});
    visit(&F::request_timeout, "request-timeout",
          "seconds after which a request ends, in the queue or running; 0: never. X-Request-Timeout asks for less",
          Between{0, 1e6});
    visit(&F::drain_timeout, "drain-timeout", "seconds that running requests have to end after a signal",
          Between{0, 1e6});
    visit(&F::request_log, "request-log", "a line of JSON on stderr for each request");
    visit(&F::strict_api, "strict-api",
          "refuse requests with fields that aren't known, instead of naming these in a header");
    visit(&F::web, "web", "a page to chat in, at /");
    visit(&F::tool_format, "tool-format",
          "how the model writes calls of tools; auto: by its chat template; none: requests with tools are refused",
          OneOf{{"auto", "hermes", "llama3", "mistral", "none"}});
    visit(&F::schedule);
    visit(&F::model);
  }
};

Result<serve::ApiKeys> ReadKeys(const ServeFlags& flags) {
  serve::ApiKeys keys;
  if (!flags.api_key_file.empty()) {
    const std::string text = OCTET_TRY(ReadTextFile(flags.api_key_file, kMostKeyBytes));
    keys = OCTET_TRY(serve::ApiKeys::Parse(text, flags.api_key_file.native()));
    // An empty file would else open the server to everybody.
    if (keys.empty()) return Fail(ErrorCode::kInvalidArgument, flags.api_key_file, " holds no key");
  }
  const char* variable = std::getenv(kKeyVariable);
  if (variable == nullptr) return keys;
  serve::ApiKeys more = OCTET_TRY(serve::ApiKeys::Parse(variable, kKeyVariable));
  if (more.empty()) return Fail(ErrorCode::kInvalidArgument, kKeyVariable, " holds no key; unset it");
  keys.Add(std::move(more));
  return keys;
}

Status CheckExposure(const ServeFlags& flags, const serve::ApiKeys& keys) {
  if (!keys.empty() || flags.without_key || serve::IsLoopback(flags.host)) return {};
  return Fail(
      ErrorCode::kInvalidArgument, "--host ", flags.host,
      " lets other machines ask, and no key is set: give --api-key-file FILE, or --without-key if that is meant");
}

// One that no browser sends would let nobody in, and nothing would say so: scheme, host and perhaps port, no more.
Status CheckOrigins(const std::vector<std::string>& origins) {
  for (const std::string& origin : origins) {
    const size_t scheme = origin.find("://");
    const bool named = scheme != std::string::npos && scheme > 0 && scheme + 3 < origin.size() &&
                       origin.find_first_of("/?#@ ", scheme + 3) == std::string::npos;
    if (named || origin == "*") continue;
    return Fail(
        ErrorCode::kInvalidArgument, "--cors: `", origin,
        "` is no origin; one is a scheme, a host and perhaps a port, as in https://example.org:8443, or * for all");
  }
  return {};
}

void PrintLogLine(const Json& line) {
  static std::mutex mutex;
  const std::string text = Dump(line) + "\n";
  const std::lock_guard lock(mutex);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

serve::ServiceOptions ToServiceOptions(const ServeFlags& flags, serve::ApiKeys keys) {
  serve::ServiceOptions options;
  options.keys = std::move(keys);
  options.cors_origins = flags.cors;
  options.allowed_hosts = flags.allow_host;
  options.only_local_hosts = serve::IsLoopback(flags.host) || !flags.allow_host.empty();
  options.strict_fields = flags.strict_api;
  options.web_page = flags.web;
  options.request_seconds = flags.request_timeout;
  if (flags.request_log) options.log = PrintLogLine;
  return options;
}

serve::HttpOptions ToHttpOptions(const ServeFlags& flags) {
  serve::HttpOptions options;
  options.host = flags.host;
  options.port = flags.port;
  options.threads = flags.http_threads;
  options.connections = flags.connections;
  options.tls_certificate = flags.tls_cert;
  options.tls_key = flags.tls_key;
  options.body_bytes = flags.body_megabytes << 20;
  return options;
}

std::string NameOf(const std::string& path) {
  const std::filesystem::path clean = std::filesystem::path(path).lexically_normal();
  const std::filesystem::path last = clean.has_filename() ? clean : clean.parent_path();
  return last.extension() == ".gguf" || last.extension() == ".octet" ? last.stem() : last.filename();
}

// A word is a model's path, or NAME[,ALIAS...]=PATH unless there is a file of just that name.
Result<serve::ModelSource> ReadSource(const std::string& word) {
  const size_t equals = word.find('=');
  std::error_code error;
  if (equals == std::string::npos || std::filesystem::exists(word, error))
    return serve::ModelSource{.name = NameOf(word), .path = word};
  serve::ModelSource source{.name = {}, .path = word.substr(equals + 1)};
  std::vector<std::string> names;
  for (const std::string_view name : internal::CommaList(std::string_view(word).substr(0, equals)))
    names.emplace_back(name);
  const bool has_empty = std::find(names.begin(), names.end(), "") != names.end();
  if (names.empty() || has_empty || source.path.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "`", word,
                "` is neither a model nor NAME[,ALIAS]=MODEL, as in assistant=build/models/fp8");
  }
  source.name = names[0];
  source.aliases.assign(names.begin() + 1, names.end());
  return source;
}

Status CheckNames(const std::vector<serve::ModelSource>& sources) {
  std::set<std::string> names;
  for (const serve::ModelSource& source : sources) {
    std::vector<std::string> own = source.aliases;
    own.push_back(source.name);
    for (const std::string& name : own) {
      if (names.insert(name).second) continue;
      return Fail(ErrorCode::kInvalidArgument, "two models are called `", name,
                  "`; give one another name, as in NAME=", source.path.native());
    }
    for (const serve::AdapterSource& adapter : source.adapters) {
      if (names.insert(adapter.name).second) continue;
      return Fail(ErrorCode::kInvalidArgument, "--adapter: there is another model or adapter `", adapter.name,
                  "`; give this one another name, as in NAME=", adapter.path.native());
    }
  }
  return {};
}

// DIR or NAME=DIR of the only model, or NAME@MODEL=DIR of one of several.
Status AddAdapter(const std::string& word, std::vector<serve::ModelSource>& sources) {
  const size_t equals = word.find('=');
  const std::string called = equals == std::string::npos ? NameOf(word) : word.substr(0, equals);
  const std::string model = called.substr(std::min(called.find('@'), called.size()));
  serve::AdapterSource adapter{.name = called.substr(0, called.size() - model.size()),
                               .path = equals == std::string::npos ? word : word.substr(equals + 1)};
  if (adapter.name.empty() || adapter.path.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "--adapter: `", word,
                "` isn't NAME=DIR or NAME@MODEL=DIR, as in poems=adapters/poems");
  }
  const auto is_meant = [&](const serve::ModelSource& source) { return "@" + source.name == model; };
  const auto place =
      model.empty() && sources.size() == 1 ? sources.begin() : std::find_if(sources.begin(), sources.end(), is_meant);
  if (place == sources.end()) {
    return Fail(ErrorCode::kInvalidArgument, "--adapter: `", word, "` is of ",
                model.empty() ? Cat("none of ", sources.size(), " models")
                              : Cat("the model `", model.substr(1), "`, which isn't given"),
                "; write NAME@MODEL=DIR with the name of one, as in ", adapter.name, "@", sources[0].name, "=",
                adapter.path.native());
  }
  place->adapters.push_back(std::move(adapter));
  return {};
}

Result<std::vector<serve::ModelSource>> ReadSources(const ServeFlags& flags, const std::vector<std::string>& words) {
  std::vector<serve::ModelSource> sources;
  for (const std::string& word : words) sources.push_back(OCTET_TRY(ReadSource(word)));
  for (const std::string& word : flags.models) sources.push_back(OCTET_TRY(ReadSource(word)));
  if (sources.empty()) return Fail(ErrorCode::kInvalidArgument, "MODEL is missing; `octet serve --help` explains it");
  if (!flags.name.empty() && sources.size() > 1) {
    return Fail(ErrorCode::kInvalidArgument, "--name is of one model, and ", sources.size(),
                " are given; write NAME=MODEL for each");
  }
  if (!flags.name.empty()) {
    sources[0].name = flags.name[0];
    sources[0].aliases.assign(flags.name.begin() + 1, flags.name.end());
  }
  for (const std::string& word : flags.adapter) OCTET_TRY(AddAdapter(word, sources));
  OCTET_TRY(CheckNames(sources));
  return sources;
}

serve::ModelHubOptions ToHubOptions(const ServeFlags& flags, std::vector<serve::ModelSource> sources,
                                    Invocation& call) {
  serve::RunningModelOptions running{.engine = ToEngineOptions(flags.model),
                                     .tool_format = serve::ToolFormatNamed(flags.tool_format),
                                     .schedule = flags.schedule};
  running.engine.sessions = flags.users;
  serve::ModelHubOptions options;
  options.sources = std::move(sources);
  options.open = [running](const serve::ModelSource& source) { return serve::RunningModel::Open(source, running); };
  options.check = [running](const serve::ModelSource& source) { return serve::RunningModel::Check(source, running); };
  options.most_open = flags.models_max;
  options.idle_seconds = flags.idle_unload;
  options.note = [&call](const std::string& line) { call.Note(line); };
  return options;
}

// Ends at the next signal, or at the time.
bool AwaitSignal(CancelFlag& cancel, std::optional<double> seconds, const std::function<bool()>& done) {
  const auto begun = std::chrono::steady_clock::now();
  while (!cancel.requested() && !(done && done())) {
    if (seconds && std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count() > *seconds)
      return false;
    std::this_thread::sleep_for(kLook);
  }
  return cancel.requested();
}

// Lets what runs end; a second signal or the time ends it as it is. True where all was answered.
bool DrainAll(const ServeFlags& flags, serve::Service& service, Invocation& call) {
  service.Drain();
  ForgetSignal();
  call.cancel().Clear();
  call.Note(Cat("ending: ", service.under_way(), " answers are under way; a second signal ends them, too"));
  bool all = false;
  const auto drained = [&] {
    return all = service.models().Drain(std::chrono::steady_clock::now() + std::chrono::milliseconds(1));
  };
  AwaitSignal(call.cancel(), flags.drain_timeout, drained);
  return all;
}

// Ends the models while the server that they answer to is still there, whatever happened before.
struct CloseModels {
  serve::HttpServer& server;
  serve::Service& service;
  ~CloseModels() {
    server.Stop(0);
    service.models().Close();
  }
};

Status PrintAddress(const ServeFlags& flags, uint16_t port, Invocation& call) {
  const std::string shown = flags.host.find(':') == std::string::npos ? flags.host : Cat("[", flags.host, "]");
  const std::string url = Cat(flags.tls_cert.empty() ? "http://" : "https://", shown, ":", port);
  if (call.json()) return call.PrintJson({{"url", url}, {"port", port}, {"pid", ::getpid()}});
  return call.Print(Cat("listening on ", url, "\n"));
}

Status Serve(const ServeFlags& flags, Invocation& call) {
  OCTET_TRY(flags.schedule.Check());
  serve::ApiKeys keys = OCTET_TRY(ReadKeys(flags));
  OCTET_TRY(CheckExposure(flags, keys));
  OCTET_TRY(CheckOrigins(flags.cors));
  RaiseOpenFileLimit();
  std::vector<serve::ModelSource> sources = OCTET_TRY(ReadSources(flags, call.words()));
  serve::ServiceOptions options = ToServiceOptions(flags, std::move(keys));
  options.models = ToHubOptions(flags, std::move(sources), call);
  serve::Service service(std::move(options));
  const std::unique_ptr<serve::HttpServer> server = OCTET_TRY(serve::HttpServer::Listen(ToHttpOptions(flags), service));
  const CloseModels close{*server, service};
  service.set_connections([&server] { return server->connections(); });
  server->Start();
  OCTET_TRY(PrintAddress(flags, server->port(), call));
  OCTET_TRY(service.OpenModels());

  AwaitSignal(call.cancel(), std::nullopt, {});
  const int signal = LastSignal();
  const bool all = DrainAll(flags, service, call);
  if (!all) service.models().CancelAll();  // their clients are told, in the time that replies have
  server->Stop(kFlushSeconds);
  if (all) return {};
  if (LastSignal() == 0) ::raise(signal);  // the time was over; the exit code tells by which signal
  return call.cancel().Check();
}

const RegisterVerb kServe(MakeVerb<ServeFlags>({.name = "serve",
                                                .words = "[MODEL...]",
                                                .summary = "answer many users over HTTP",
                                                .example = "octet serve build/models/fp8 --port 8080"},
                                               Serve));

}  // namespace
}  // namespace octet::cli
