// A whole file mapped read-only into memory.
//
//   MappedFile file = OCTET_TRY(MappedFile::Open("model.safetensors"));
//   std::span<const std::byte> bytes = file.bytes();
//
// Moving keeps the address. A file that another process truncates while it is mapped raises SIGBUS at the access, as
// with every mapping, which a program may have reported (base/cut_files.h); Octet's own writers replace files and never
// shorten them (base/atomic_file.h).
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/error.h"

namespace octet {

class MappedFile {
 public:
  // Fails with not_found where there is no such file, invalid_argument for a directory. An empty file maps to no bytes.
  static Result<MappedFile> Open(const std::filesystem::path& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  size_t size() const { return size_; }

  // Tells the system that the range won't be read again soon, so that its pages leave this process' resident memory;
  // reading it again is allowed. Neighbours within 64 KB go with it, since a read maps that much around it.
  void Release(size_t offset, size_t size) const;
  // Tells the system that the range will be read soon: it may begin to fetch what isn't in memory.
  void Expect(size_t offset, size_t size) const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole file as a string, for small text files; of a pipe what comes until its end. Refuses more than `limit`
// bytes.
Result<std::string> ReadTextFile(const std::filesystem::path& path, size_t limit = size_t{1} << 30);

}  // namespace octet
