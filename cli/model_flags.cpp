#include "cli/model_flags.h"

namespace octet::cli {

EngineOptions ToEngineOptions(const ModelFlags& flags) {
  EngineOptions options;
  options.threads = flags.threads;
  options.context = flags.context;
  options.load.mode = flags.load == "copy" ? LoadMode::kCopy : LoadMode::kMap;
  if (flags.compute == "bf16") options.load.compute = ComputeType::kBf16;
  if (flags.compute == "f32") options.load.compute = ComputeType::kF32;
  if (flags.activations == "fp8") options.activations = nn::ActivationMode::kE4M3;
  return options;
}

Result<std::unique_ptr<Engine>> OpenEngine(const std::string& model, const ModelFlags& flags) {
  return Engine::Open(model, ToEngineOptions(flags));
}

}  // namespace octet::cli
