// The integer codes and scales of a linear module in a checkpoint of compressed-tensors, ModelOpt, AutoAWQ or GPTQ or
// in a GGUF file, as the kernels take them; where none takes them, decoded.
//
//   std::optional<IntegerMatrix> matrix = OCTET_TRY(FindIntegerMatrix(tensors, slot, declared));
//   OCTET_TRY(matrix->ReadCodes(tensors, first_row, count, codes));
//
// The tensors decide, not the configuration; what contradicts itself is refused. Layouts:
// docs/formats/compressed_tensors.md, modelopt.md, awq_gptq.md, gguf.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "formats/code_table.h"
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
  bool all_asymmetric = false;      // have zero points
  bool all_grouped = false;         // none has one scale for a row
  bool all_floats = false;          // codes of 8 bits are E4M3, none is an integer
  bool orders_inputs = false;       // of GPTQ: desc_act, whose groups aren't of neighbouring inputs
  bool stores_whole_zeros = false;  // of GPTQ: checkpoint_format gptq_v2, whose zero points aren't stored less one
};
DeclaredIntegers ReadDeclaredIntegers(const Json& config);

// How a module's codes lie in their tensor.
enum class CodeLayout : uint8_t {
  kBytes,     // [rows, columns] in I8
  kWords,     // rows of int32 words: formats/packed_integers.h
  kRowPairs,  // ModelOpt: bytes [rows / 2, columns] of two signed codes, the even row's in the lower half
  kTable,     // AutoAWQ and GPTQ: formats/code_table.h
  kBlocks,    // of a GGUF file, with their scales: models/block_matrix.h
};

struct IntegerMatrix {
  std::string codes = {};   // tensor: int32 words of packed codes, or int8 codes
  std::string scales = {};  // tensor: [rows, groups], or fewer for the same scale again
  std::string zeros = {};   // tensor of zero points, empty for none: words that hold [rows, groups], eight rows each,
                            // or the table
  CodeLayout layout = CodeLayout::kBytes;
  CodeTable table = {}, zero_table = {};  // where the layout is kTable; scales are [groups, rows] there
  std::optional<GgmlBlock> block = {};    // where the layout is kBlocks
  int zero_step = 0;                      // added to zero points of a table: 1 of GPTQ's first version
  int bits = 8;
  size_t rows = 0, columns = 0;
  size_t groups = 1;                          // scales of a row
  size_t group = 0;                           // columns that share a scale; the last group may be shorter
  std::vector<uint32_t> group_of_input = {};  // where groups aren't of neighbours (GPTQ's act-order), else empty
  std::vector<float> input_factors = {};  // what inputs are multiplied with first, empty for 1 (models/input_factors.h)
  kernels::WeightFormat format = kernels::WeightFormat::kInt8;  // unless decoded
  std::string decoded = {};  // why no kernel takes the codes, so that weights are decoded at load; empty where one does

  // Codes of rows first .. first + count - 1, [count, columns]. Fails with corrupt, naming the place, for a code beyond
  // the format's.
  Status ReadCodes(const TensorSource& tensors, size_t first, size_t count, std::span<int8_t> to) const;

  // Scales of those rows, [count, groups]. Fails with corrupt where one is no number.
  Result<std::vector<float>> ReadScales(const TensorSource& tensors, size_t first, size_t count) const;

  // Zero points of those rows, [count, groups], of 4 bits -8 to 7: a weight is (code - zero point) * scale. Where
  // decoded, they may be one more. Requires zeros.
  Result<std::vector<int16_t>> ReadZeros(const TensorSource& tensors, size_t first, size_t count) const;

  // Weights of those rows, [count, columns], factors of inputs included: each the exact difference times the scale, and
  // times the factor, rounded to float.
  Status ReadRows(const TensorSource& tensors, size_t first, size_t count, float* to) const;
};

// Nothing where the slot's module isn't stored so. Fails with corrupt or unsupported, naming tensor and sizes.
Result<std::optional<IntegerMatrix>> FindIntegerMatrix(const TensorSource& tensors, const WeightSlot& slot,
                                                       const DeclaredIntegers& declared);

// Whether bytes of four-bit codes are ModelOpt's INT4, two rows of which share a byte, rather than NVFP4.
bool HoldsRowPairs(const TensorInfo& info, const WeightSlot& slot);

// The kernels hold scales of INT4 groups in FP16. What a row's scales are divided by to fit: 1 where FP16 holds all of
// them as they are, else the power of two that moves the largest to the upper end of FP16's range.
float RowFactor(std::span<const float> scales);

// Scales [rows, matrix.groups] divided by their row's factor, repeated for each group of matrix.format.
std::vector<Fp16> KernelScales(const IntegerMatrix& matrix, std::span<const float> scales);

// Zero points [rows, matrix.groups] as the kernels store them, + 8 like the codes, repeated alike.
std::vector<uint8_t> KernelZeros(const IntegerMatrix& matrix, std::span<const int16_t> zeros);

namespace internal {
// The kernel's format for codes of 4 bits in groups of neighbours, and of 8 with one scale a row; nothing for others.
std::optional<kernels::WeightFormat> IntegerFormat(const IntegerMatrix& matrix);
}  // namespace internal

}  // namespace octet
