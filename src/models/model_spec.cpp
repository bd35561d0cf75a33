#include "models/model_spec.h"

#include <string_view>
#include <utility>

#include "base/cat.h"
#include "models/encoder_slots.h"

namespace octet {
namespace {

// Builds the slots of one model in order.
class SlotList {
 public:
  explicit SlotList(const ModelSpec& spec) : spec_(spec) {}

  std::vector<WeightSlot> Build() {
    AddEmbedding("embedding", spec_.tensor_prefix + "embed_tokens.weight");
    for (size_t layer = 0; layer < spec_.layers.size(); ++layer) {
      AddAttention(layer);
      AddFeedForward(layer);
    }
    AddVector("final_norm", spec_.tensor_prefix + "norm.weight", spec_.hidden);
    if (!spec_.tied) AddEmbedding("head", "lm_head.weight");
    return std::move(slots_);
  }

 private:
  // Rows first_row .. of a tensor that may hold several matrices.
  struct Place {
    std::string tensor;  // module name, without ".weight"
    size_t first_row = 0;
    size_t tensor_rows = 0;
  };

  void AddAttention(size_t layer) {
    const LayerSpec& block = spec_.layers[layer];
    const AttnSpec& attn = block.attn;
    const std::string module = Module(layer) + "self_attn.";
    AddVector(LayerSlot(layer, "attn.norm"), Module(layer) + "input_layernorm.weight", spec_.hidden);
    const size_t query = attn.heads * attn.key_dim, key = attn.kv_heads * attn.key_dim,
                 value = attn.kv_heads * attn.value_dim;
    const size_t all = query + key + value;
    const auto place = [&](const char* name, size_t first, size_t rows) {
      return spec_.fused_qkv ? Place{module + "qkv_proj", first, all} : Place{module + name, 0, rows};
    };
    AddColumns(LayerSlot(layer, "attn.q"), place("q_proj", 0, query), query, attn.key_dim, attn.q_bias);
    AddColumns(LayerSlot(layer, "attn.k"), place("k_proj", query, key), key, attn.key_dim, attn.k_bias);
    AddColumns(LayerSlot(layer, "attn.v"), place("v_proj", query + key, value), value, attn.value_dim, attn.v_bias);
    if (attn.qk_norm) {
      AddVector(LayerSlot(layer, "attn.q_norm"), module + "q_norm.weight", attn.key_dim);
      AddVector(LayerSlot(layer, "attn.k_norm"), module + "k_norm.weight", attn.key_dim);
    }
    AddRows(LayerSlot(layer, "attn.out"), module + "o_proj", attn.heads * attn.value_dim, attn.value_dim,
            attn.out_bias);
    if (block.post_attn) {
      AddVector(LayerSlot(layer, "attn.post_norm"), Module(layer) + "post_attention_layernorm.weight", spec_.hidden);
    }
  }

  void AddFeedForward(size_t layer) {
    const LayerSpec& block = spec_.layers[layer];
    const FfnSpec& ffn = block.ffn;
    const std::string module = Module(layer) + "mlp.";
    // Models with a norm behind the attention use the name that others give to the norm before the feed-forward.
    const char* norm = block.post_attn ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight";
    AddVector(LayerSlot(layer, "ffn.norm"), Module(layer) + norm, spec_.hidden);
    const auto place = [&](const char* name, size_t first) {
      return spec_.fused_gate_up ? Place{module + "gate_up_proj", first, 2 * ffn.width}
                                 : Place{module + name, 0, ffn.width};
    };
    AddColumns(LayerSlot(layer, "ffn.gate"), place("gate_proj", 0), ffn.width, 1, ffn.bias);
    AddColumns(LayerSlot(layer, "ffn.up"), place("up_proj", ffn.width), ffn.width, 1, ffn.bias);
    AddRows(LayerSlot(layer, "ffn.down"), module + "down_proj", ffn.width, 1, ffn.bias);
    if (block.post_ffn) {
      AddVector(LayerSlot(layer, "ffn.post_norm"), Module(layer) + "post_feedforward_layernorm.weight", spec_.hidden);
    }
  }

  void AddEmbedding(std::string name, std::string tensor) {
    slots_.push_back({.name = std::move(name),
                      .tensor = std::move(tensor),
                      .tensor_rows = spec_.vocab,
                      .rows = spec_.vocab,
                      .columns = spec_.hidden,
                      .axis = ParallelAxis::kVocabulary,
                      .quantisable = true,
                      .sensitivity = Sensitivity::kEmbedding});
  }

  void AddVector(std::string name, std::string tensor, size_t length) {
    slots_.push_back({.name = std::move(name), .tensor = std::move(tensor), .tensor_rows = length, .rows = length});
  }

  // A matrix that tensor parallelism cuts by out features, from hidden to `rows`.
  void AddColumns(const std::string& name, const Place& place, size_t rows, size_t granularity, bool bias) {
    WeightSlot slot{.name = name,
                    .tensor = place.tensor + ".weight",
                    .tensor_rows = place.tensor_rows,
                    .first_row = place.first_row,
                    .rows = rows,
                    .columns = spec_.hidden,
                    .axis = ParallelAxis::kColumn,
                    .granularity = granularity,
                    .quantisable = true,
                    .sensitivity = Sensitivity::kLinear};
    slots_.push_back(slot);
    if (!bias) return;
    slot.name += ".bias";
    slot.tensor = place.tensor + ".bias";
    slot.columns = 0;
    slot.quantisable = false;
    slot.sensitivity = Sensitivity::kExact;
    slots_.push_back(std::move(slot));
  }

  // One that is cut by in features, from `columns` back to hidden.
  void AddRows(const std::string& name, const std::string& module, size_t columns, size_t granularity, bool bias) {
    slots_.push_back({.name = name,
                      .tensor = module + ".weight",
                      .tensor_rows = spec_.hidden,
                      .rows = spec_.hidden,
                      .columns = columns,
                      .axis = ParallelAxis::kRow,
                      .granularity = granularity,
                      .quantisable = true,
                      .sensitivity = Sensitivity::kOutlier});
    if (bias) AddVector(name + ".bias", module + ".bias", spec_.hidden);
  }

  std::string Module(size_t layer) const { return Cat(spec_.tensor_prefix, "layers.", layer, "."); }

  const ModelSpec& spec_;
  std::vector<WeightSlot> slots_;
};

}  // namespace

std::vector<WeightSlot> WeightSlots(const ModelSpec& spec) {
  return spec.encoder ? EncoderSlots(spec) : SlotList(spec).Build();
}

uint64_t ModelSpec::Parameters() const {
  uint64_t count = 0;
  for (const WeightSlot& slot : WeightSlots(*this)) count += uint64_t{slot.rows} * (slot.IsMatrix() ? slot.columns : 1);
  return count;
}

std::vector<std::string> FusedParts(std::string_view name) {
  const auto siblings = [&](std::string_view ending, std::initializer_list<const char*> parts) {
    std::vector<std::string> names;
    if (!name.ends_with(ending)) return names;
    for (const char* part : parts) names.push_back(Cat(name.substr(0, name.size() - ending.size()), part));
    return names;
  };
  std::vector<std::string> names = siblings(".attn.qkv", {".attn.q", ".attn.k", ".attn.v"});
  return names.empty() ? siblings(".ffn.gate_up", {".ffn.gate", ".ffn.up"}) : names;
}

std::string LayerSlot(size_t layer, std::string_view part) { return Cat("layers.", layer, ".", part); }

}  // namespace octet
