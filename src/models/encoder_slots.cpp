#include "models/encoder_slots.h"

#include <utility>

#include "base/cat.h"

namespace octet {
namespace {

class EncoderSlotList {
 public:
  explicit EncoderSlotList(const ModelSpec& spec) : spec_(spec) {}

  std::vector<WeightSlot> Build() {
    const std::string module = spec_.tensor_prefix + "embeddings.";
    AddTable("embedding", module + "word_embeddings", spec_.vocab, Sensitivity::kEmbedding);
    AddTable("positions", module + "position_embeddings", spec_.max_positions, Sensitivity::kExact);
    AddTable("types", module + "token_type_embeddings", spec_.encoder->type_vocab, Sensitivity::kExact);
    AddNorm("embedding_norm", module + "LayerNorm");
    for (size_t layer = 0; layer < spec_.layers.size(); ++layer) AddLayer(layer);
    if (spec_.encoder->labels != 0) AddHead();
    return std::move(slots_);
  }

 private:
  void AddLayer(size_t layer) {
    const AttnSpec& attn = spec_.layers[layer].attn;
    const FfnSpec& ffn = spec_.layers[layer].ffn;
    const std::string module = Cat(spec_.tensor_prefix, "encoder.layer.", layer, ".");
    const std::string self = module + "attention.self.";
    const size_t width = attn.heads * attn.key_dim;
    AddColumns(LayerSlot(layer, "attn.q"), self + "query", width, attn.key_dim);
    AddColumns(LayerSlot(layer, "attn.k"), self + "key", width, attn.key_dim);
    AddColumns(LayerSlot(layer, "attn.v"), self + "value", attn.heads * attn.value_dim, attn.value_dim);
    AddRows(LayerSlot(layer, "attn.out"), module + "attention.output.dense", attn.heads * attn.value_dim,
            attn.value_dim);
    AddNorm(LayerSlot(layer, "attn.norm"), module + "attention.output.LayerNorm");
    AddColumns(LayerSlot(layer, "ffn.in"), module + "intermediate.dense", ffn.width, 1);
    AddRows(LayerSlot(layer, "ffn.down"), module + "output.dense", ffn.width, 1);
    AddNorm(LayerSlot(layer, "ffn.norm"), module + "output.LayerNorm");
  }

  // Too small to gain by rounding, and the answer is read off them.
  void AddHead() {
    AddMatrix({.name = "pooler", .tensor = {}, .rows = spec_.hidden, .columns = spec_.hidden},
              spec_.tensor_prefix + "pooler.dense");
    AddMatrix({.name = "head", .tensor = {}, .rows = spec_.encoder->labels, .columns = spec_.hidden}, "classifier");
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
