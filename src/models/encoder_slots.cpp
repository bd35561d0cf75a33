#include "models/encoder_slots.h"

#include <utility>

#include "base/cat.h"
#include "models/relative_bias.h"

namespace octet {
namespace {

// Within a layer.
struct AttentionModules {
  const char *query, *key, *value, *out, *norm;
};
constexpr AttentionModules kBertModules = {"attention.self.query", "attention.self.key", "attention.self.value",
                                           "attention.output.dense", "attention.output.LayerNorm"};
constexpr AttentionModules kMpnetModules = {"attention.attn.q", "attention.attn.k", "attention.attn.v",
                                            "attention.attn.o", "attention.LayerNorm"};

class EncoderSlotList {
 public:
  explicit EncoderSlotList(const ModelSpec& spec) : spec_(spec) {}

  std::vector<WeightSlot> Build() {
    const std::string module = spec_.tensor_prefix + "embeddings.";
    AddTable("embedding", module + "word_embeddings", spec_.vocab, Sensitivity::kEmbedding);
    AddTable("positions", module + "position_embeddings", spec_.PositionRows(), Sensitivity::kExact);
    if (spec_.encoder->type_vocab != 0)
      AddTable("types", module + "token_type_embeddings", spec_.encoder->type_vocab, Sensitivity::kExact);
    AddNorm("embedding_norm", module + "LayerNorm");
    if (spec_.encoder->relative_bias) AddRelativeBias();
    for (size_t layer = 0; layer < spec_.layers.size(); ++layer) AddLayer(layer);
    if (spec_.encoder->labels != 0) AddHead();
    return std::move(slots_);
  }

 private:
  void AddLayer(size_t layer) {
    const AttnSpec& attn = spec_.layers[layer].attn;
    const FfnSpec& ffn = spec_.layers[layer].ffn;
    const std::string module = Cat(spec_.tensor_prefix, "encoder.layer.", layer, ".");
    const AttentionModules& modules = spec_.encoder->naming == EncoderNaming::kMpnet ? kMpnetModules : kBertModules;
    const size_t width = attn.heads * attn.key_dim;
    AddColumns(LayerSlot(layer, "attn.q"), module + modules.query, width, attn.key_dim);
    AddColumns(LayerSlot(layer, "attn.k"), module + modules.key, width, attn.key_dim);
    AddColumns(LayerSlot(layer, "attn.v"), module + modules.value, attn.heads * attn.value_dim, attn.value_dim);
    AddRows(LayerSlot(layer, "attn.out"), module + modules.out, attn.heads * attn.value_dim, attn.value_dim);
    AddNorm(LayerSlot(layer, "attn.norm"), module + modules.norm);
    AddColumns(LayerSlot(layer, "ffn.in"), module + "intermediate.dense", ffn.width, 1);
    AddRows(LayerSlot(layer, "ffn.down"), module + "output.dense", ffn.width, 1);
    AddNorm(LayerSlot(layer, "ffn.norm"), module + "output.LayerNorm");
  }

  // Too small to gain by rounding, and the answer is read off them.
  void AddHead() {
    const bool is_bert = spec_.encoder->naming == EncoderNaming::kBert;
    AddMatrix({.name = "pooler", .tensor = {}, .rows = spec_.hidden, .columns = spec_.hidden},
              is_bert ? spec_.tensor_prefix + "pooler.dense" : "classifier.dense");
    AddMatrix({.name = "head", .tensor = {}, .rows = spec_.encoder->labels, .columns = spec_.hidden},
              is_bert ? "classifier" : "classifier.out_proj");
  }

  void AddRelativeBias() {
    slots_.push_back({.name = "relative_bias",
                      .tensor = spec_.tensor_prefix + "encoder.relative_attention_bias.weight",
                      .tensor_rows = kRelativeBuckets,
                      .rows = kRelativeBuckets,
                      .columns = spec_.layers.front().attn.heads});
  }

  void AddTable(std::string name, const std::string& module, size_t rows, Sensitivity sensitivity) {
    slots_.push_back(
        {.name = std::move(name),
         .tensor = module + ".weight",
         .tensor_rows = rows,
         .rows = rows,
         .columns = spec_.hidden,
         .axis = sensitivity == Sensitivity::kEmbedding ? ParallelAxis::kVocabulary : ParallelAxis::kReplicate,
         .sensitivity = sensitivity});
  }

  // A matrix that tensor parallelism cuts by out features, from hidden to `rows`.
  void AddColumns(std::string name, const std::string& module, size_t rows, size_t granularity) {
    AddMatrix({.name = std::move(name),
               .tensor = {},
               .rows = rows,
               .columns = spec_.hidden,
               .axis = ParallelAxis::kColumn,
               .granularity = granularity,
               .quantisable = true,
               .sensitivity = Sensitivity::kLinear},
              module);
  }

  // One that is cut by in features, from `columns` back to hidden.
  void AddRows(std::string name, const std::string& module, size_t columns, size_t granularity) {
    AddMatrix({.name = std::move(name),
               .tensor = {},
               .rows = spec_.hidden,
               .columns = columns,
               .axis = ParallelAxis::kRow,
               .granularity = granularity,
               .quantisable = true,
               .sensitivity = Sensitivity::kOutlier},
              module);
  }

  // With its bias.
  void AddMatrix(WeightSlot slot, const std::string& module) {
    slot.tensor = module + ".weight";
    slot.tensor_rows = slot.rows;
    const std::string bias = slot.name + ".bias";
    const size_t rows = slot.rows;
    slots_.push_back(std::move(slot));
    AddVector(bias, module + ".bias", rows);
  }

  // "_shift" and not ".bias", which would be a matrix'.
  void AddNorm(const std::string& name, const std::string& module) {
    AddVector(name, module + ".weight", spec_.hidden);
    AddVector(name + "_shift", module + ".bias", spec_.hidden);
  }

  void AddVector(std::string name, std::string tensor, size_t length) {
    slots_.push_back({.name = std::move(name), .tensor = std::move(tensor), .tensor_rows = length, .rows = length});
  }

  const ModelSpec& spec_;
  std::vector<WeightSlot> slots_;
};

}  // namespace

std::vector<WeightSlot> EncoderSlots(const ModelSpec& spec) { return EncoderSlotList(spec).Build(); }

}  // namespace octet
