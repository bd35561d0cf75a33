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
                   const kernels::KernelTable& kernels)
    : encoder_(std::move(encoder)),
      tokenizer_(std::move(tokenizer)),
      pool_(std::move(pool)),
      execution_(*pool_, kernels) {}

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
      new Embedder(std::move(encoder), std::move(*files.tokenizer), std::move(pool), *kernels));
  embedder->config_ = std::move(config);
  // An encoder's int8 inputs cost its vectors more than its weights do (docs/models.md).
  const bool chooses = options.activations == nn::ActivationMode::kAuto;
  embedder->execution_.activations = chooses ? nn::ActivationMode::kBf16 : options.activations;
  embedder->chunk_ = options.chunk;
  return embedder;
}

Embedder::Tokens Embedder::Tokenize(std::span<const std::string> texts) {
  Tokens tokens;
  tokens.sequences.resize(texts.size());
  const size_t most = config_.max_tokens - tokenizer_.frame_size();
  std::vector<uint8_t> is_cut(texts.size());
  const std::lock_guard lock(mutex_);
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
  std::vector<float> vectors;
  for (size_t first = 0, next = 0; first < sequences.size(); first = next) {
    // Between passes others come in.
    const std::lock_guard lock(mutex_);
    if (wish.cancel != nullptr) OCTET_TRY(wish.cancel->Check());
    size_t tokens = 0;
    while (next < sequences.size() && (next == first || tokens + sequences[next].size() <= chunk_))
      tokens += sequences[next++].size();
    vectors.resize((next - first) * spec().hidden);
    execution_.cancel = wish.cancel;
    OCTET_TRY(RunChunk(sequences.subspan(first, next - first), pooling, vectors.data()));
    for (size_t i = first; i < next; ++i)
      std::copy_n(vectors.data() + (i - first) * spec().hidden, embeddings.width,
                  embeddings.values.data() + i * embeddings.width);
  }
  return {};
}

Status Embedder::RunChunk(std::span<const std::vector<int32_t>> sequences, Pooling pooling, float* vectors) {
  const size_t width = spec().hidden;
  std::vector<Encoder::Run> runs;
  size_t rows = 0;
  for (const std::vector<int32_t>& ids : sequences) {
    runs.push_back({.tokens = ids});
    rows += ids.size();
  }
  hidden_.resize(rows * width);
  OCTET_TRY(encoder_.Forward(runs, execution_, hidden_.data()));
  const float* hidden = hidden_.data();
  for (size_t i = 0; i < sequences.size(); ++i) {
    PoolTokens(pooling, hidden, sequences[i].size(), width, vectors + i * width);
    hidden += sequences[i].size() * width;
  }
  return {};
}

Result<std::vector<float>> Embedder::Score(std::span<const EncoderInput> pairs, const CancelFlag* cancel) {
  const size_t labels = spec().encoder->labels;
  std::vector<float> scores(pairs.size() * labels);
  for (size_t first = 0, next = 0; first < pairs.size(); first = next) {
    const std::lock_guard lock(mutex_);
    if (cancel != nullptr) OCTET_TRY(cancel->Check());
    size_t tokens = 0;
    while (next < pairs.size() && (next == first || tokens + pairs[next].ids.size() <= chunk_))
      tokens += pairs[next++].ids.size();
    execution_.cancel = cancel;
    OCTET_TRY(ScoreChunk(pairs.subspan(first, next - first), scores.data() + first * labels));
  }
  if (labels == 1 && config_.score_is_logistic) {
    for (float& score : scores) score = static_cast<float>(1 / (1 + std::exp(-double{score})));
  }
  return scores;
}

Status Embedder::ScoreChunk(std::span<const EncoderInput> pairs, float* scores) {
  const size_t width = spec().hidden;
  std::vector<Encoder::Run> runs;
  size_t rows = 0;
  for (const EncoderInput& pair : pairs) {
    runs.push_back({.tokens = pair.ids, .first_text = pair.first_text});
    rows += pair.ids.size();
  }
  hidden_.resize(rows * width);
  OCTET_TRY(encoder_.Forward(runs, execution_, hidden_.data()));
  // The head reads each pair's first token alone.
  size_t row = 0;
  for (size_t i = 0; i < pairs.size(); row += pairs[i++].ids.size())
    std::copy_n(hidden_.data() + row * width, width, hidden_.data() + i * width);
  return encoder_.Scores(hidden_.data(), pairs.size(), execution_, scores);
}

}  // namespace octet
