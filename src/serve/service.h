// The server's routes: who may ask what, and who answers.
//
//   Service service({.keys = keys});
//   std::unique_ptr<HttpServer> server = OCTET_TRY(HttpServer::Listen(options, service));
//   server->Start();                                    // requests are told that the model is being loaded
//   service.Open({.model = model, .loop = loop.get()});
//   ...
//   service.Drain();                                    // new requests get 503, accepted ones go on
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "engine/schedule/engine_loop.h"
#include "serve/api/served_model.h"
#include "serve/http/answer.h"
#include "serve/metrics.h"
#include "serve/service_options.h"

namespace octet::serve {

struct Generation;

// A model with the engine that answers for it; both outlive the server.
struct OpenModel {
  ServedModel model;
  EngineLoop* loop = nullptr;
  double load_seconds = 0;
  std::string tier;
};

class Service : public Handler {
 public:
  explicit Service(ServiceOptions options);

  // Once, from any thread: from here on requests are answered.
  void Open(OpenModel model);
  // From here on requests that would need the engine are refused with 503, and /ready says so.
  void Drain() { draining_ = true; }
  // Where the number of open connections comes from.
  void set_connections(std::function<size_t()> connections) { connections_ = std::move(connections); }

  std::optional<HttpReply> Screen(const HttpRequest& head) override;
  void Handle(HttpRequest request, std::shared_ptr<Answer> answer) override;
  HttpReply Refusal(int status, std::string_view message) override;
  void Decorate(const HttpRequest& request, HttpReply& reply) override;
  void Finished(const Exchange& exchange) override;

 private:
  struct Call;   // a request with what answering it needs
  struct Route;  // service.cpp
  static const Route* Find(std::string_view method, std::string_view path, std::string& allowed);
  static std::string_view KnownPath(std::string_view path);

  // Who may ask: service_access.cpp.
  std::optional<HttpReply> CheckHost(const HttpRequest& head) const;
  std::optional<HttpReply> CheckOrigin(const HttpRequest& head) const;
  std::optional<HttpReply> CheckKey(const HttpRequest& head) const;
  bool IsNamedOrigin(std::string_view origin) const;
  std::string TenantOf(const HttpRequest& request) const;
  HttpReply Preflight(const HttpRequest& request) const;

  void Page(Call& call) const;
  void Health(Call& call) const;
  void Ready(Call& call) const;
  void Version(Call& call) const;
  void Load(Call& call) const;
  void Models(Call& call) const;
  void Metrics(Call& call) const;
  void TokenizerInfo(Call& call) const;
  template <auto kAnswer>
  void FromBody(Call& call) const;
  template <auto kRead>
  void Generate(Call& call) const;
  void Run(Call& call, Generation generation) const;

  const ServiceOptions options_;
  OpenModel model_;
  std::atomic<bool> open_{false};
  std::atomic<bool> draining_{false};
  std::function<size_t()> connections_;
  RequestCounts counts_;
};

}  // namespace octet::serve
