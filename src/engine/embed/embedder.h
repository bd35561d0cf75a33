// Texts to vectors, by an encoder with its tokenizer and what says how its tokens are pooled.
//
//   std::unique_ptr<Embedder> embedder = OCTET_TRY(Embedder::Open("models/all-MiniLM-L6-v2", {.threads = 2}));
//   Embeddings embeddings = OCTET_TRY(embedder->Embed(texts, {}));
//   const float* second = embeddings.values.data() + embeddings.width;
//
// Texts go through the encoder without padding, as many at a time as fill a pass; a vector's bits depend on its text
// alone. Any number of threads may call; calls that compute take turns. The files: engine/embed/sentence_config.h.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/numa.h"
#include "base/thread_pool.h"
#include "engine/embed/encoder_passes.h"
#include "engine/embed/sentence_config.h"
#include "models/encoder.h"
#include "nn/execution_context.h"
#include "text/tokenizer.h"

namespace octet {

struct EmbedderOptions {
  size_t threads = 0;                        // 0: the cores that this process may use
  size_t chunk = 256;                        // tokens that fill a pass; no bit of a result depends on it
  ComputeType compute = ComputeType::kAuto;  // of matrices that aren't quantised
  nn::ActivationMode activations = nn::ActivationMode::kAuto;  // kBf16
  NumaMode numa = NumaMode::kOff;
};

// What one call wants other than the model's files say.
struct EmbedWish {
  std::optional<Pooling> pooling = {};
  std::optional<bool> normalizes = {};
  size_t dimensions = 0;  // the first so many of each vector, before they are normalised; 0: all
  const CancelFlag* cancel = nullptr;
};

// One text, or a pair of texts, as the encoder reads it: special tokens included.
struct EncoderInput {
  std::vector<int32_t> ids;
  size_t first_text = SIZE_MAX;  // of a pair, so many ids are of its first text; the others are of the second
};

struct Embeddings {
  size_t width = 0;
  std::vector<float> values;   // [texts, width]
  std::vector<size_t> tokens;  // of each text as the encoder read it, special ones included
  size_t truncated = 0;        // texts that were longer than the model reads
};

class Embedder {
 public:
  // Fails as the readers of the formats do; with unsupported for a model that isn't an encoder; with not_found where it
  // has no tokenizer; with invalid_argument for options that can't be.
  static Result<std::unique_ptr<Embedder>> Open(const std::filesystem::path& path, const EmbedderOptions& options);

  // From parts that are open already. `pool` runs the forward passes.
  static Result<std::unique_ptr<Embedder>> Create(ModelFiles files, std::unique_ptr<ThreadPool> pool,
                                                  const EmbedderOptions& options);

  const ModelSpec& spec() const { return encoder_.spec(); }
  // Whether a head says what a pair of texts has to do with each other: a cross-encoder.
  bool scores_pairs() const { return spec().encoder->labels != 0; }
  const SentenceConfig& config() const { return config_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  size_t threads() const { return pool_->threads(); }
  const char* tier() const { return tier_; }

  // One vector for each text. Fails with invalid_argument for more dimensions than the model has, with exhausted where
  // memory is out, with cancelled.
  Result<Embeddings> Embed(std::span<const std::string> texts, const EmbedWish& wish);
  // The same of token ids that are taken as they are, special ones included; fails with invalid_argument for an id
  // outside the vocabulary, no ids, or more than the model's positions.
  Result<Embeddings> EmbedTokens(std::span<const std::vector<int32_t>> sequences, const EmbedWish& wish);

  // What the head says of each pair, [pairs, labels]; one label becomes a number from 0 to 1 unless the model's files
  // say otherwise (SentenceConfig::score_is_logistic). Fails with unsupported where the model has no head; else as
  // EmbedTokens.
  Result<std::vector<float>> Score(std::span<const EncoderInput> pairs, const CancelFlag* cancel = nullptr);

  Embedder(const Embedder&) = delete;
  Embedder& operator=(const Embedder&) = delete;

 private:
  Embedder(Encoder encoder, Tokenizer tokenizer, std::unique_ptr<ThreadPool> pool, const kernels::KernelTable& kernels,
           const EmbedderOptions& options);

  struct Tokens {
    std::vector<std::vector<int32_t>> sequences;
    size_t truncated = 0;
  };
  Tokens Tokenize(std::span<const std::string> texts);
  Status RunAll(std::span<const std::vector<int32_t>> sequences, const EmbedWish& wish, Embeddings& embeddings);

  Encoder encoder_;
  Tokenizer tokenizer_;
  SentenceConfig config_;
  std::unique_ptr<ThreadPool> pool_;
  const char* tier_;
  std::unique_ptr<EncoderPasses> passes_;
};

}  // namespace octet
