// What a loaded encoder holds, and one step's buffers; private to this folder.
#pragma once

#include <vector>

#include "models/decoder_parts.h"
#include "models/encoder.h"
#include "models/relative_bias.h"
#include "nn/full_attention.h"

namespace octet {

struct EncoderLayer {
  JoinedMatrices qkv;
  PackedMatrix out;
  NormWeights attn_norm;
  PackedMatrix in, down;
  NormWeights ffn_norm;
};

// The matrices that a layer multiplies with.
template <class Visit>
void ForEachMatrix(const EncoderLayer& layer, Visit&& visit) {
  for (const PackedMatrix& matrix : layer.qkv) visit(matrix);
  visit(layer.out);
  visit(layer.in);
  visit(layer.down);
}

struct Encoder::Parts {
  ModelSpec spec;
  PackedMatrix words, positions, types;  // types: of no rows where the spec has none
  RelativeBias relative_bias;            // none where the spec has none
  NormWeights norm;
  std::vector<EncoderLayer> layers;
  PackedMatrix pooler, head;  // where the spec has labels
  nn::KvLayout layout;        // of one layer; all are alike
  TakenActivations activations;
};

// One call of Forward: buffers in the workspace, and the steps in order.
class EncoderPass {
 public:
  // stream [rows, hidden] is where the result comes to stand.
  EncoderPass(const Encoder::Parts& parts, std::span<const Encoder::Run> runs, nn::ExecutionContext& context,
              float* stream, Decoder::Observer* observer);

  Status Begin();  // fails with exhausted, as Layer
  void Embed();
  Status Layer(size_t index);
  void Finish();

 private:
  void EmbedToken(const Encoder::Run& run, size_t token, size_t position, size_t row);
  Status Attention(size_t index);
  Status FeedForward(size_t index);
  // What waits in branch_, added to rows begin .. end - 1 of the stream, and the norm of the sum.
  void SumRows(size_t begin, size_t end);
  void Activate(const FfnSpec& spec, size_t begin, size_t end);
  void Observe(size_t step) const;
  void ObserveInput(size_t layer, std::string_view part, const nn::Rows& rows) const;

  const Encoder::Parts& parts_;
  std::span<const Encoder::Run> runs_;
  nn::ExecutionContext& context_;
  Decoder::Observer* observer_;
  size_t rows_ = 0;
  nn::FullAttention attention_;
  float* stream_ = nullptr;            // [rows, hidden]
  float* branch_ = nullptr;            // [rows, hidden and a gap], output of the last attention or feed-forward
  float* qkv_ = nullptr;               // [rows, queries, keys and values]
  float* attended_ = nullptr;          // [rows, heads * value_dim]
  float* wide_ = nullptr;              // [rows, feed-forward's width and a gap]
  float* ones_ = nullptr;              // [feed-forward's width]
  const NormWeights* sums_ = nullptr;  // the norm behind the sum that branch_ waits for, or null
};

}  // namespace octet
