// Any bytes as an Octet pack, with the checksum put right so that the table behind it is reached.
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "formats/octet_pack.h"

namespace {

// FNV-1a over the header, its checksum taken as 0, and the table: docs/formats/octet_pack.md.
void CorrectChecksum(std::vector<uint8_t>& file) {
  constexpr size_t kTableOffset = 24, kChecksum = 40, kHeader = 64;
  if (file.size() < kHeader) return;
  uint64_t table = 0, hash = 0xCBF29CE484222325u;
  std::memcpy(&table, file.data() + kTableOffset, sizeof table);
  if (table > file.size()) return;
  std::memset(file.data() + kChecksum, 0, sizeof hash);
  for (size_t i = 0; i < kHeader; ++i) hash = (hash ^ file[i]) * 0x100000001B3u;
  for (size_t i = table; i < file.size(); ++i) hash = (hash ^ file[i]) * 0x100000001B3u;
  std::memcpy(file.data() + kChecksum, &hash, sizeof hash);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> file(data, data + size);
  CorrectChecksum(file);
  const auto bytes = std::as_bytes(std::span(file));
  const auto sections = octet::ReadOctetPackTable(bytes, "input");
  if (!sections) return 0;
  uint64_t sum = 0;
  for (const octet::OctetPackSection& section : *sections) {
    for (const std::byte byte : bytes.subspan(section.offset, section.size)) sum += std::to_integer<uint64_t>(byte);
  }
  return sum == UINT64_MAX ? 1 : 0;
}
