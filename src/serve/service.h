// The server's routes: who may ask what, and who answers.
//
//   Service service({.keys = keys});
//   std::unique_ptr<HttpServer> server = OCTET_TRY(HttpServer::Listen(options, service));
//   server->Start();                                    // requests are told that the model is being loaded
//   OCTET_TRY(service.OpenModels());                    // or service.Open({.model = model, .loop = loop.get()})
//   ...
//   service.Drain();                                    // new requests get 503, accepted ones go on
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "serve/http/answer.h"
#include "serve/metrics.h"
#include "serve/model_hub.h"
#include "serve/open_model.h"
#include "serve/service_options.h"

namespace octet::serve {

struct Generation;

class Service : public Handler {
 public:
  explicit Service(ServiceOptions options);

  // A model that outlives the server; from any thread. From here on requests are answered.
  void Open(OpenModel model);
  // The same with the models of the options: ModelHub::OpenFirst.
  Status OpenModels();
  ModelHub& models() { return models_; }
  // From here on requests that would need the engine are refused with 503, and /ready says so.
  void Drain() { draining_ = true; }
  // Answers that run or wait.
  size_t under_way() const;
  // Where the number of open connections comes from.
  void set_connections(std::function<size_t()> connections) { connections_ = std::move(connections); }

  std::optional<HttpReply> Screen(const HttpRequest& head) override;
  void Handle(HttpRequest request, std::shared_ptr<Answer> answer) override;
  HttpReply Refusal(const HttpRequest& head, int status, std::string_view message) override;
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
  std::optional<HttpReply> CheckAdmin(const HttpRequest& head) const;
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
  // Models that come and go: service_models.cpp.
  void ModelStates(Call& call) const;
  void LoadModel(Call& call) const;
  void UnloadModel(Call& call) const;

  template <auto kAnswer>
  void FromBody(Call& call) const;
  template <auto kRead>
  void Generate(Call& call) const;
  template <auto kRead>
  void Encode(Call& call) const;
  struct Work {
    size_t running = 0, waiting = 0;
  };
  Work CountWork() const;
  using WithModel = std::function<void(const Call& call, const Json& body, const ModelLease& model)>;
  void FindModel(Call& call, Json body, ModelUse use, WithModel then) const;
  ApiResult<std::vector<HttpHeader>> TellUnknown(const std::vector<std::string>& fields) const;
  std::optional<std::chrono::steady_clock::time_point> DeadlineOf(const Call& call) const;
  void Run(const Call& call, Generation generation, const ModelLease& model) const;

  const ServiceOptions options_;
  std::atomic<bool> open_{false};
  std::atomic<bool> draining_{false};
  std::function<size_t()> connections_;
  RequestCounts counts_;
  mutable ModelHub models_;  // behind what its calls use
};

}  // namespace octet::serve
