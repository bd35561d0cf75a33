// A model's parts, whatever file they come from: a Hugging Face directory, a .gguf or a .octet.
//
//   ModelFiles files = OCTET_TRY(ModelFiles::Open("build/models/fp8", {}, pool));
//   Decoder decoder = OCTET_TRY(Decoder::Load(files.spec, *files.weights));
//
// What runs them: engine/engine.h. Writing them as a .octet: engine/pack/build_pack.h.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "models/model_spec.h"
#include "models/weights.h"
#include "text/tokenizer.h"

namespace octet {

enum class LoadMode {
  kMap,   // a pack's weights stay in the mapped file
  kCopy,  // a pack's weights are copied into huge pages: slower to open, faster to run
};

struct LoadOptions {
  LoadMode mode = LoadMode::kMap;
  ComputeType compute = ComputeType::kAuto;  // of a checkpoint's matrices; of a pack only kAuto
};

struct ModelFiles {
  std::filesystem::path path;
  std::string kind;            // "huggingface", "gguf" or "octet"
  Json config;                 // in the terms of config.json
  Json generation_config;      // null where there is none
  Json tokenizer_config;       // null where there is none
  std::string tokenizer_json;  // empty where there is none
  std::string chat_template;   // Jinja source; empty where there is none
  ModelSpec spec;
  std::unique_ptr<WeightProvider> weights;  // null where only config.json is there, from OpenForPlan
  std::optional<Tokenizer> tokenizer;
  uint64_t weight_bytes = 0;  // of all weights, as the kernels read them
  bool all_f32 = false;       // every matrix is FP32; the cache is then, too

  // Reads everything but the weights, which are read as they are asked for. The pool must outlive the weights. Fails as
  // the readers of the formats do.
  static Result<ModelFiles> Open(const std::filesystem::path& path, const LoadOptions& options, ThreadPool& pool);
  // The same, but a directory may hold config.json alone: weights are then counted by the architecture, in the type
  // that config.json names. Fails with unsupported where such a model is quantised, since its tensors alone say how.
  static Result<ModelFiles> OpenForPlan(const std::filesystem::path& path, const LoadOptions& options,
                                        ThreadPool& pool);
};

}  // namespace octet
