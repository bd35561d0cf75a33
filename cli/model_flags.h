// The flags of every verb that runs a model, and the engine that they open.
//
//   struct RunOptions { ModelFlags model; ... visit(&RunOptions::model); };
//   std::unique_ptr<Engine> engine = OCTET_TRY(OpenEngine(call.word(0), options.model));
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/options.h"
#include "engine/engine.h"
#include "models/adapter.h"

namespace octet::cli {

// One for every verb that has --activations.
inline constexpr std::string_view kActivationsHelp =
    "rounding of the inputs of quantised weights, per token: fp8 of FP8 and INT4 ones, nvfp4 of NVFP4 ones, int8 of "
    "INT8, INT4 "
    "and NVFP4 ones; auto: int8 of INT8 and INT4 ones but for encoders, else bf16";
inline OneOf ActivationChoices() { return {{"auto", "bf16", "fp8", "nvfp4", "int8"}}; }
nn::ActivationMode ActivationsOf(std::string_view name);

// One for every verb that has --numa.
inline constexpr std::string_view kNumaHelp =
    "on machines with several nodes of cores and memory: distribute shares threads out over all nodes, isolate keeps "
    "them on the one where the program starts; with --load copy each thread's part of the weights lies on its node";
inline OneOf NumaChoices() { return {{"off", "distribute", "isolate"}}; }
NumaMode NumaOf(std::string_view name);

// One for every verb that has --kv; absent where the name is auto.
inline constexpr std::string_view kKvHelp =
    "the cache's type of keys and values: fp8 and int8 have a scale for each token and head and take half the memory, "
    "but for layers that the model's file keeps in bf16; auto: what the file asks for, else bf16, f32 where all "
    "weights "
    "are";
inline OneOf KvChoices() { return {{"auto", "bf16", "fp8", "int8"}}; }
std::optional<kernels::CacheFormat> CacheOf(std::string_view name);

// One for each verb that has --adapter of one answer.
inline constexpr std::string_view kAdapterHelp =
    "folder of a LoRA adapter as PEFT saves it, of the same base model: adapter_config.json and "
    "adapter_model.safetensors";
// Null without one. Fails as Adapter::Open does.
Result<std::shared_ptr<const Adapter>> OpenAdapter(const std::filesystem::path& directory, const Engine& engine);

struct ModelFlags {
  size_t threads = 0;
  size_t context = 0;
  std::string load = "map";
  std::string compute = "auto";
  std::string activations = "auto";
  std::string kv = "auto";
  std::string numa = "off";
  bool jump_forward = true;
  size_t lookup_tokens = 0;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ModelFlags::threads, "threads", "threads that compute; 0: every core that this process may use",
          Between{0, 1024});
    visit(&ModelFlags::context, "context", "tokens of prompt and answer together; 0: what the model was made for",
          Between{0, 1 << 26});
    visit(&ModelFlags::load, "load",
          "a pack's weights stay in the mapped file, or are copied into huge pages: slower to open, faster to run",
          OneOf{{"map", "copy"}});
    visit(&ModelFlags::compute, "compute",
          "type of matrices that aren't quantised; auto: f32 where the model's files have it, else bf16",
          OneOf{{"auto", "bf16", "f32"}});
    visit(&ModelFlags::activations, "activations", kActivationsHelp, ActivationChoices());
    visit(&ModelFlags::kv, "kv", kKvHelp, KvChoices());
    visit(&ModelFlags::numa, "numa", kNumaHelp, NumaChoices());
    visit(&ModelFlags::jump_forward, "jump-forward",
          "text that an answer's form leaves no choice about is guessed token by token and checked in one step, which "
          "changes no answer");
    visit(&ModelFlags::lookup_tokens, "lookup-tokens",
          "tokens to guess in a step, which followed the same two or three tokens in prompt or answer before; changes "
          "no answer, is faster where an answer repeats much and slower where it doesn't; 0: none",
          Between{0, 16});
  }
};

EngineOptions ToEngineOptions(const ModelFlags& flags);
Result<std::unique_ptr<Engine>> OpenEngine(const std::string& model, const ModelFlags& flags);

}  // namespace octet::cli
