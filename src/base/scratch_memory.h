// Floats that may be more than memory should hold: in memory up to a limit, beyond it in a file that has no name and
// goes with the object.
//
//   ScratchMemory hidden = OCTET_TRY(ScratchMemory::Create(tokens * width, uint64_t{1} << 30, directory));
//   float* first = hidden.data();
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "base/error.h"

namespace octet {

class ScratchMemory {
 public:
  // Zeros. A file for more than `most_in_memory` bytes is made in `directory`. Fails with exhausted where neither
  // memory nor the disk has room for it, saying how much was asked for; with invalid_argument where no file can be made
  // there.
  static Result<ScratchMemory> Create(uint64_t floats, uint64_t most_in_memory, const std::filesystem::path& directory);

  ScratchMemory(ScratchMemory&& other) noexcept;
  ScratchMemory& operator=(ScratchMemory&& other) noexcept;
  ~ScratchMemory();

  float* data() { return data_; }
  bool in_file() const { return in_file_; }

 private:
  ScratchMemory() = default;

  float* data_ = nullptr;
  size_t bytes_ = 0;
  bool in_file_ = false;
};

}  // namespace octet
