// What a model computes, as data: the forward pass, the packer, the quantiser and the memory planner read only this.
//
//   ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config));        // models/hf_config.h
//   for (const WeightSlot& slot : WeightSlots(spec)) Print(slot.tensor, slot.rows, slot.columns);
//
// Running it: models/decoder.h, or models/encoder.h where the spec has an EncoderSpec. Its weights by slot name:
// models/weights.h. What each family's fields mean: docs/models.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/layout.h"
#include "nn/rope.h"

namespace octet {

enum class NormKind {
  kRms,         // x * rsqrt(mean(x^2) + eps) * w
  kRmsPlusOne,  // the same * (1 + w), as in Gemma
  kLayer,       // (x - mean(x)) * rsqrt(variance(x) + eps) * w + b
};

struct NormSpec {
  NormKind kind = NormKind::kRms;
  float eps = 1e-5F;
};

// Grouped-query attention; query head h reads key head h / (heads / kv_heads).
struct AttnSpec {
  size_t heads = 0;
  size_t kv_heads = 0;
  size_t key_dim = 0;    // of one query or key head
  size_t value_dim = 0;  // of one value head
  size_t rope_id = 0;    // index into ModelSpec::ropes
  float scale = 1;       // of q.k
  float softcap = 0;     // 0: none
  size_t window = 0;     // 0: all; else key j is seen by query i iff i - j < window
  bool q_bias = false, k_bias = false, v_bias = false, out_bias = false;
  std::optional<NormSpec> qk_norm = {};  // per head, before the rotation
  // The cache's type of keys and values that the checkpoint asks for (models/kv_scheme.h); absent: it says nothing.
  std::optional<kernels::CacheFormat> cache = {};
};

enum class ActivationKind { kSilu, kGeluTanh, kGeluErf };

// down(activation(gate(x)) * up(x)), or down(activation(in(x))) without a gate.
struct FfnSpec {
  ActivationKind activation = ActivationKind::kSilu;
  size_t width = 0;
  bool bias = false;  // on gate, up and down
  bool gated = true;
};

// A decoder's layer: norms stand before the branches. An encoder's: they stand behind the sums of stream and branch,
// and what is pre here is of no use to it.
struct LayerSpec {
  NormSpec pre_attn = {};
  std::optional<NormSpec> post_attn = {};  // on the branch's output, before the residual addition
  NormSpec pre_ffn = {};
  std::optional<NormSpec> post_ffn = {};
  NormSpec sum_attn = {}, sum_ffn = {};  // an encoder's
  AttnSpec attn = {};
  FfnSpec ffn = {};
};

// By whose names a checkpoint has an encoder's tensors.
enum class EncoderNaming { kBert, kRoberta, kMpnet };

// What an encoder has that a decoder hasn't. Its tokens see each other in both directions; positions have a table,
// added to the embedding of the token and that of its type (of the first text, or of the second of a pair).
struct EncoderSpec {
  EncoderNaming naming = EncoderNaming::kBert;
  size_t type_vocab = 0;  // rows of the table of types; 0: there is none
  NormSpec norm = {};     // of the embeddings' sum
  size_t labels = 0;      // what the head over the first token's pooled state gives; 0: there is none
  // The token that fills up shorter texts, by whose id positions are counted: its own is that number, those of others
  // begin behind it. Absent: positions begin at 0.
  std::optional<int32_t> pad = {};
  bool relative_bias = false;  // scores have a number added by the tokens' distance (models/relative_bias.h)
};

struct ModelSpec {
  std::string family;  // config.json's model_type: "llama", "qwen2", ...
  size_t vocab = 0;
  size_t hidden = 0;
  float embed_scale = 1;    // embeddings are multiplied by it, rounded to BF16 unless they are computed in FP32
  bool tied = false;        // the head is the embedding table
  float final_softcap = 0;  // of logits; 0: none
  NormSpec final_norm;
  std::vector<nn::RopeSpec> ropes;
  std::vector<LayerSpec> layers;
  size_t max_positions = 0;
  std::vector<int32_t> eos_ids;  // empty where the configuration says none
  std::optional<int32_t> bos_id;
  std::string kv_scheme;  // the checkpoint's word for the cache's type, "FP8"; empty where it has none
  std::string dtype;      // the configuration's: "float32", "bfloat16", "float16", or empty
  // How the checkpoint stores it: Phi-3 keeps q, k, v and gate, up in one tensor each.
  bool fused_qkv = false;
  bool fused_gate_up = false;
  std::string tensor_prefix =
      "model.";  // before embed_tokens, layers.N and norm; of an encoder before all but the head
  std::optional<EncoderSpec> encoder = {};  // absent: a decoder

  // What dense weights and embeddings count, biases and norms included.
  uint64_t Parameters() const;
  // Of an encoder's table of positions.
  size_t PositionRows() const {
    return max_positions + (encoder && encoder->pad ? static_cast<size_t>(*encoder->pad) + 1 : 0);
  }
};

// Along which axis tensor parallelism may cut a weight.
enum class ParallelAxis { kReplicate, kColumn, kRow, kVocabulary };

// How much a model suffers from rounding this weight, by experience across families.
enum class Sensitivity {
  kLinear,     // q, k, v, gate, up
  kOutlier,    // attention output and down, whose inputs have outliers
  kEmbedding,  // embedding and head: quantised only on request
  kExact,      // norms and biases: never
};

// One weight as the forward pass names it and where a checkpoint holds it.
// Matrices: "embedding", "head", "layers.3.attn.q|k|v|out", "layers.3.ffn.gate|up|down"; an encoder's "positions",
//           "types", "relative_bias", "layers.3.ffn.in" in place of gate and up, and with a head "pooler".
// Vectors:  "final_norm", "layers.3.attn.norm|post_norm|q_norm|k_norm", "layers.3.ffn.norm|post_norm", an encoder's
//           "embedding_norm", each of whose norms has a "..._shift" beside it, and a matrix' name with ".bias".
struct WeightSlot {
  std::string name;
  std::string tensor;      // Hugging Face's name; several slots may share one tensor
  size_t tensor_rows = 0;  // of that whole tensor
  size_t first_row = 0;    // of this slot in the tensor
  size_t rows = 0;         // out features; the length of a vector
  size_t columns = 0;      // in features; 0 for a vector
  ParallelAxis axis = ParallelAxis::kReplicate;
  size_t granularity = 1;  // rows (kColumn) or columns (kRow) that must stay together: a head
  bool quantisable = false;
  Sensitivity sensitivity = Sensitivity::kExact;

  bool IsMatrix() const { return columns != 0; }
};

// Every weight of the model, in the order in which the forward pass meets them. A tied head has no slot of its own.
std::vector<WeightSlot> WeightSlots(const ModelSpec& spec);

// Slots that a provider may serve joined into one matrix, columns in this order: "layers.3.attn.qkv" is q, k, v and
// "layers.3.ffn.gate_up" is gate, up. Empty for every other name.
std::vector<std::string> FusedParts(std::string_view name);

// "layers.3." + part.
std::string LayerSlot(size_t layer, std::string_view part);

}  // namespace octet
