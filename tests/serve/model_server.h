// A server with tiny models that it loads and unloads itself.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "serve/model_hub.h"
#include "tests/serve/running_server.h"

namespace octet::serve {

class ModelServer : public RunningServer {
 protected:
  static std::string Golden(const std::string& path) { return std::string(OCTET_SOURCE_DIR) + "/tests/golden/" + path; }
  static ModelSource Writer(std::string name = "writer") {
    return {.name = std::move(name), .path = Golden("models/smollm2")};
  }
  static ModelSource Vectors(std::string name = "vectors") {
    return {.name = std::move(name), .path = Golden("encoders/bert")};
  }
  static ModelSource Pairs(std::string name = "pairs") {
    return {.name = std::move(name), .path = Golden("encoders/pairs")};
  }

  void StartModels(std::vector<ModelSource> sources, ModelHubOptions hub = {}, ServiceOptions options = {},
                   ScheduleOptions schedule = {}) {
    const RunningModelOptions running{.engine = {.threads = 1, .sessions = 8}, .schedule = schedule};
    hub.sources = std::move(sources);
    if (!hub.open) hub.open = [running](const ModelSource& source) { return RunningModel::Open(source, running); };
    hub.check = [running](const ModelSource& source) { return RunningModel::Check(source, running); };
    options.models = std::move(hub);
    Listen(std::move(options));
    const Status opened = service_->OpenModels();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
  }

  void TearDown() override {
    RunningServer::TearDown();
    if (service_) service_->models().Close();
  }

  // Of GET /models.
  std::string StateOf(const std::string& name) {
    const HttpResult list = Get("/models");
    for (const Json& entry : list.json.at("data")) {
      if (entry.at("id") == name) return entry.at("status").at("value");
    }
    return "none";
  }
  // Waits for it.
  bool BecomesState(const std::string& name, const std::string& state) {
    for (int i = 0; i < 1000 && StateOf(name) != state; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return StateOf(name) == state;
  }
};

}  // namespace octet::serve
