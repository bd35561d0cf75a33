#include "models/adapter.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/kernel_table.h"
#include "kernels/layout.h"
#include "tensor/weight_arena.h"

namespace octet {
namespace {

// Where a slot's outputs stand.
struct Place {
  size_t layer = 0;
  Adapter::Product product = Adapter::Product::kQkv;
  size_t first_column = 0;
};

Place PlaceOf(const WeightSlot& slot, const ModelSpec& spec) {
  constexpr std::string_view kLayers = "layers.";
  const size_t dot = slot.name.find('.', kLayers.size());
  Place place;
  place.layer = static_cast<size_t>(std::stoull(slot.name.substr(kLayers.size(), dot - kLayers.size())));
  const std::string_view part = std::string_view(slot.name).substr(dot + 1);
  const AttnSpec& attn = spec.layers[place.layer].attn;
  const size_t queries = attn.heads * attn.key_dim;
  if (part == "attn.out") place.product = Adapter::Product::kAttnOut;
  if (part == "ffn.down") place.product = Adapter::Product::kDown;
  if (part.starts_with("ffn.") && part != "ffn.down") place.product = Adapter::Product::kGateUp;
  if (part == "attn.k") place.first_column = queries;
  if (part == "attn.v") place.first_column = queries + attn.kv_heads * attn.key_dim;
  if (part == "ffn.up") place.first_column = spec.layers[place.layer].ffn.width;
  return place;
}

Result<PackedMatrix> PackFloats(const float* rows, size_t columns, size_t depth, WeightArena& arena) {
  constexpr kernels::WeightFormat kFormat = kernels::WeightFormat::kF32;
  WeightArena::Piece piece = OCTET_TRY(arena.Take(kernels::PackedBytes(kFormat, columns, depth)));
  kernels::PackWeightsF32(rows, columns, depth, piece.bytes.data());
  PackedMatrix matrix;
  matrix.format = kFormat, matrix.columns = columns, matrix.depth = depth;
  matrix.panels = piece.bytes, matrix.owner = std::move(piece.owner);
  return matrix;
}

// The factors of one product as they are gathered.
struct Gathered {
  std::vector<float> a;
  size_t ranks = 0, depth = 0;
  std::vector<Adapter::Part> parts;
};

Status Gather(const PeftMatrix& matrix, const std::vector<const WeightSlot*>& slots, const ModelSpec& spec,
              std::vector<std::array<Gathered, Adapter::kProducts>>& layers, WeightArena& arena,
              const std::string& where) {
  const Place first = PlaceOf(*slots.front(), spec);
  Gathered& gathered = layers[first.layer][static_cast<size_t>(first.product)];
  std::vector<float> b = matrix.b;
  for (float& value : b) value *= matrix.scale;
  if (!std::all_of(b.begin(), b.end(), [](float value) { return std::isfinite(value); }))
    return Fail(ErrorCode::kCorrupt, where, ": `", matrix.weight, "` times its factor ", matrix.scale, " isn't finite");
  for (const WeightSlot* slot : slots) {
    Adapter::Part& part = gathered.parts.emplace_back();
    part.b = OCTET_TRY(PackFloats(b.data() + slot->first_row * matrix.rank, slot->rows, matrix.rank, arena));
    part.first_rank = gathered.ranks;
    part.first_column = PlaceOf(*slot, spec).first_column;
  }
  gathered.a.insert(gathered.a.end(), matrix.a.begin(), matrix.a.end());
  gathered.ranks += matrix.rank;
  gathered.depth = matrix.in;
  return {};
}

// The slots that the tensor holds, which all take the same input; fails where they don't fit.
Result<std::vector<const WeightSlot*>> FindSlots(const PeftMatrix& matrix, const std::vector<WeightSlot>& slots,
                                                 const std::string& where) {
  std::vector<const WeightSlot*> found;
  for (const WeightSlot& slot : slots)
    if (slot.tensor == matrix.weight && slot.IsMatrix()) found.push_back(&slot);
  constexpr std::string_view kHint = "; use the model that the adapter was trained on";
  if (found.empty())
    return Fail(ErrorCode::kInvalidArgument, where, ": changes `", matrix.weight, "`, which the model doesn't have",
                kHint);
  const WeightSlot& slot = *found.front();
  if (slot.sensitivity == Sensitivity::kEmbedding)
    return Fail(ErrorCode::kUnsupported, where, ": changes `", matrix.weight,
                "`, only matrices of attention and feed-forward are supported; merge the adapter with PEFT instead");
  if (slot.tensor_rows == matrix.out && slot.columns == matrix.in) return found;
  return Fail(ErrorCode::kInvalidArgument, where, ": changes `", matrix.weight, "` of [", matrix.out, ", ", matrix.in,
              "], the model has it as [", slot.tensor_rows, ", ", slot.columns, "]", kHint);
}

}  // namespace

Result<std::shared_ptr<const Adapter>> Adapter::Open(const std::filesystem::path& directory, const ModelSpec& spec) {
  const PeftAdapter adapter = OCTET_TRY(ReadPeftAdapter(directory));
  return Bind(adapter, spec);
}

Result<std::shared_ptr<const Adapter>> Adapter::Bind(const PeftAdapter& adapter, const ModelSpec& spec) {
  static std::atomic<uint64_t> last_number = 0;
  const std::string& where = adapter.path.native();
  if (spec.encoder) return Fail(ErrorCode::kUnsupported, where, ": the model is an encoder, adapters are for decoders");
  const std::vector<WeightSlot> slots = WeightSlots(spec);
  std::vector<std::array<Gathered, kProducts>> layers(spec.layers.size());
  const std::shared_ptr<Adapter> bound(new Adapter);
  WeightArena arena;
  for (const PeftMatrix& matrix : adapter.matrices) {
    const std::vector<const WeightSlot*> held = OCTET_TRY(FindSlots(matrix, slots, where));
    OCTET_TRY(Gather(matrix, held, spec, layers, arena, where));
    bound->most_rank_ = std::max(bound->most_rank_, matrix.rank);
  }
  bound->changes_.resize(layers.size());
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (size_t i = 0; i < kProducts; ++i) {
      Gathered& gathered = layers[layer][i];
      if (gathered.parts.empty()) continue;
      Change& change = bound->changes_[layer][i];
      change.a = OCTET_TRY(PackFloats(gathered.a.data(), gathered.ranks, gathered.depth, arena));
      change.parts = std::move(gathered.parts);
    }
  }
  bound->number_ = ++last_number;
  return std::shared_ptr<const Adapter>(bound);
}

uint64_t Adapter::bytes() const {
  uint64_t bytes = 0;
  for (const auto& layer : changes_) {
    for (const Change& change : layer) {
      bytes += change.a.panels.size();
      for (const Part& part : change.parts) bytes += part.b.panels.size();
    }
  }
  return bytes;
}

}  // namespace octet
