// Writing a file so that readers see all of it or none: bytes go to a hidden neighbour, which takes the name at Commit.
//
//   AtomicFile file = OCTET_TRY(AtomicFile::Create("model.safetensors"));
//   OCTET_TRY(file.Write(header));
//   OCTET_TRY(file.Commit());
//
// A full disk fails the Write or the Commit; the neighbour is removed whenever Commit was not reached, that of a
// killed process by the next Create for the same name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/error.h"

namespace octet {

class AtomicFile {
 public:
  // A symbolic link is followed to the file that takes the new content. Fails with invalid_argument where the path is a
  // directory, a device, a pipe or a link that leads nowhere, and with not_found where its directory is missing.
  static Result<AtomicFile> Create(const std::filesystem::path& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  // The disk begins to write while the caller makes what comes next, so that Commit has little left to wait for.
  Status Write(std::span<const std::byte> bytes);
  Status Write(std::string_view text);
  // Appends zeros up to the next multiple of `alignment`.
  Status Align(uint64_t alignment);
  // Overwrites bytes already written, for a header whose content is known last.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes);
  // Flushes to the disk and gives the file its name, replacing what had it.
  Status Commit();

  uint64_t size() const { return size_; }

 private:
  AtomicFile() = default;
  void HandOver();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  uint64_t handed_over_ = 0;  // bytes that the system has begun to write to the disk
};

// A whole small file at once.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content);

}  // namespace octet
