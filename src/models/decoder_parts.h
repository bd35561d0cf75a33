// What a loaded decoder holds, and one step's buffers; of an encoder (models/encoder.cpp) the parts that both have.
// Private to this folder.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "models/adapter_pass.h"
#include "models/decoder.h"
#include "models/joined_matrices.h"
#include "models/kv_scheme.h"
#include "models/taken_activations.h"
#include "nn/attention.h"
#include "nn/linear.h"

namespace octet {

// A norm's weights with its rule.
struct NormWeights {
  std::vector<float> weight = {};
  float offset = 0;  // 1 for norms that multiply by 1 + w
  float eps = 0;
  std::vector<float> shift = {};  // of a layer norm, empty for the others

  void Apply(const kernels::KernelTable& table, const float* x, float* out) const {
    if (shift.empty())
      table.rms_norm(x, weight.data(), offset, eps, weight.size(), out);
    else
      table.layer_norm(x, weight.data(), shift.data(), eps, weight.size(), out);
  }
};

struct LayerWeights {
  NormWeights attn_norm;
  std::optional<NormWeights> attn_post_norm;
  std::optional<NormWeights> query_norm, key_norm;
  JoinedMatrices qkv;
  PackedMatrix out;
  NormWeights ffn_norm;
  std::optional<NormWeights> ffn_post_norm;
  JoinedMatrices gate_up;
  PackedMatrix down;
};

struct Decoder::Parts {
  ModelSpec spec;
  size_t first_layer = 0;  // of the model, which `layers` begins with: what observers are told
  nn::KvLayout layout;
  std::vector<nn::RopeTable> ropes;
  std::vector<LayerWeights> layers;
  PackedMatrix embedding;
  PackedMatrix head;
  NormWeights final_norm;
  uint64_t bytes_per_token = 0;
  TakenActivations activations;
};

// The scale of embeddings as transformers computes it: rounded to the type of the model, whatever type the file has.
float EmbedScale(const ModelSpec& spec, kernels::WeightFormat embedding);
// FP32 only where nothing is rounded anyway, else BF16.
kernels::CacheFormat DefaultCache(std::span<const LayerWeights> layers);

// Takes the weights of layer `index`; fails where one doesn't fit the spec.
Result<LayerWeights> LoadLayer(const ModelSpec& spec, size_t index, WeightProvider& weights);
Result<NormWeights> LoadNorm(const NormSpec& norm, size_t width, WeightProvider& weights, std::string_view name);
Result<PackedMatrix> LoadMatrix(WeightProvider& weights, std::string_view name, size_t columns, size_t depth);

// Floats between rows of products' outputs. Where rows of the width would begin in the same few sets of the first-level
// cache (multiples of 1 KB), a panel's columns of 32 rows would push each other out of it: a line more spreads them.
inline size_t RowStride(size_t width) { return width % 256 == 0 ? width + 16 : width; }

// activation(gate) * up; of one matrix alone with an `up` of 1.
inline auto ActivationOf(const kernels::KernelTable& table, ActivationKind kind) {
  return kind == ActivationKind::kSilu       ? table.silu_multiply
         : kind == ActivationKind::kGeluTanh ? table.gelu_tanh_multiply
                                             : table.gelu_erf_multiply;
}

inline size_t QkvWidth(const AttnSpec& attn) {
  return (attn.heads + attn.kv_heads) * attn.key_dim + attn.kv_heads * attn.value_dim;
}

// One call of Forward: buffers in the workspace, and the steps in order.
class ForwardPass {
 public:
  ForwardPass(const Decoder::Parts& parts, std::span<const Decoder::Run> runs, nn::ExecutionContext& context,
              Decoder::Observer* observer);

  // The steps in order: Begin first. All fail with exhausted where the workspace does; the cache may hold new tokens
  // then.
  Status Begin();
  void Embed();
  Status Layer(size_t index);
  Status Head(float* logits);

  // In place of Embed and Head, the residual stream [rows, hidden] before a layer and behind one.
  void Enter(const float* hidden);
  void Leave(float* hidden);

 private:
  struct Range {
    size_t begin = 0, end = 0;
  };
  struct Angles {
    float* cosines = nullptr;  // [rows, half]
    float* sines = nullptr;
  };

  Status PlanSequences();
  void FillAngles();
  Status TakeBuffers();
  Status Attention(size_t index);
  Status FeedForward(size_t index);
  // Gate and up; where gate's columns were, activation(gate) * up comes to stand.
  void GateUp(const FfnSpec& spec, const PackedMatrix& matrix, const nn::PackedRows& input);
  void Activate(const FfnSpec& spec, Range rows, Range columns);
  nn::AttentionShape ShapeOf(size_t index) const;
  // Adds what is pending in branch_ to the stream's rows begin .. end - 1, through the norm behind it where there is
  // one.
  void AddBranch(size_t begin, size_t end);
  // The same, then the norm of the sum into normed_.
  void NormRows(const NormWeights& norm, size_t begin, size_t end);
  // Rows whose logits are wanted, in order.
  Result<std::span<size_t>> WantedRows();
  void Observe(size_t step) const;
  void ObserveInput(size_t layer, std::string_view part, const nn::Rows& rows) const;
  // What the rows' adapters add to a product of layer `index`.
  Status AddAdapters(size_t index, Adapter::Product product, const nn::Rows& input, float* out,
                     size_t out_stride) const {
    return adapters_.Add(parts_.first_layer + index, product, input, out, out_stride);
  }
  bool IsDone() const { return observer_ != nullptr && observer_->IsDone(); }

  const Decoder::Parts& parts_;
  std::span<const Decoder::Run> runs_;
  nn::ExecutionContext& context_;
  Decoder::Observer* observer_;
  size_t rows_ = 0;
  size_t wanted_ = 0;
  nn::AttentionPlan plan_;
  AdapterPass adapters_;
  std::span<Angles> angles_;   // per rope
  float* stream_ = nullptr;    // [rows, hidden], the residual
  float* normed_ = nullptr;    // [rows, hidden]
  float* branch_ = nullptr;    // [rows, hidden and a gap], output of the last attention or feed-forward
  float* qkv_ = nullptr;       // [rows, widest layer's queries, keys and values]
  float* attended_ = nullptr;  // [rows, widest layer's heads * value_dim]
  float* gate_up_ = nullptr;   // [rows, 2 * widest layer's width and a gap]
  bool is_pending_ = false;    // branch_ waits to be added to the stream
  const NormWeights* pending_norm_ = nullptr;
};

}  // namespace octet
