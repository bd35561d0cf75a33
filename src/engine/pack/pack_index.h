// What an Octet pack says about its weights: the section `weights.json`, read and checked against the other sections.
//
//   std::vector<PackEntry> entries = OCTET_TRY(ReadPackIndex(*pack));
//
// The container: formats/octet_pack.h. Serving the weights: engine/pack/pack_weights.h. Sections:
// docs/formats/octet_pack.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/octet_pack.h"
#include "kernels/layout.h"

namespace octet {

inline constexpr int64_t kPackLayout = 1;  // of the matrices inside: kernels/layout.h
inline constexpr std::string_view kPackIndexSection = "weights.json";

struct PackEntry {
  std::string name;
  bool is_matrix = false;
  kernels::WeightFormat format = kernels::WeightFormat::kF32;
  size_t columns = 0;  // of a vector: its length
  size_t depth = 0;
  std::span<const std::byte> data;  // packed panels, or a vector's floats
  std::span<const float> scales;    // [columns] or empty
  std::span<const float> bias;      // [columns] or empty
  float input_scale = 0;            // tensor/packed_matrix.h, and so is this:
  bool takes_mx_inputs = false;
};

// Section names of an entry's parts.
std::string DataSection(std::string_view name);
std::string ScalesSection(std::string_view name);
std::string BiasSection(std::string_view name);

// The bytes of a named section, or nothing where there is none.
using SectionLookup = std::function<std::optional<std::span<const std::byte>>(const std::string& name)>;

// The spans point into the pack. Fails with corrupt where an entry's sizes and its sections disagree; with unsupported
// for another layout, saying how to make the pack again.
Result<std::vector<PackEntry>> ReadPackIndex(const OctetPack& pack);
// The same from the section's text; `where` opens every message. Requires sections that begin at multiples of 4.
Result<std::vector<PackEntry>> ReadPackIndex(std::string_view text, const SectionLookup& find, std::string_view where);

// The section's text; `data` and the like are not looked at, only which of them there are.
std::string WritePackIndex(std::span<const PackEntry> entries);

}  // namespace octet
