// Any bytes as a safetensors file: refused with an error, or every tensor lies inside them and decodes.
#include <cstdint>
#include <span>
#include <vector>

#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file = std::as_bytes(std::span(data, size));
  const auto header = octet::ReadSafetensorsHeader(file, "input");
  if (!header) return 0;
  for (const auto& entry : header->entries) {
    const auto bytes = file.subspan(entry.offset, entry.bytes);
    std::vector<float> values(bytes.size() / octet::ByteSize(entry.dtype));
    octet::DecodeElements(entry.dtype, bytes.data(), values.size(), values.data());
  }
  return 0;
}
