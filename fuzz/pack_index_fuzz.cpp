// A pack's list of weights against sections of a few sizes: whatever it says, no span reaches beyond its section.
#include <array>

#include "engine/pack/pack_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr std::array<float, 1024> kMemory = {};
  const octet::SectionLookup find = [](const std::string& name) -> std::optional<std::span<const std::byte>> {
    // By the name's length, so that some names have scales, some have bias, and some have neither.
    static constexpr std::array<size_t, 8> kBytes = {0, 128, 4096, 0, 0, 32, 0, 128};
    const size_t bytes = kBytes[name.size() % kBytes.size()];
    if (bytes == 0) return std::nullopt;
    return std::as_bytes(std::span(kMemory)).first(bytes);
  };
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const octet::Result<std::vector<octet::PackEntry>> entries = octet::ReadPackIndex(text, find, "fuzz");
  if (!entries) return 0;
  for (const octet::PackEntry& entry : *entries) {
    if (entry.data.size() > sizeof kMemory || entry.scales.size() > kMemory.size()) __builtin_trap();
  }
  return 0;
}
