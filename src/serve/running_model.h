// A model of a server with everything that computes for it: engine and loop of one that writes text, embedder and loop
// of an encoder.
//
//   std::unique_ptr<RunningModel> model = OCTET_TRY(RunningModel::Open({.name = "tiny", .path = "models/tiny"}, {}));
//   hub.Add(model->open());
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/embed/embedder.h"
#include "engine/embed/encoder_loop.h"
#include "engine/engine.h"
#include "engine/schedule/engine_loop.h"
#include "serve/open_model.h"

namespace octet::serve {

// A folder as PEFT writes it, and what requests call the model with it.
struct AdapterSource {
  std::string name;
  std::filesystem::path path = {};
};

// What a server is told to serve.
struct ModelSource {
  std::string name;
  std::vector<std::string> aliases = {};  // further names that requests may call it by
  std::filesystem::path path = {};
  std::vector<AdapterSource> adapters = {};
};

struct RunningModelOptions {
  EngineOptions engine = {};
  std::optional<ToolFormat> tool_format = {};  // none: by the model's chat template
  ScheduleOptions schedule = {};               // an encoder's queue has the same bounds, of requests and of tokens
};

class RunningModel {
 public:
  // Of either kind, as the model's files say. Fails as Engine::Open, Embedder::Open and Adapter::Open do.
  static Result<std::unique_ptr<RunningModel>> Open(const ModelSource& source, const RunningModelOptions& options);
  // Whether the model's files and its adapters can be opened, without reading its weights. Fails as Open does.
  static Status Check(const ModelSource& source, const RunningModelOptions& options);
  // Ends what still runs. No lease that anybody calls with may be left.
  ~RunningModel() = default;

  const OpenModel& open() const { return open_; }
  // What the log says of it.
  std::string Summary() const;

  RunningModel(const RunningModel&) = delete;
  RunningModel& operator=(const RunningModel&) = delete;

 private:
  RunningModel() = default;
  void DescribeEngine(std::optional<ToolFormat> tool_format);
  void DescribeEmbedder();
  Status OpenAdapters(const ModelSource& source, const ModelSpec& spec);

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Embedder> embedder_;
  std::unique_ptr<EngineLoop> loop_;  // behind the engine, so that it ends before
  std::unique_ptr<EncoderLoop> encoder_loop_;
  OpenModel open_;
};

}  // namespace octet::serve
