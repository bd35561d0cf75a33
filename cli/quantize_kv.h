// The flags of `octet quantize` that say what the cache's keys and values become, and what it prints of them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/options.h"
#include "quantize/kv_check.h"
#include "quantize/quantize.h"

namespace octet::cli {

struct KvFlags {
  std::optional<std::string> format;
  std::optional<std::string> scales;

  bool rounds() const { return format && *format != "bf16"; }

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&KvFlags::format, "kv",
          "type of the cache's keys and values that the result asks for, bf16 unless given; fp8 and int8 halve its "
          "memory, take --calibrate, and leave layers with outlier heads in bf16",
          OneOf{{"bf16", "fp8", "int8"}});
    visit(&KvFlags::scales, "kv-scales",
          "static scales of --kv in the file: one for a layer's keys and one for its values, which all readers take, "
          "or one of each head; tensor unless given",
          OneOf{{"tensor", "head"}});
  }
};

// Fails with invalid_argument where the text is missing or the scales are of nothing, and as CheckKvLayout.
Status CheckKvFlags(const KvFlags& flags, const std::filesystem::path& calibrate, Dialect dialect);

// Requires flags.rounds().
KvRounding ToKvRounding(const KvFlags& flags);

// The layers' types, the heads that keep some of them in BF16, and who rounds these nevertheless. Empty where the
// report has nothing of the cache.
std::string KvText(const QuantizeReport& report);

}  // namespace octet::cli
