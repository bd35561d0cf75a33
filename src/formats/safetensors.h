// Reading safetensors: one file, or a directory with one file or several behind an index.
//
//   std::shared_ptr<const TensorSource> weights = OCTET_TRY(OpenSafetensors("models/SmolLM2"));
//   OCTET_TRY(weights->ReadRows("model.norm.weight", 0, 1, norm.data()));
//
// Files are mapped, headers checked whole at open: afterwards no access can leave the file. The format:
// docs/formats/safetensors.md. Writing: formats/safetensors_writer.h.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/tensor_source.h"

namespace octet {

// One file with its header read.
class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    DType dtype = DType::kF32;
    Shape shape;
    uint64_t offset = 0;  // of the first byte, in the file
    uint64_t bytes = 0;
  };

  // Fails with not_found where there is no file; corrupt for a header that is longer than the file, is no JSON, names a
  // tensor twice, or whose tensors overlap, leave holes, end elsewhere than the file or contradict their shapes;
  // unsupported for an element type that isn't known. Cost: the header's size.
  static Result<SafetensorsFile> Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<Entry>& entries() const { return entries_; }  // sorted by name
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  std::span<const std::byte> Bytes(const Entry& entry) const {
    return file_.bytes().subspan(entry.offset, entry.bytes);
  }
  const MappedFile& mapped() const { return file_; }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::vector<Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

// The header of a file whose bytes are `file`, checked against them; `where` opens every message. What Open does
// between mapping and use.
struct SafetensorsHeader {
  std::vector<SafetensorsFile::Entry> entries;
  std::map<std::string, std::string> metadata;
};
Result<SafetensorsHeader> ReadSafetensorsHeader(std::span<const std::byte> file, std::string_view where);

// The tensors of a directory: model.safetensors.index.json with its shards, or model.safetensors; or of one file.
// Fails as SafetensorsFile::Open does; not_found also for a missing shard or a directory without either; corrupt where
// the index names a file outside the directory or a tensor that its file lacks.
Result<std::shared_ptr<const TensorSource>> OpenSafetensors(const std::filesystem::path& path);
// Whether the directory has either file, readable or not.
bool HoldsSafetensors(const std::filesystem::path& directory);

}  // namespace octet
