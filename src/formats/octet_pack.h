// The container of an Octet pack: named sections in one file, mapped for reading, each at a multiple of 4096 bytes.
//
//   OctetPackWriter writer = OCTET_TRY(OctetPackWriter::Create("model.octet"));
//   OCTET_TRY(writer.Add("config.json", text));
//   OCTET_TRY(writer.Begin("model.layers.0.mlp.up_proj"));
//   OCTET_TRY(writer.Write(panel));               // as often as wanted
//   OCTET_TRY(writer.Commit());
//
//   std::shared_ptr<const OctetPack> pack = OCTET_TRY(OctetPack::Open("model.octet"));
//   std::span<const std::byte> matrix = OCTET_TRY(pack->Section("model.layers.0.mlp.up_proj"));
//
// What the sections hold is the matter of engine/pack. The bytes: docs/formats/octet_pack.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace octet {

// Of the container; what lies in the sections has versions of its own.
inline constexpr uint32_t kOctetPackVersion = 1;
inline constexpr uint64_t kOctetPackAlignment = 4096;

struct OctetPackSection {
  std::string name;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// The table of sections of a pack whose bytes are `file`, checked against them, sorted by name; `where` opens every
// message. Fails with corrupt, or with unsupported for another version, saying how to make the pack again.
Result<std::vector<OctetPackSection>> ReadOctetPackTable(std::span<const std::byte> file, std::string_view where);

class OctetPack {
 public:
  static Result<std::shared_ptr<const OctetPack>> Open(const std::filesystem::path& path);

  // Whether a file begins as a pack does.
  static bool HasMagic(std::span<const std::byte> file);
  // The same of what lies at a path; false where that is no readable file.
  static bool IsPack(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<OctetPackSection>& sections() const { return sections_; }  // sorted by name
  const OctetPackSection* Find(std::string_view name) const;                   // null where there is none

  // The section's bytes, at an address that is a multiple of 4096; valid as long as the pack. Fails with not_found.
  Result<std::span<const std::byte>> Section(std::string_view name) const;
  Result<std::string_view> Text(std::string_view name) const;
  // Empty or null where there is no such section; fails with corrupt for JSON that can't be read.
  Result<std::string> OptionalText(std::string_view name) const;
  Result<Json> OptionalJson(std::string_view name) const;

  // Bytes of a section that won't be read again soon: their pages may leave resident memory.
  void Release(std::span<const std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::vector<OctetPackSection> sections_;
};

class OctetPackWriter {
 public:
  // Nothing is at the path before Commit. Fails as AtomicFile does.
  static Result<OctetPackWriter> Create(const std::filesystem::path& path);

  // Opens the next section, closing the one before. Fails with invalid_argument for a name that is empty, longer than
  // 4096 bytes or taken.
  Status Begin(std::string_view name);
  // Appends to the open section.
  Status Write(std::span<const std::byte> bytes);
  // A section that is at hand whole.
  Status Add(std::string_view name, std::span<const std::byte> bytes);
  Status Add(std::string_view name, std::string_view text);
  // Writes table and header and gives the file its name.
  Status Commit();

 private:
  explicit OctetPackWriter(AtomicFile file) : file_(std::move(file)) {}
  void CloseSection();

  AtomicFile file_;
  std::vector<OctetPackSection> sections_;
};

}  // namespace octet
