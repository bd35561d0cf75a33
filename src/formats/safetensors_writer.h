// Writing safetensors in one pass and bounded memory: shapes first, then the bytes of each tensor, in any order.
//
//   SafetensorsWriter writer = OCTET_TRY(SafetensorsWriter::Create("model.safetensors", {{"w", DType::kBf16, {576}}},
//   {})); OCTET_TRY(writer.Write("w", bytes));   // in as many pieces as wanted OCTET_TRY(writer.Commit());
//
// Nothing is at the path before Commit. Several files behind an index: ShardedSafetensorsWriter. Reading:
// formats/safetensors.h.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace octet {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
};

// Bytes of the tensor's elements. Fails with invalid_argument where they leave 63 bits.
Result<uint64_t> ByteSize(const TensorSpec& tensor);

class SafetensorsWriter {
 public:
  // Writes the header. Metadata {"format": "pt"} is what readers of PyTorch weights expect. Fails with invalid_argument
  // for a name given twice or an impossible shape, and as AtomicFile does.
  static Result<SafetensorsWriter> Create(const std::filesystem::path& path, std::vector<TensorSpec> tensors,
                                          const std::map<std::string, std::string>& metadata);

  // Appends bytes to those that a tensor has so far. Fails with invalid_argument for a tensor that Create wasn't told
  // of and for more bytes than its shape needs, with exhausted for a full disk.
  Status Write(std::string_view name, std::span<const std::byte> bytes);

  // Whether every tensor has all its bytes.
  bool is_complete() const { return missing_ == 0; }

  // Fails with invalid_argument where bytes of a tensor are missing.
  Status Commit();

 private:
  // Where the next bytes of a tensor go, and how many it still needs.
  struct Place {
    uint64_t offset = 0;
    uint64_t remaining = 0;
  };

  SafetensorsWriter(AtomicFile file, std::filesystem::path path) : file_(std::move(file)), path_(std::move(path)) {}

  AtomicFile file_;
  std::filesystem::path path_;
  std::map<std::string, Place, std::less<>> places_;
  uint64_t missing_ = 0;  // bytes of all tensors
};

// model.safetensors, or model-00001-of-0000N.safetensors and model.safetensors.index.json where the tensors need more
// than `maximum_bytes` in one file (a tensor is never cut; one that is larger alone has a file of its own).
class ShardedSafetensorsWriter {
 public:
  static Result<ShardedSafetensorsWriter> Create(const std::filesystem::path& directory,
                                                 std::vector<TensorSpec> tensors,
                                                 const std::map<std::string, std::string>& metadata,
                                                 uint64_t maximum_bytes);

  // As SafetensorsWriter; a shard is begun with its first bytes and takes its name as soon as it is complete, the index
  // comes last.
  Status Write(std::string_view name, std::span<const std::byte> bytes);
  Status Commit();

 private:
  struct Shard {
    std::string file_name;
    std::vector<TensorSpec> tensors;
    std::optional<SafetensorsWriter> writer = {};
    bool is_committed = false;
  };

  ShardedSafetensorsWriter() = default;
  Status Open(Shard& shard);

  std::filesystem::path directory_;
  std::map<std::string, std::string> metadata_;
  std::vector<Shard> shards_;
  std::map<std::string, size_t, std::less<>> shard_of_;
  uint64_t total_bytes_ = 0;
};

}  // namespace octet
