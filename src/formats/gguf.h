// A GGUF file (versions 2 and 3): its metadata and its tensors as they are stored.
//
//   std::shared_ptr<const GgufFile> file = OCTET_TRY(GgufFile::Open("SmolLM2.gguf"));
//   std::string_view architecture = OCTET_TRY(file->GetString("general.architecture"));
//   std::vector<std::string_view> tokens = OCTET_TRY(file->GetStrings("tokenizer.ggml.tokens"));
//
// The file is mapped and checked whole at open: afterwards no access can leave it. Views live as long as the file. The
// same model in Hugging Face's terms: formats/checkpoint.h. The format: docs/formats/gguf.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "numeric/ggml_blocks.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace octet {

struct GgufArray;

// Integers of any width are int64_t or, from unsigned types, uint64_t; floats of either width are double.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string_view, GgufArray>;

// Elements of one type: exactly one of the vectors is filled, by the type. `numbers` are little-endian elements as
// stored.
struct GgufArray {
  enum class Kind { kUnsigned, kSigned, kFloat, kBool, kString, kArray };
  Kind kind = Kind::kUnsigned;
  size_t element_bytes = 0;  // of a number or bool: 1, 2, 4, 8
  uint64_t size = 0;
  std::span<const std::byte> numbers;
  std::vector<std::string_view> strings;
  std::vector<GgufArray> arrays;
};

struct GgufTensor {
  std::string_view name;
  std::string_view type;           // "F32", "Q4_1"
  std::optional<GgmlBlock> block;  // nothing for plain elements
  DType dtype = DType::kF32;       // of plain elements; kF32 for blocks
  Shape shape;                     // outermost axis first, the opposite of the file's order
  uint64_t offset = 0;             // of the first byte, in the file
  uint64_t bytes = 0;
};

// What stands before the tensors' data.
struct GgufHeader {
  uint32_t version = 0;
  std::map<std::string_view, GgufValue> metadata;
  std::vector<GgufTensor> tensors;  // sorted by name
};

// The header of a file whose bytes are `file`, checked against them; `where` opens every message. Fails with corrupt,
// or with unsupported for another version, byte order or tensor type.
Result<GgufHeader> ReadGgufHeader(std::span<const std::byte> file, std::string_view where);

class GgufFile {
 public:
  static Result<std::shared_ptr<const GgufFile>> Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  uint32_t version() const { return header_.version; }
  const std::map<std::string_view, GgufValue>& metadata() const { return header_.metadata; }
  const std::vector<GgufTensor>& tensors() const { return header_.tensors; }  // sorted by name
  const GgufTensor* FindTensor(std::string_view name) const;
  std::span<const std::byte> Bytes(const GgufTensor& tensor) const {
    return file_.bytes().subspan(tensor.offset, tensor.bytes);
  }
  const MappedFile& mapped() const { return file_; }

  // Null where the key is missing.
  const GgufValue* Find(std::string_view key) const;
  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  // Each fails with corrupt, naming file and key, where the key is missing or of another type. Numbers take integers
  // too; arrays of integers take any width.
  Result<int64_t> GetInteger(std::string_view key) const;
  Result<double> GetNumber(std::string_view key) const;
  Result<bool> GetBool(std::string_view key) const;
  Result<std::string_view> GetString(std::string_view key) const;
  Result<std::vector<std::string_view>> GetStrings(std::string_view key) const;
  Result<std::vector<int64_t>> GetIntegers(std::string_view key) const;
  Result<std::vector<double>> GetNumbers(std::string_view key) const;

 private:
  std::filesystem::path path_;
  MappedFile file_;
  GgufHeader header_;
};

}  // namespace octet
