// Tensors of a checkpoint by their Hugging Face names, whatever the file is.
//
//   const TensorInfo* info = source.Find("model.norm.weight");
//   std::vector<float> row(RowSize(info->shape));
//   OCTET_TRY(source.ReadRows(info->name, /*first=*/0, /*count=*/1, row.data()));
//
// Made by formats/checkpoint.h from a directory or a GGUF. Sources are immutable and may be read from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "numeric/ggml_blocks.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace octet {

struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;  // of a block-quantised tensor: kF32, the type in which ReadRows is exact
  Shape shape;
  std::string stored_type;              // as the file calls it: "BF16", "Q4_1"
  uint64_t stored_bytes = 0;            // in the file
  std::optional<GgmlBlock> block = {};  // of a matrix in blocks, whose rows ReadBlocks gives
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // All tensors, sorted by name; names are unique and every shape has an element count within 63 bits.
  virtual const std::vector<TensorInfo>& tensors() const = 0;

  // The tensor of that name, null where there is none; valid as long as the source.
  const TensorInfo* Find(std::string_view name) const;

  // Decodes rows first .. first + count - 1 to float: count * RowSize(shape) values in row-major order. A row is all
  // that lies under one index of the first axis; a vector or scalar is one row (tensor/shape.h). Fails with not_found
  // for an unknown name, invalid_argument for rows outside.
  virtual Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const = 0;

  // The tensor's bytes where the file holds them as they are: row-major, in the tensor's dtype; any alignment. Fails
  // with unsupported where the file holds them otherwise (blocks, permuted rows, values to be changed). Valid as long
  // as the source.
  virtual Result<std::span<const std::byte>> Bytes(std::string_view name) const = 0;

  // The blocks of rows first .. first + count - 1 of a matrix in blocks, as the file has them, one row behind the
  // other. Fails as ReadRows does; with unsupported for another tensor.
  virtual Status ReadBlocks(std::string_view name, uint64_t first, uint64_t count, std::byte* out) const {
    static_cast<void>(first), static_cast<void>(count), static_cast<void>(out);
    return Fail(ErrorCode::kUnsupported, "tensor `", name, "` isn't stored in blocks");
  }

  // Rows that won't be read again soon: pages that are mapped for them may leave resident memory. Reading them again is
  // allowed. Rows beyond the last one are no error, here and below.
  virtual void ReleaseRows(std::string_view name, uint64_t first, uint64_t count) const {
    static_cast<void>(name), static_cast<void>(first), static_cast<void>(count);
  }
  void Release(std::string_view name) const { ReleaseRows(name, 0, ~uint64_t{0}); }

  // Rows that will be read soon: the system may begin to fetch them.
  virtual void ExpectRows(std::string_view name, uint64_t first, uint64_t count) const {
    static_cast<void>(name), static_cast<void>(first), static_cast<void>(count);
  }

 protected:
  // What ReadRows and Bytes check first.
  Result<const TensorInfo*> Require(std::string_view name) const;
  Result<const TensorInfo*> RequireRows(std::string_view name, uint64_t first, uint64_t count) const;
};

}  // namespace octet
