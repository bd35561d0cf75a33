// A config.json of any content becomes a model spec within bounds, or an error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "models/hf_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto json = octet::ParseJson({reinterpret_cast<const char*>(data), size}, "config.json");
  if (!json) return 0;
  const auto spec = octet::ReadHfConfig(*json, "config.json");
  if (spec) static_cast<void>(octet::WeightSlots(*spec).size());
  return 0;
}
