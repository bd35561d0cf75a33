// A model on disk as the evaluation sees it: decoder, key/value cache of one window, tokenizer.
//
//   std::unique_ptr<DecoderModel> model = OCTET_TRY(DecoderModel::Open("build/models/fp8", {.context = 512}, pool));
//   EvaluationText text = OCTET_TRY(model->Tokenize(text, {.context = 512}));
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "base/cancel.h"
#include "eval/scoring_model.h"
#include "models/decoder.h"
#include "models/weights.h"
#include "tensor/packed_matrix.h"
#include "text/tokenizer.h"

namespace octet {

struct DecoderModelOptions {
  size_t context = 512;  // longest sequence; more by Reserve
  ComputeType compute = ComputeType::kAuto;
  nn::ActivationMode activations = nn::ActivationMode::kAuto;
  std::optional<kernels::CacheFormat> cache = {};  // of keys and values; absent: the file's, else BF16 or FP32
  const CancelFlag* cancel = nullptr;  // outlives the model; Read and Logits fail with cancelled once it is set
};

class DecoderModel : public ScoringModel {
 public:
  // `path` is a Hugging Face directory, a .gguf or a .octet. The pool must outlive the model. Fails as the readers of
  // the formats do; with invalid_argument where the context is longer than what the model was made for, naming both, or
  // where this CPU can't run the tier that OCTET_CPU names.
  static Result<std::unique_ptr<DecoderModel>> Open(const std::filesystem::path& path,
                                                    const DecoderModelOptions& options, ThreadPool& pool);

  // Fails with invalid_argument where no weights take them; what was before stays then.
  Status SetActivations(nn::ActivationMode mode);

  size_t vocab_size() const override { return decoder_.spec().vocab; }
  // Room for sequences of so many tokens, if there isn't yet; what was read is forgotten then. Fails with exhausted.
  Status Reserve(size_t context);
  // What the tokens begin with in common with those read before isn't computed again; no bit depends on it.
  Status Read(std::span<const int32_t> tokens, size_t logits_from) override;
  Status Logits(size_t first, size_t count, float* logits) override;

  // The whole text as one string without special tokens; BOS is the tokenizer's where it puts one before a text by
  // itself.
  Result<EvaluationText> Tokenize(std::string_view text, const WindowOptions& options) const;
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ModelSpec& spec() const { return decoder_.spec(); }
  const char* tier() const { return execution_.kernels.name; }

 private:
  DecoderModel(Decoder decoder, Tokenizer tokenizer, const kernels::KernelTable& kernels, ThreadPool& pool);
  size_t HeldOf(std::span<const int32_t> tokens) const;
  Status Run(size_t first, size_t count, size_t logits_from, float* logits);

  Decoder decoder_;
  Tokenizer tokenizer_;
  nn::ExecutionContext execution_;
  std::shared_ptr<AlignedBuffer> cache_;
  std::vector<std::byte*> pages_;
  std::vector<int32_t> window_;
  size_t held_ = 0;  // tokens of it whose keys and values are in the pages
};

}  // namespace octet
