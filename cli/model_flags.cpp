#include "cli/model_flags.h"

namespace octet::cli {

nn::ActivationMode ActivationsOf(std::string_view name) {
  return name == "bf16"    ? nn::ActivationMode::kBf16
         : name == "fp8"   ? nn::ActivationMode::kE4M3
         : name == "nvfp4" ? nn::ActivationMode::kNvfp4
         : name == "int8"  ? nn::ActivationMode::kInt8
                           : nn::ActivationMode::kAuto;
}

NumaMode NumaOf(std::string_view name) {
  return name == "distribute" ? NumaMode::kDistribute : name == "isolate" ? NumaMode::kIsolate : NumaMode::kOff;
}

std::optional<kernels::CacheFormat> CacheOf(std::string_view name) {
  if (name == "bf16") return kernels::CacheFormat::kBf16;
  if (name == "fp8") return kernels::CacheFormat::kE4M3;
  if (name == "int8") return kernels::CacheFormat::kInt8;
  return std::nullopt;
}

EngineOptions ToEngineOptions(const ModelFlags& flags) {
  EngineOptions options;
  options.threads = flags.threads;
  options.context = flags.context;
  options.load.mode = flags.load == "copy" ? LoadMode::kCopy : LoadMode::kMap;
  if (flags.compute == "bf16") options.load.compute = ComputeType::kBf16;
  if (flags.compute == "f32") options.load.compute = ComputeType::kF32;
  options.activations = ActivationsOf(flags.activations);
  options.cache = CacheOf(flags.kv);
  options.numa = NumaOf(flags.numa);
  options.speculation = {.forced_text = flags.jump_forward, .ngram_tokens = flags.lookup_tokens};
  return options;
}

Result<std::unique_ptr<Engine>> OpenEngine(const std::string& model, const ModelFlags& flags) {
  return Engine::Open(model, ToEngineOptions(flags));
}

Result<std::shared_ptr<const Adapter>> OpenAdapter(const std::filesystem::path& directory, const Engine& engine) {
  if (directory.empty()) return std::shared_ptr<const Adapter>();
  return Adapter::Open(directory, engine.spec());
}

}  // namespace octet::cli
