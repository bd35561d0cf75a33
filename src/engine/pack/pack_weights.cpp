#include "engine/pack/pack_weights.h"

#include <algorithm>
#include <utility>

namespace octet {
namespace {

constexpr size_t kBytesKept = size_t{1} << 20;  // of a thread, copied before their mapped pages are let go

}  // namespace

PackWeights::PackWeights(std::shared_ptr<const OctetPack> pack, std::vector<PackEntry> places, LoadMode mode,
                         ThreadPool& pool)
    : pack_(std::move(pack)), places_(std::move(places)), mode_(mode), pool_(pool) {
  for (const PackEntry& place : places_) {
    entries_.push_back(
        {place.name, place.is_matrix, place.data.size() + place.scales.size_bytes() + place.bias.size_bytes()});
  }
}

Result<const PackEntry*> PackWeights::Find(std::string_view name, bool is_matrix) const {
  for (const PackEntry& place : places_) {
    if (place.name == name && place.is_matrix == is_matrix) return &place;
  }
  return Fail(ErrorCode::kNotFound, pack_->path(), ": has no ", is_matrix ? "matrix " : "vector ", name,
              "; make the pack again with `octet build`");
}

Result<PackedMatrix> PackWeights::Outline(std::string_view name) {
  const PackEntry* place = OCTET_TRY(Find(name, true));
  return PackedMatrix{.format = place->format,
                      .columns = place->columns,
                      .depth = place->depth,
                      .panels = {},
                      .column_scales = place->scales,
                      .bias = place->bias,
                      .input_scale = place->input_scale,
                      .takes_mx_inputs = place->takes_mx_inputs,
                      .owner = pack_};
}

Result<PackedMatrix> PackWeights::Matrix(std::string_view name) {
  const PackEntry* place = OCTET_TRY(Find(name, true));
  PackedMatrix matrix = OCTET_TRY(Outline(name));
  matrix.panels = place->data;
  if (mode_ == LoadMode::kCopy) OCTET_TRY(CopyIntoMemory(*place, matrix));
  return matrix;
}

Status PackWeights::ReadPanels(std::string_view name, size_t begin, size_t end, std::byte* to) {
  CopyPanels(*OCTET_TRY(Find(name, true)), begin, end, to);
  return {};
}

void PackWeights::CopyPanels(const PackEntry& place, size_t begin, size_t end, std::byte* to) const {
  const size_t panel_bytes = kernels::PanelBytes(place.format, place.depth);
  const size_t step = std::max<size_t>(1, kBytesKept / panel_bytes);
  pool_.ForEachShare(end - begin, [&](size_t share_begin, size_t share_end) {
    for (size_t panel = share_begin; panel < share_end; panel += step) {
      const size_t some = std::min(step, share_end - panel);
      const auto from = place.data.subspan((begin + panel) * panel_bytes, some * panel_bytes);
      std::copy(from.begin(), from.end(), to + panel * panel_bytes);
      pack_->Release(from);
    }
  });
}

Status PackWeights::CopyIntoMemory(const PackEntry& place, PackedMatrix& matrix) {
  const size_t panels = place.data.size(), scales = place.scales.size_bytes(), bias = place.bias.size_bytes();
  const WeightArena::Piece piece = OCTET_TRY(arena_.Take(panels + scales + bias));
  const size_t runs = PanelRuns(place.name, place.columns), run = kernels::Panels(place.columns) / runs;
  for (size_t begin = 0; begin < runs * run; begin += run)
    CopyPanels(place, begin, begin + run, piece.bytes.data() + begin * kernels::PanelBytes(place.format, place.depth));
  auto* floats = reinterpret_cast<float*>(piece.bytes.data() + panels);
  std::copy(place.bias.begin(), place.bias.end(), std::copy(place.scales.begin(), place.scales.end(), floats));
  pack_->Release(place.data);  // what reads around the scales brought back
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
