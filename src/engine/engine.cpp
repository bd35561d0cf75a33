#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/counted.h"
#include "base/memory.h"
#include "engine/grammar/grammar_source.h"
#include "engine/start_threads.h"

namespace octet {
namespace {

using Clock = std::chrono::steady_clock;

Result<size_t> ChooseContext(size_t wanted, const ModelSpec& spec) {
  if (wanted == 0) return spec.max_positions;
  if (wanted <= spec.max_positions) return wanted;
  return Fail(ErrorCode::kInvalidArgument, "a context of ", Counted(wanted, "token"), " is beyond the model's ",
              spec.max_positions);
}

// Pages for every session's context. A context that is asked for must fit the machine when it is full. The model's own
// length needn't: its pages take memory as they are written, and few conversations reach it.
Result<size_t> CountPages(const EngineOptions& options, size_t context, const nn::KvLayout& layout) {
  const size_t sessions = std::max<size_t>(options.sessions, 1);
  const std::optional<uint64_t> pages = CheckedMultiply(nn::KvLayout::PagesFor(context), sessions);
  const std::optional<uint64_t> bytes = pages ? CheckedMultiply(*pages, layout.page_bytes()) : std::nullopt;
  if (bytes && (options.context == 0 || *bytes <= InstalledMemory())) return *pages;
  return Fail(ErrorCode::kExhausted, "a cache for ", sessions, " x ", Counted(context, "token"), " of ",
              Counted(layout.bytes_per_token(), "byte"), " is more than the ", Counted(InstalledMemory(), "byte"),
              " of memory here; use a smaller context");
}

}  // namespace

Engine::Engine(Decoder decoder, PagePool cache, std::unique_ptr<ThreadPool> pool, const kernels::KernelTable& kernels,
               const EngineOptions& options)
    : decoder_(std::move(decoder)),
      cache_(std::move(cache)),
      pool_(std::move(pool)),
      execution_(*pool_, kernels),
      runner_(decoder_, execution_, options.chunk) {
  execution_.activations = options.activations;
}

Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::Open(const std::filesystem::path& path, const EngineOptions& options) {
  const Clock::time_point begin = Clock::now();
  std::unique_ptr<ThreadPool> pool = OCTET_TRY(StartThreads(options.threads, options.numa));
  ModelFiles files = OCTET_TRY(ModelFiles::Open(path, options.load, *pool));
  std::unique_ptr<Engine> engine = OCTET_TRY(Create(std::move(files), std::move(pool), options));
  engine->load_seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
  return engine;
}

Result<std::unique_ptr<Engine>> Engine::Create(ModelFiles files, std::unique_ptr<ThreadPool> pool,
                                               const EngineOptions& options) {
  if (options.chunk == 0) return Fail(ErrorCode::kInvalidArgument, "the chunk is 0 tokens, at least 1 is needed");
  // A wish in OCTET_CPU that can't be met is an error here rather than a silent choice of another tier.
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::WantedKernels());
  const size_t context = OCTET_TRY(ChooseContext(options.context, files.spec));
  GenerationDefaults defaults =
      OCTET_TRY(ReadGenerationDefaults(files.generation_config, files.spec, files.path.native()));
  Decoder decoder = OCTET_TRY(Decoder::Load(std::move(files.spec), *files.weights, options.cache));
  OCTET_TRY(decoder.CheckActivations(options.activations));
  const size_t pages = OCTET_TRY(CountPages(options, context, decoder.kv_layout()));
  PagePool cache = OCTET_TRY(PagePool::Create(decoder.kv_layout().page_bytes(), pages));

  std::unique_ptr<Engine> engine(new Engine(std::move(decoder), std::move(cache), std::move(pool), *kernels, options));
  engine->tokenizer_ = std::move(files.tokenizer);
  engine->grammars_ = std::make_unique<GrammarCompiler>(engine->tokenizer(), engine->spec().vocab);
  engine->kind_ = std::move(files.kind);
  if (!files.chat_template.empty()) {
    engine->chat_template_ =
        OCTET_TRY(ChatTemplate::Parse(std::move(files.chat_template), Cat(files.path, ": chat template")));
  }
  engine->context_ = context;
  engine->speculation_ = options.speculation;
  if (engine->tokenizer_ && engine->tokenizer_->eos()) {
    const int32_t eos = *engine->tokenizer_->eos();
    if (std::find(defaults.end_tokens.begin(), defaults.end_tokens.end(), eos) == defaults.end_tokens.end()) {
      defaults.end_tokens.push_back(eos);
    }
  }
  engine->defaults_ = std::move(defaults);
  return engine;
}

SequenceLimits Engine::limits() const {
  return {.context = context_,
          .vocab = spec().vocab,
          .end_tokens = defaults_.end_tokens,
          .tokenizer = tokenizer(),
          .ropes = spec().ropes,
          .speculation = speculation_,
          .layers = spec().layers.size(),
          .kernels = &execution_.kernels};
}

}  // namespace octet
