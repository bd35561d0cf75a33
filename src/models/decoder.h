// The forward pass of a decoder: token ids and cache pages in, logits out, for many sequences in one call.
//
//   Decoder decoder = OCTET_TRY(Decoder::Load(spec, weights));
//   Decoder::Run run{.tokens = prompt, .first_position = 0, .pages = pages, .logits_from = prompt.size() - 1};
//   OCTET_TRY(decoder.Forward({&run, 1}, context, logits));     // one row of vocab floats
//
// The residual stream is FP32; inputs of matrices that aren't FP32 are rounded as they are packed. A token's result
// depends on its sequence alone: not on what else is in the call, on the number of threads or on how the prompt was
// cut, bit for bit within a CPU tier. Choosing tokens, owning pages, scheduling: engine/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "models/model_spec.h"
#include "models/weights.h"
#include "nn/execution_context.h"
#include "nn/kv_layout.h"

namespace octet {

class Adapter;  // models/adapter.h

class Decoder {
 public:
  struct Parts;  // models/decoder_parts.h

  // Consecutive tokens of one sequence.
  struct Run {
    std::span<const int32_t> tokens;
    size_t first_position = 0;          // of tokens[0]; everything before must be in the pages
    std::span<std::byte* const> pages;  // of the sequence, from position 0 on; at least KvLayout::PagesFor(end)
    size_t logits_from = 0;             // logits are wanted for tokens logits_from .. ; tokens.size(): none
    size_t prompt_length =
        0;  // the whole prompt's, for rope rules that depend on it (nn/rope.h); 0: up to this run's end
    const Adapter* adapter = nullptr;  // what this sequence's products have added; bound to this model's spec
  };

  // Called after each step of a forward pass with the residual stream; for tests and calibration.
  class Observer {
   public:
    virtual ~Observer() = default;
    // hidden [rows, spec.hidden]: step 0 is the scaled embedding, step i + 1 the output of layer i, the last the final
    // norm (wanted rows only).
    virtual void OnHidden(size_t step, const float* hidden, size_t rows) = 0;
    // What a matrix is multiplied with, before it is rounded: floats [rows, width], `stride` apart. `slot` is that of
    // the joined matrix, "layers.3.attn.qkv" (models/model_spec.h); of the head wanted rows only.
    virtual void OnInput(std::string_view /*slot*/, const float* /*x*/, size_t /*rows*/, size_t /*width*/,
                         size_t /*stride*/) {}
    // Has seen all that it wanted of a layer. A LayeredDecoder stops behind the input that was told of last, and what
    // it leaves of its stream means nothing.
    virtual bool IsDone() const { return false; }
    // What a layer attends with, [rows, (heads + kv_heads) * key_dim + kv_heads * value_dim]: queries and keys, normed
    // and rotated, and values, as they were before the cache rounded them.
    virtual void OnHeads(size_t /*layer*/, const float* /*qkv*/, size_t /*rows*/) {}
  };

  // Takes every weight from the provider, which may go afterwards; checks shapes. Each layer's cache is what the spec
  // and the wish ask for (models/kv_scheme.h); where neither does, BF16, or FP32 where all weights are. Fails as the
  // provider does, and with corrupt where a weight doesn't fit the spec.
  static Result<Decoder> Load(ModelSpec spec, WeightProvider& weights,
                              std::optional<kernels::CacheFormat> cache = std::nullopt);

  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  const ModelSpec& spec() const;
  const nn::KvLayout& kv_layout() const;
  // Bytes of weights that a decode step reads.
  uint64_t bytes_per_token() const;

  // Fails with invalid_argument where no matrix takes these activations, naming what the model does take.
  Status CheckActivations(nn::ActivationMode mode) const;

  // logits [sum of wanted rows over the runs, vocab]: runs in order, tokens in order; may be null where no run wants
  // any. Fails with invalid_argument for a token id outside the vocabulary, missing pages or an adapter of a model with
  // other layers, before the cache is touched; with exhausted where scratch memory is out; with cancelled once the
  // context's flag is set. After the last two the new positions' keys and values are half written, and the next call
  // for them writes them again. Two runs of one call must not share pages that either writes. Allocates nothing once a
  // step of this size has run in the context.
  Status Forward(std::span<const Run> runs, nn::ExecutionContext& context, float* logits,
                 Observer* observer = nullptr) const;

 private:
  explicit Decoder(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace octet
