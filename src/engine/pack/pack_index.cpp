#include "engine/pack/pack_index.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/checked.h"
#include "base/counted.h"
#include "base/json.h"
#include "base/json_text.h"

namespace octet {
namespace {

using kernels::WeightFormat;

constexpr std::array<std::string_view, kernels::kWeightFormats> kFormatNames = {
    "f32",      "bf16",     "e4m3",      "e4m3-b128", "nvfp4",    "int8",
    "int4-g32", "int4-g64", "int4-g128", "int4-z32",  "int4-z64", "int4-z128"};
constexpr uint64_t kLargestAxis = uint64_t{1} << 40;  // padding it stays within 64 bits

Result<size_t> GetSize(const Json& object, std::string_view key, std::string_view where) {
  const int64_t value = OCTET_TRY(GetInteger(object, key, where));
  if (value >= 1 && static_cast<uint64_t>(value) <= kLargestAxis) return static_cast<size_t>(value);
  return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is ", value, ", allowed is 1 to ", kLargestAxis);
}

// What entries are read against.
struct Source {
  const SectionLookup& find;
  std::string_view where;

  Result<std::span<const std::byte>> Section(const std::string& name) const {
    const std::optional<std::span<const std::byte>> bytes = find(name);
    if (!bytes) return Fail(ErrorCode::kCorrupt, where, ": section ", name, " is missing");
    return *bytes;
  }

  Result<std::span<const float>> Floats(const std::string& name, size_t count) const {
    const std::span<const std::byte> bytes = OCTET_TRY(Section(name));
    if (bytes.size() != count * sizeof(float)) {
      return Fail(ErrorCode::kCorrupt, where, ": section ", name, " has ", Counted(bytes.size(), "byte"), " for ",
                  Counted(count, "number"), " of 4");
    }
    return std::span(reinterpret_cast<const float*>(bytes.data()), count);
  }
};

// PackedBytes for sizes that a file claims.
std::optional<uint64_t> CheckedPackedBytes(WeightFormat format, uint64_t columns, uint64_t depth) {
  return CheckedMultiply(kernels::Panels(columns), kernels::PanelBytes(format, depth));
}

Result<WeightFormat> GetFormat(const Json& object, std::string_view where) {
  const std::string name = OCTET_TRY(GetString(object, "format", where));
  const auto found = std::find(kFormatNames.begin(), kFormatNames.end(), name);
  if (found == kFormatNames.end()) {
    return Fail(ErrorCode::kUnsupported, where, ": weight format `", name,
                "` isn't known; make the pack again with `octet build`");
  }
  return static_cast<WeightFormat>(found - kFormatNames.begin());
}

Result<float> GetInputScale(const Json& object, std::string_view where) {
  const Json* scale = FindMember(object, "input_scale");
  if (scale == nullptr) return 0.0F;
  const float value = scale->is_number() ? scale->get<float>() : 0.0F;
  if (std::isfinite(value) && value > 0) return value;
  return Fail(ErrorCode::kCorrupt, where, ": `input_scale` is ", scale->dump(), ", a number above 0 is expected");
}

Status ReadMatrix(const Source& source, const Json& object, PackEntry& entry) {
  entry.format = OCTET_TRY(GetFormat(object, source.where));
  entry.depth = OCTET_TRY(GetSize(object, "depth", source.where));
  entry.input_scale = OCTET_TRY(GetInputScale(object, source.where));
  const Json* mx = FindMember(object, "takes_mx_inputs");
  entry.takes_mx_inputs = mx != nullptr && *mx == true;
  entry.data = OCTET_TRY(source.Section(DataSection(entry.name)));
  const std::optional<uint64_t> expected = CheckedPackedBytes(entry.format, entry.columns, entry.depth);
  if (expected != entry.data.size()) {
    return Fail(ErrorCode::kCorrupt, source.where, ": its section has ", Counted(entry.data.size(), "byte"), ", ",
                Counted(entry.columns, "column"), " of depth ", entry.depth, " take ",
                expected ? Cat(*expected) : std::string("more than 2^64"));
  }
  const std::string scales = ScalesSection(entry.name), bias = BiasSection(entry.name);
  if (kernels::HasColumnScales(entry.format) || source.find(scales))
    entry.scales = OCTET_TRY(source.Floats(scales, entry.columns));
  if (source.find(bias)) entry.bias = OCTET_TRY(source.Floats(bias, entry.columns));
  return {};
}

Result<PackEntry> ReadEntry(const Json& object, const SectionLookup& find, std::string_view file) {
  PackEntry entry;
  entry.name = OCTET_TRY(GetString(object, "name", file));
  const std::string where = Cat(file, ": weight ", entry.name);
  const Source source{find, where};
  entry.is_matrix = FindMember(object, "depth") != nullptr;
  entry.columns = OCTET_TRY(GetSize(object, "columns", where));
  if (entry.is_matrix) {
    OCTET_TRY(ReadMatrix(source, object, entry));
  } else {
    entry.data = std::as_bytes(OCTET_TRY(source.Floats(DataSection(entry.name), entry.columns)));
  }
  return entry;
}

}  // namespace

std::string DataSection(std::string_view name) { return Cat("weights/", name); }
std::string ScalesSection(std::string_view name) { return Cat("scales/", name); }
std::string BiasSection(std::string_view name) { return Cat("bias/", name); }

Result<std::vector<PackEntry>> ReadPackIndex(std::string_view text, const SectionLookup& find, std::string_view where) {
  const Json index = OCTET_TRY(ParseJson(text, where));
  const int64_t layout = OCTET_TRY(GetInteger(index, "layout", where));
  if (layout != kPackLayout) {
    return Fail(ErrorCode::kUnsupported, where, ": the matrices have layout ", layout, ", this build reads layout ",
                kPackLayout, "; make the pack again with `octet build`");
  }
  const Json* weights = FindMember(index, "weights");
  if (weights == nullptr || !weights->is_array()) {
    return Fail(ErrorCode::kCorrupt, where, ": has no list `weights`");
  }
  std::vector<PackEntry> entries;
  for (const Json& object : *weights) entries.push_back(OCTET_TRY(ReadEntry(object, find, where)));
  return entries;
}

Result<std::vector<PackEntry>> ReadPackIndex(const OctetPack& pack) {
  const std::string_view text = OCTET_TRY(pack.Text(kPackIndexSection));
  const SectionLookup find = [&pack](const std::string& name) -> std::optional<std::span<const std::byte>> {
    const Result<std::span<const std::byte>> bytes = pack.Section(name);
    return bytes ? std::optional(*bytes) : std::nullopt;
  };
  return ReadPackIndex(text, find, Cat(pack.path(), ": ", kPackIndexSection));
}

std::string WritePackIndex(std::span<const PackEntry> entries) {
  Json weights = Json::array();
  for (const PackEntry& entry : entries) {
    Json json = {{"name", entry.name}, {"columns", entry.columns}};
    if (entry.is_matrix) {
      json["depth"] = entry.depth;
      json["format"] = kFormatNames[static_cast<size_t>(entry.format)];
      if (entry.input_scale != 0) json["input_scale"] = entry.input_scale;
      if (entry.takes_mx_inputs) json["takes_mx_inputs"] = true;
    }
    weights.push_back(std::move(json));
  }
  return Dump({{"layout", kPackLayout}, {"weights", std::move(weights)}});
}

}  // namespace octet
