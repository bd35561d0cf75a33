#include "quantize/smoothing.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "numeric/fp16.h"
#include "quantize/awq.h"
#include "quantize/smoothquant.h"

namespace octet {
namespace {

constexpr size_t kSampledRows = 128;  // of a joined matrix, to measure factors on
constexpr size_t kWeightsTogether = size_t{1} << 18;

std::vector<uint32_t> Identity(size_t count) {
  std::vector<uint32_t> origin(count);
  std::iota(origin.begin(), origin.end(), 0U);
  return origin;
}

// Which row of v an input of the attention's output comes from: query heads share the value heads in groups.
std::vector<uint32_t> OriginsOfHeads(const AttnSpec& attn) {
  std::vector<uint32_t> origin;
  for (size_t head = 0; head < attn.heads; ++head) {
    const size_t value_head = head / (attn.heads / attn.kv_heads);
    for (size_t i = 0; i < attn.value_dim; ++i)
      origin.push_back(static_cast<uint32_t>(value_head * attn.value_dim + i));
  }
  return origin;
}

// The number that the output can hold.
float Stored(float value, DType dtype) {
  const float rounded = ToFloat(ToBf16(value));
  return dtype == DType::kF16 ? ToFloat(ToFp16(rounded)) : rounded;
}

}  // namespace

LayerSmoothing::LayerSmoothing(const ModelSpec& spec, const PrecisionMap& map, EditedSource& edited, Search search)
    : spec_(spec), map_(map), edited_(edited), search_(search), slots_(WeightSlots(spec)) {}

const WeightSlot* LayerSmoothing::Find(const std::string& slot) const {
  const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const WeightSlot& s) { return s.name == slot; });
  return found == slots_.end() ? nullptr : &*found;
}

const TensorPrecision* LayerSmoothing::PrecisionOf(const WeightSlot& slot) const {
  const auto found = std::find_if(map_.tensors.begin(), map_.tensors.end(),
                                  [&](const TensorPrecision& tensor) { return tensor.source == slot.tensor; });
  return found == map_.tensors.end() ? nullptr : &*found;
}

std::vector<std::pair<std::string, LayerSmoothing::Place>> LayerSmoothing::PlacesOf(size_t layer) const {
  const auto slot = [&](std::string_view part) { return Find(LayerSlot(layer, part)); };
  const LayerSpec& block = spec_.layers[layer];
  const bool attn_plus_one = block.pre_attn.kind == NormKind::kRmsPlusOne;
  const bool ffn_plus_one = block.pre_ffn.kind == NormKind::kRmsPlusOne;
  std::vector<std::pair<std::string, Place>> places;
  places.emplace_back(LayerSlot(layer, "attn.qkv"), Place{.readers = {slot("attn.q"), slot("attn.k"), slot("attn.v")},
                                                          .norm = slot("attn.norm"),
                                                          .norm_plus_one = attn_plus_one,
                                                          .origin = Identity(spec_.hidden),
                                                          .origins = spec_.hidden});
  places.emplace_back(LayerSlot(layer, "attn.out"), Place{.readers = {slot("attn.out")},
                                                          .maker = slot("attn.v"),
                                                          .bias = slot("attn.v.bias"),
                                                          .origin = OriginsOfHeads(block.attn),
                                                          .origins = block.attn.kv_heads * block.attn.value_dim});
  places.emplace_back(LayerSlot(layer, "ffn.gate_up"), Place{.readers = {slot("ffn.gate"), slot("ffn.up")},
                                                             .norm = slot("ffn.norm"),
                                                             .norm_plus_one = ffn_plus_one,
                                                             .origin = Identity(spec_.hidden),
                                                             .origins = spec_.hidden});
  places.emplace_back(LayerSlot(layer, "ffn.down"), Place{.readers = {slot("ffn.down")},
                                                          .maker = slot("ffn.up"),
                                                          .bias = slot("ffn.up.bias"),
                                                          .origin = Identity(block.ffn.width),
                                                          .origins = block.ffn.width});
  return places;
}

bool LayerSmoothing::MaySmooth(const Place& place) const {
  const Encoding encoding = search_ == Search::kMigrated ? Encoding::kInt8 : Encoding::kInt4;
  const auto is_quantised = [&](const WeightSlot* slot) {
    const TensorPrecision* precision = PrecisionOf(*slot);
    return precision != nullptr && precision->encoding == encoding;
  };
  return std::all_of(place.readers.begin(), place.readers.end(), is_quantised) &&
         (place.maker == nullptr || is_quantised(place.maker));
}

Status LayerSmoothing::Smooth(size_t layer, LayerInputs& inputs, ThreadPool& pool) {
  for (const auto& [slot, place] : PlacesOf(layer)) {
    if (keeps_values_ && slot == LayerSlot(layer, "attn.out")) continue;  // v makes its inputs
    if (MaySmooth(place)) OCTET_TRY(SmoothPlace(slot, place, inputs.at(slot), pool));
  }
  return {};
}

Result<std::vector<float>> LayerSmoothing::SampleRows(const Place& place, size_t width) const {
  size_t rows = 0;
  for (const WeightSlot* reader : place.readers) rows += reader->rows;
  const size_t wanted = std::min(rows, kSampledRows);
  std::vector<float> sample(wanted * width);
  for (size_t i = 0; i < wanted; ++i) {
    size_t row = i * rows / wanted;  // of the joined matrix
    const WeightSlot* const* reader = place.readers.data();
    while (row >= (*reader)->rows) row -= (*reader++)->rows;
    OCTET_TRY(edited_.ReadRows((*reader)->tensor, (*reader)->first_row + row, 1, sample.data() + i * width));
  }
  return sample;
}

Result<std::vector<float>> LayerSmoothing::LargestOfColumns(const Place& place, size_t width) const {
  std::vector<float> largest(width), rows;
  const size_t step = std::max<size_t>(1, kWeightsTogether / width);
  for (const WeightSlot* reader : place.readers) {
    for (size_t first = 0; first < reader->rows; first += step) {
      rows.resize(std::min(step, reader->rows - first) * width);
      OCTET_TRY(edited_.ReadRows(reader->tensor, reader->first_row + first, rows.size() / width, rows.data()));
      for (size_t i = 0; i < rows.size(); ++i) largest[i % width] = std::max(largest[i % width], std::fabs(rows[i]));
    }
  }
  return largest;
}

Result<std::vector<float>> LayerSmoothing::ChooseFactors(const std::string& name, const Place& place,
                                                         const InputStatistics& inputs, ThreadPool& pool) {
  std::vector<float> rows = OCTET_TRY(SampleRows(place, inputs.width));
  if (search_ == Search::kSmoothed) {
    return SearchFactors({.rows = std::move(rows),
                          .inputs = &inputs,
                          .origin = place.origin,
                          .origins = place.origins,
                          .group = PrecisionOf(*place.readers.front())->group},
                         pool);
  }
  std::vector<float> largest = OCTET_TRY(LargestOfColumns(place, inputs.width));
  Migration migration = OCTET_TRY(SearchMigration({.rows = std::move(rows),
                                                   .column_amax = std::move(largest),
                                                   .inputs = &inputs,
                                                   .origin = place.origin,
                                                   .origins = place.origins},
                                                  pool));
  strengths_[name] = migration.alpha;
  return std::move(migration.factors);
}

Status LayerSmoothing::SmoothPlace(const std::string& name, const Place& place, InputStatistics& inputs,
                                   ThreadPool& pool) {
  std::vector<float> factors = OCTET_TRY(ChooseFactors(name, place, inputs, pool));
  if (place.norm != nullptr) OCTET_TRY(DivideNorm(place, factors));
  if (place.maker != nullptr) DivideRows(place, factors);
  TensorFactors of_columns;
  for (const uint32_t origin : place.origin) of_columns.columns.push_back(factors[origin]);
  std::set<std::string> edited;  // q, k and v may lie in one tensor
  for (const WeightSlot* reader : place.readers) {
    if (edited.insert(reader->tensor).second) edited_.Scale(reader->tensor, of_columns);
  }
  if (inputs.moments.empty()) return {};
  pool.ForEachShare(inputs.width, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      for (size_t j = 0; j < inputs.width; ++j)
        inputs.moments[i * inputs.width + j] /= of_columns.columns[i] * of_columns.columns[j];
    }
  });
  return {};
}

Status LayerSmoothing::DivideNorm(const Place& place, std::vector<float>& factors) {
  const std::string& tensor = place.norm->tensor;
  const float offset = place.norm_plus_one ? 1 : 0;
  const DType dtype = PrecisionOf(*place.norm)->dtype;
  std::vector<float> norm(place.norm->rows);
  OCTET_TRY(edited_.ReadRows(tensor, 0, 1, norm.data()));
  std::vector<Bf16> divided;
  for (size_t i = 0; i < norm.size(); ++i) {
    const float before = norm[i] + offset, after = Stored(before / factors[i] - offset, dtype) + offset;
    // What rounding the quotient leaves is no error, since the columns are multiplied by what they were divided by.
    const bool is_exact = before != 0 && after != 0 && std::isnormal(before / after);
    factors[i] = is_exact ? before / after : 1;
    divided.push_back(ToBf16(is_exact ? after - offset : norm[i]));
  }
  edited_.Replace(tensor, std::move(divided));
  return {};
}

void LayerSmoothing::DivideRows(const Place& place, std::span<const float> factors) {
  TensorFactors of_rows{.rows = std::vector<float>(place.maker->tensor_rows, 1.0F)};
  for (size_t row = 0; row < factors.size(); ++row) of_rows.rows[place.maker->first_row + row] = 1 / factors[row];
  edited_.Scale(place.maker->tensor, of_rows);
  if (place.bias == nullptr) return;
  TensorFactors of_bias{.columns = std::vector<float>(place.bias->tensor_rows, 1.0F)};
  for (size_t row = 0; row < factors.size(); ++row) of_bias.columns[place.bias->first_row + row] = 1 / factors[row];
  edited_.Scale(place.bias->tensor, of_bias);
}

}  // namespace octet
