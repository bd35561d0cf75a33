// CRC-32 as zlib computes it, to compare long tables of codes with goldens in one number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octet {

inline uint32_t Crc32Of(std::span<const std::byte> bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
  }
  return ~crc;
}

template <class Element>
uint32_t Crc32(const std::vector<Element>& elements) {
  return Crc32Of(std::as_bytes(std::span(elements)));
}

}  // namespace octet
