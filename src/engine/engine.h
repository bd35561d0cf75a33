// A model that is ready to run: weights, tokenizer, threads and the memory of the cache.
//
//   std::unique_ptr<Engine> engine = OCTET_TRY(Engine::Open("build/models/fp8.octet", {.threads = 2}));
//   EngineSession session(*engine);                                    // engine/session.h
//
// One thread at a time runs steps; everything constant may be read from any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/numa.h"
#include "base/thread_pool.h"
#include "engine/cache/page_pool.h"
#include "engine/cache/page_table.h"
#include "engine/generation_defaults.h"
#include "engine/model_files.h"
#include "engine/sequence.h"
#include "engine/step.h"
#include "models/decoder.h"
#include "nn/execution_context.h"
#include "text/chat_template.h"

namespace octet {

class GrammarCompiler;  // engine/grammar/grammar_source.h

struct EngineOptions {
  size_t threads = 0;   // 0: the cores that this process may use
  size_t context = 0;   // tokens of prompt and answer; 0: what the model was made for
  size_t sessions = 1;  // full contexts that the cache has room for
  // Most tokens in one forward pass; no bit of a result depends on it. The activations of 128 stay in the second-level
  // cache, which is worth 40 % on AMX; weights are read once more for every 128 tokens.
  size_t chunk = 128;
  LoadOptions load = {};
  NumaMode numa = NumaMode::kOff;  // where threads run, and so where memory lies that they write first
  nn::ActivationMode activations = nn::ActivationMode::kAuto;
  std::optional<kernels::CacheFormat> cache = {};  // of keys and values; absent: the file's, else BF16 or FP32
  Speculation speculation = {};                    // changes no answer
};

class Engine {
 public:
  // Fails as the readers of the formats do; with invalid_argument for a context beyond the model's or options that
  // can't be, activations among them that the weights don't take; with exhausted where memory for weights or cache
  // can't be had.
  static Result<std::unique_ptr<Engine>> Open(const std::filesystem::path& path, const EngineOptions& options);

  // From parts that are open already. `pool` runs the forward passes.
  static Result<std::unique_ptr<Engine>> Create(ModelFiles files, std::unique_ptr<ThreadPool> pool,
                                                const EngineOptions& options);

  const Decoder& decoder() const { return decoder_; }
  const ModelSpec& spec() const { return decoder_.spec(); }
  // Null where the model's files have none: only token ids go in and out then.
  const Tokenizer* tokenizer() const { return tokenizer_ ? &*tokenizer_ : nullptr; }
  // Null where there is none.
  const ChatTemplate* chat_template() const { return chat_template_ ? &*chat_template_ : nullptr; }
  // For requests whose answers must look a certain way; any thread may compile.
  GrammarCompiler& grammars() { return *grammars_; }
  // "huggingface", "gguf" or "octet".
  const std::string& kind() const { return kind_; }
  const GenerationDefaults& defaults() const { return defaults_; }
  size_t context() const { return context_; }
  size_t threads() const { return pool_->threads(); }
  const char* tier() const { return execution_.kernels.name; }
  double load_seconds() const { return load_seconds_; }

  SequenceLimits limits() const;
  PageTable MakePages() { return PageTable(cache_, context_); }
  const PagePool& cache() const { return cache_; }
  PagePool& cache() { return cache_; }  // for who shares pages between sequences
  StepRunner& runner() { return runner_; }

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

 private:
  Engine(Decoder decoder, PagePool cache, std::unique_ptr<ThreadPool> pool, const kernels::KernelTable& kernels,
         const EngineOptions& options);

  Decoder decoder_;
  PagePool cache_;
  std::unique_ptr<ThreadPool> pool_;
  nn::ExecutionContext execution_;
  StepRunner runner_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<ChatTemplate> chat_template_;
  std::unique_ptr<GrammarCompiler> grammars_;
  std::string kind_;
  GenerationDefaults defaults_;
  size_t context_ = 0;
  Speculation speculation_;
  double load_seconds_ = 0;
};

}  // namespace octet
