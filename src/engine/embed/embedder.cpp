#include "engine/embed/embedder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/start_threads.h"
#include "kernels/kernel_table.h"

namespace octet {
namespace {

// Sums in double over ascending tokens, so that nothing but the text decides a bit.
void PoolTokens(Pooling pooling, const float* hidden, size_t tokens, size_t width, float* out) {
  if (pooling == Pooling::kCls) {
    std::copy_n(hidden, width, out);
    return;
  }
  std::vector<double> sums(width);
  for (size_t token = 0; token < tokens; ++token) {
    for (size_t i = 0; i < width; ++i) sums[i] += hidden[token * width + i];
  }
  for (size_t i = 0; i < width; ++i) out[i] = static_cast<float>(sums[i] / static_cast<double>(tokens));
}

// To length 1; zeros stay, as torch's normalize leaves them.
void NormalizeVector(float* vector, size_t width) {
  double squares = 0;
  for (size_t i = 0; i < width; ++i) squares += double{vector[i]} * vector[i];
  const double length = std::max(std::sqrt(squares), 1e-12);
  for (size_t i = 0; i < width; ++i) vector[i] = static_cast<float>(vector[i] / length);
}

}  // namespace

Embedder::Embedder(Encoder encoder, Tokenizer tokenizer, std::unique_ptr<ThreadPool> pool,
                   const kernels::KernelTable& kernels, const EmbedderOptions& options)
    : encoder_(std::move(encoder)), tokenizer_(std::move(tokenizer)), pool_(std::move(pool)), tier_(kernels.name) {
  // An encoder's int8 inputs cost its vectors more than its weights do (docs/models.md).
  const bool chooses = options.activations == nn::ActivationMode::kAuto;
  const nn::ActivationMode activations = chooses ? nn::ActivationMode::kBf16 : options.activations;
  passes_ = std::make_unique<EncoderPasses>(encoder_, *pool_, kernels, activations, options.chunk);
}

Result<std::unique_ptr<Embedder>> Embedder::Open(const std::filesystem::path& path, const EmbedderOptions& options) {
  std::unique_ptr<ThreadPool> pool = OCTET_TRY(StartThreads(options.threads, options.numa));
  ModelFiles files = OCTET_TRY(ModelFiles::Open(path, {.compute = options.compute}, *pool));
  return Create(std::move(files), std::move(pool), options);
}

Result<std::unique_ptr<Embedder>> Embedder::Create(ModelFiles files, std::unique_ptr<ThreadPool> pool,
                                                   const EmbedderOptions& options) {
  if (options.chunk == 0) return Fail(ErrorCode::kInvalidArgument, "the chunk is 0 tokens, at least 1 is needed");
  // A wish in OCTET_CPU that can't be met is an error here rather than a silent choice of another tier.
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::WantedKernels());
  const std::filesystem::path path = files.path;
  if (!files.spec.encoder) {
    return Fail(ErrorCode::kUnsupported, path, ": is a decoder (`", files.spec.family,
                "`), which writes text; embeddings need an encoder such as BERT");
  }
  if (!files.tokenizer)
    return Fail(ErrorCode::kNotFound, path, ": has no tokenizer.json, by which texts become the model's tokens");
  SentenceConfig config = OCTET_TRY(ReadSentenceConfig(path, files));
  if (config.max_tokens <= files.tokenizer->frame_size()) {
    return Fail(ErrorCode::kCorrupt, path, ": texts of ", config.max_tokens, " tokens have no room beside ",
                files.tokenizer->frame_size(), " special ones");
  }
  Encoder encoder = OCTET_TRY(Encoder::Load(std::move(files.spec), *files.weights));
  OCTET_TRY(encoder.CheckActivations(options.activations));
  std::unique_ptr<Embedder> embedder(
      new Embedder(std::move(encoder), std::move(*files.tokenizer), std::move(pool), *kernels, options));
  embedder->config_ = std::move(config);
  return embedder;
}

Embedder::Tokens Embedder::Tokenize(std::span<const std::string> texts) {
  Tokens tokens;
  tokens.sequences.resize(texts.size());
  const size_t most = config_.max_tokens - tokenizer_.frame_size();
  std::vector<uint8_t> is_cut(texts.size());
  const std::lock_guard lock(passes_->turn());
  pool_->ForEachShare(texts.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      std::vector<int32_t> ids = tokenizer_.Encode(config_.prompt + texts[i], {.add_special = false});
      is_cut[i] = ids.size() > most ? 1 : 0;
      ids.resize(std::min(ids.size(), most));
      tokens.sequences[i] = tokenizer_.Frame(ids);
    }
  });
  tokens.truncated = static_cast<size_t>(std::count(is_cut.begin(), is_cut.end(), 1));
  return tokens;
}

Result<Embeddings> Embedder::Embed(std::span<const std::string> texts, const EmbedWish& wish) {
  const Tokens tokens = Tokenize(texts);
  Embeddings embeddings = OCTET_TRY(EmbedTokens(tokens.sequences, wish));
  embeddings.truncated = tokens.truncated;
  return embeddings;
}

Result<Embeddings> Embedder::EmbedTokens(std::span<const std::vector<int32_t>> sequences, const EmbedWish& wish) {
  const size_t hidden = spec().hidden;
  if (wish.dimensions > hidden) {
    return Fail(ErrorCode::kInvalidArgument, wish.dimensions, " dimensions are asked for, the model's vectors have ",
                hidden);
  }
  Embeddings embeddings{.width = wish.dimensions == 0 ? hidden : wish.dimensions, .values = {}, .tokens = {}};
  for (const std::vector<int32_t>& ids : sequences) embeddings.tokens.push_back(ids.size());
  embeddings.values.resize(sequences.size() * embeddings.width);
  OCTET_TRY(RunAll(sequences, wish, embeddings));
  if (wish.normalizes.value_or(config_.normalizes)) {
    for (size_t i = 0; i < sequences.size(); ++i)
      NormalizeVector(embeddings.values.data() + i * embeddings.width, embeddings.width);
  }
  return embeddings;
}

Status Embedder::RunAll(std::span<const std::vector<int32_t>> sequences, const EmbedWish& wish,
                        Embeddings& embeddings) {
  const Pooling pooling = wish.pooling.value_or(config_.pooling);
  const size_t width = spec().hidden;
  std::vector<Encoder::Run> runs;
  for (const std::vector<int32_t>& ids : sequences) runs.push_back({.tokens = ids});
  return passes_->Run(runs, wish.cancel, [&](const EncoderPasses::Pass& pass) -> Status {
    std::vector<float> vector(width);
    const float* hidden = pass.hidden;
    for (size_t i = 0; i < pass.runs.size(); ++i) {
      const size_t tokens = pass.runs[i].tokens.size();
      PoolTokens(pooling, hidden, tokens, width, vector.data());
      std::copy_n(vector.data(), embeddings.width, embeddings.values.data() + (pass.first + i) * embeddings.width);
      hidden += tokens * width;
    }
    return {};
  });
}

Result<std::vector<float>> Embedder::Score(std::span<const EncoderInput> pairs, const CancelFlag* cancel) {
  const size_t labels = spec().encoder->labels, width = spec().hidden;
  std::vector<float> scores(pairs.size() * labels);
  std::vector<Encoder::Run> runs;
  for (const EncoderInput& pair : pairs) runs.push_back({.tokens = pair.ids, .first_text = pair.first_text});
  OCTET_TRY(passes_->Run(runs, cancel, [&](const EncoderPasses::Pass& pass) {
    // The head reads each pair's first token alone.
    size_t row = 0;
    for (size_t i = 0; i < pass.runs.size(); row += pass.runs[i++].tokens.size())
      std::copy_n(pass.hidden + row * width, width, pass.hidden + i * width);
    return encoder_.Scores(pass.hidden, pass.runs.size(), pass.context, scores.data() + pass.first * labels);
  }));
  if (labels == 1 && config_.score_is_logistic) {
    for (float& score : scores) score = static_cast<float>(1 / (1 + std::exp(-double{score})));
  }
  return scores;
}

}  // namespace octet
