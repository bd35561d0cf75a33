// The forward pass of an encoder: token ids in, a hidden state for each token out, for many sequences in one call.
//
//   Encoder encoder = OCTET_TRY(Encoder::Load(spec, weights));
//   Encoder::Run runs[] = {{.tokens = first}, {.tokens = second}};
//   OCTET_TRY(encoder.Forward(runs, context, hidden));          // [tokens of both, spec.hidden]
//   OCTET_TRY(encoder.Scores(cls, 2, context, scores));         // where the model has a head: [2, labels]
//
// Sequences stand behind each other without padding. The stream is FP32; inputs of matrices that aren't FP32 are
// rounded as they are packed. A sequence's result depends on itself alone: not on what else is in the call nor on the
// number of threads, bit for bit within a CPU tier. Texts, pooling: engine/embed. Decoders: models/decoder.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/error.h"
#include "models/decoder.h"
#include "models/model_spec.h"
#include "models/weights.h"
#include "nn/execution_context.h"

namespace octet {

class Encoder {
 public:
  struct Parts;  // models/encoder_parts.h

  // One sequence, special tokens included.
  struct Run {
    std::span<const int32_t> tokens;
    size_t first_text = SIZE_MAX;  // so many tokens are of type 0, those behind of type 1: the second text of a pair
  };

  // Takes every weight from the provider, which may go afterwards; checks shapes. Keys and values are rounded to BF16,
  // or not at all where all weights are FP32. Fails as the provider does; with corrupt where a weight doesn't fit the
  // spec; with unsupported where the spec is a decoder's.
  static Result<Encoder> Load(ModelSpec spec, WeightProvider& weights);

  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;
  ~Encoder();

  const ModelSpec& spec() const;
  // As Decoder::CheckActivations.
  Status CheckActivations(nn::ActivationMode mode) const;

  // hidden [sum of tokens, spec.hidden]: the last layer's output, sequences in order. The observer's steps are the
  // normed embeddings and each layer's output; OnInput names the slots of models/model_spec.h. Fails with
  // invalid_argument for a token outside the vocabulary, an empty sequence or one beyond the model's positions, or a
  // second text where the model knows one type; with exhausted where scratch memory is out; with cancelled once the
  // context's flag is set.
  Status Forward(std::span<const Run> runs, nn::ExecutionContext& context, float* hidden,
                 Decoder::Observer* observer = nullptr) const;

  // What the head says of sequences by the hidden states of their first tokens: scores [rows, labels] =
  // head(tanh(pooler(first [rows, hidden]))), as transformers' BertForSequenceClassification. Fails with unsupported
  // where the model has no head, with exhausted where memory is out.
  Status Scores(const float* first, size_t rows, nn::ExecutionContext& context, float* scores) const;

 private:
  explicit Encoder(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace octet
