// A decoder of which one layer at a time is in memory, for who reads the inputs of every layer of a large model.
//
//   LayeredDecoder decoder = OCTET_TRY(LayeredDecoder::Open(spec, weights));
//   OCTET_TRY(decoder.Embed(window, kernels, hidden));              // [tokens, hidden]
//   for (size_t layer = 0; layer < spec.layers.size(); ++layer) {
//     OCTET_TRY(decoder.Load(layer, weights));                      // lets the layer before go
//     OCTET_TRY(decoder.Forward(window, context, hidden, &observer));
//   }
//   decoder.Finish(kernels, tokens, hidden, normed);                // the head's inputs
//
// Many windows go through a layer before the next is loaded; their residual streams are the caller's. The bits are
// those of a whole decoder (models/decoder.h).
#pragma once

#include <memory>
#include <span>

#include "models/decoder.h"
#include "models/weights.h"

namespace octet {

class LayeredDecoder {
 public:
  // Holds the final norm alone. Fails as the provider does.
  static Result<LayeredDecoder> Open(ModelSpec spec, WeightProvider& weights);

  LayeredDecoder(LayeredDecoder&&) noexcept;
  LayeredDecoder& operator=(LayeredDecoder&&) noexcept;
  ~LayeredDecoder();

  const ModelSpec& spec() const { return spec_; }

  // Scaled embeddings of the tokens into out [tokens, hidden]. Reads each panel of the table (32 rows) that holds one
  // of them once and keeps none, so that tokens of many windows are best given at once. Fails with invalid_argument for
  // a token outside the vocabulary, and as the provider does.
  Status Embed(std::span<const int32_t> tokens, const kernels::KernelTable& kernels, float* out);

  // Takes the weights of a layer in place of those that were there. Fails as Decoder::Load does.
  Status Load(size_t layer, WeightProvider& weights);

  // One sequence from its first token on through the loaded layer: hidden [tokens, hidden] becomes what the next layer
  // reads. The observer is told what Decoder::Forward would tell it of this layer, until it is done. Fails with
  // exhausted where memory is out. Requires a loaded layer.
  Status Forward(std::span<const int32_t> window, nn::ExecutionContext& context, float* hidden,
                 Decoder::Observer* observer);

  // The final norm of rows of the residual stream, which the head is multiplied with. normed may be hidden.
  void Finish(const kernels::KernelTable& kernels, size_t rows, const float* hidden, float* normed) const;

  // Takes the output head, to be kept beside the layers that come and go. Fails as the provider does.
  Status LoadHead(WeightProvider& weights);

  // Of rows [rows, hidden] of the residual stream behind the last layer: logits [rows, vocab]. Fails with exhausted
  // where memory is out. Requires a loaded layer and the head.
  Status Logits(size_t rows, nn::ExecutionContext& context, const float* hidden, float* logits);

 private:
  LayeredDecoder();
  Status TakePages(size_t tokens);

  ModelSpec spec_;
  WeightProvider* weights_ = nullptr;
  std::unique_ptr<Decoder::Parts> parts_;  // of one layer
  std::shared_ptr<AlignedBuffer> cache_;
  std::vector<std::byte*> pages_;
};

}  // namespace octet
