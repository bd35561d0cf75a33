// The integer codes and scales of a linear module in a checkpoint of compressed-tensors, as the kernels take them.
//
//   std::optional<IntegerMatrix> matrix = OCTET_TRY(FindIntegerMatrix(tensors, slot, declared));
//   OCTET_TRY(matrix->ReadCodes(tensors, first_row, count, codes));
//
// The tensors decide, not the configuration; what contradicts itself is refused. Layout:
// docs/formats/compressed_tensors.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "formats/tensor_source.h"
#include "kernels/layout.h"
#include "models/model_spec.h"
#include "numeric/fp16.h"

namespace octet {

// What quantization_config says about integer weights, where the tensors leave it open: sizes of groups, if the last
// group of a row is short, and bits, if a row of either kind is a single word.
struct DeclaredIntegers {
  std::vector<size_t> group_sizes = {};
  std::vector<int> bits = {};
  bool all_asymmetric = false;  // have zero points
  bool all_grouped = false;     // none has one scale for a row
};
DeclaredIntegers ReadDeclaredIntegers(const Json& config);

struct IntegerMatrix {
  std::string codes = {};   // tensor: int32 words of packed codes, or int8 codes
  std::string scales = {};  // tensor: [rows, groups], or fewer for the same scale again
  std::string zeros = {};   // tensor of zero points, empty for none: words that hold [rows, groups], eight rows each
  bool is_packed = false;   // words
  int bits = 8;
  size_t rows = 0, columns = 0;
  size_t groups = 1;  // scales of a row
  size_t group = 0;   // columns that share a scale; the last group may be shorter
  kernels::WeightFormat format = kernels::WeightFormat::kInt8;

  // Codes of rows first .. first + count - 1, [count, columns]. Fails with corrupt, naming the place, for a code beyond
  // the format's.
  Status ReadCodes(const TensorSource& tensors, size_t first, size_t count, std::span<int8_t> to) const;

  // Scales of those rows, [count, groups]. Fails with corrupt where one is no number.
  Result<std::vector<float>> ReadScales(const TensorSource& tensors, size_t first, size_t count) const;

  // Zero points of those rows, [count, groups], -8 to 7: a weight is (code - zero point) * scale. Requires zeros.
  Result<std::vector<int8_t>> ReadZeros(const TensorSource& tensors, size_t first, size_t count) const;
};

// Nothing where the slot's module isn't stored so. Fails with corrupt or unsupported, naming tensor and sizes.
Result<std::optional<IntegerMatrix>> FindIntegerMatrix(const TensorSource& tensors, const WeightSlot& slot,
                                                       const DeclaredIntegers& declared);

// The kernels hold scales of INT4 groups in FP16. What a row's scales are divided by to fit: 1 where FP16 holds all of
// them as they are, else the power of two that moves the largest to the upper end of FP16's range.
float RowFactor(std::span<const float> scales);

// Scales [rows, matrix.groups] divided by their row's factor, repeated for each group of matrix.format.
std::vector<Fp16> KernelScales(const IntegerMatrix& matrix, std::span<const float> scales);

// Zero points [rows, matrix.groups] as the kernels store them, + 8 like the codes, repeated alike.
std::vector<uint8_t> KernelZeros(const IntegerMatrix& matrix, std::span<const int8_t> zeros);

}  // namespace octet
