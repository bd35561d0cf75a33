#include "engine/pack/pack_weights.h"

#include <algorithm>
#include <utility>

namespace octet {

PackWeights::PackWeights(std::shared_ptr<const OctetPack> pack, std::vector<PackEntry> places, LoadMode mode)
    : pack_(std::move(pack)), places_(std::move(places)), mode_(mode) {
  for (const PackEntry& place : places_) entries_.push_back({place.name, place.is_matrix});
}

Result<const PackEntry*> PackWeights::Find(std::string_view name, bool is_matrix) const {
  for (const PackEntry& place : places_) {
    if (place.name == name && place.is_matrix == is_matrix) return &place;
  }
  return Fail(ErrorCode::kNotFound, pack_->path(), ": has no ", is_matrix ? "matrix " : "vector ", name,
              "; make the pack again with `octet build`");
}

Result<PackedMatrix> PackWeights::Matrix(std::string_view name) {
  const PackEntry* place = OCTET_TRY(Find(name, true));
  PackedMatrix matrix{.format = place->format,
                      .columns = place->columns,
                      .depth = place->depth,
                      .panels = place->data,
                      .column_scales = place->scales,
                      .bias = place->bias,
                      .input_scale = place->input_scale,
                      .owner = pack_};
  if (mode_ == LoadMode::kCopy) OCTET_TRY(CopyIntoMemory(*place, matrix));
  return matrix;
}

Status PackWeights::CopyIntoMemory(const PackEntry& place, PackedMatrix& matrix) {
  const size_t panels = place.data.size(), scales = place.scales.size_bytes(), bias = place.bias.size_bytes();
  const WeightArena::Piece piece = OCTET_TRY(arena_.Take(panels + scales + bias));
  std::byte* to = std::copy(place.data.begin(), place.data.end(), piece.bytes.data());
  auto* floats = reinterpret_cast<float*>(to);
  std::copy(place.bias.begin(), place.bias.end(), std::copy(place.scales.begin(), place.scales.end(), floats));
  pack_->Release(DataSection(place.name));
  matrix.panels = piece.bytes.first(panels);
  matrix.column_scales = {floats, place.scales.size()};
  matrix.bias = {floats + place.scales.size(), place.bias.size()};
  matrix.owner = piece.owner;
  return {};
}

Result<std::vector<float>> PackWeights::Vector(std::string_view name) {
  const PackEntry* place = OCTET_TRY(Find(name, false));
  const auto* floats = reinterpret_cast<const float*>(place->data.data());
  return std::vector<float>(floats, floats + place->columns);
}

}  // namespace octet
