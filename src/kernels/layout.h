// How matrices lie in memory for the kernels: one layout for every CPU tier, one token and thousands.
//
// Weights [columns = out features, depth = in features] are cut into panels of 32 columns; panel p holds columns
// 32p .. 32p+31 over the whole depth as one forward stream of 128-byte records:
//   F32   record = 1 k:  column c's value at 4c
//   BF16  record = 2 k:  column c's pair (k, k+1) at 4c
//   E4M3  record = 4 k:  two tiles of 16 columns, 64 B each; a tile is four lanes of 16 B; lane i holds columns 4i ..
//   4i+3 as
//                        c0:k,k+1 c1:k,k+1 c2:.. c3:.. | c0:k+2,k+3 c1:.. c2:.. c3:..
//                        so that unpacking low and high bytes yields BF16 pairs with the columns in order
// Columns and depth are padded with zeros to whole panels and records.
//
// Activations [rows, depth] are what the tier's own packing makes for its products, in so many bytes. But for amx
// (generic/gemm_tiles.inl), they are cut into blocks of up to 8 rows. A block of r rows is [depth / n][r][4 bytes]: n =
// 1 float, or n = 2 BF16 values (k, k+1), of row 0, then row 1 ... One pointer and constant offsets reach every row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octet::kernels {

// The functions below are static: the file of a CPU tier must not leave copies of them, built with wide instructions,
// to others.
inline constexpr size_t kPanelColumns = 32;
inline constexpr size_t kRecordBytes = 128;
inline constexpr size_t kRowBlock = 8;

enum class WeightFormat : uint8_t { kF32, kBf16, kE4M3 };
inline constexpr size_t kWeightFormats = 3;

// What the products read: F32 goes with F32 weights, BF16 with BF16 and E4M3 weights.
enum class ActivationFormat : uint8_t { kF32, kBf16 };

static constexpr ActivationFormat ActivationsOf(WeightFormat format) {
  return format == WeightFormat::kF32 ? ActivationFormat::kF32 : ActivationFormat::kBf16;
}

// Depth positions in a record.
static constexpr size_t RecordDepth(WeightFormat format) {
  return format == WeightFormat::kF32 ? 1 : format == WeightFormat::kBf16 ? 2 : 4;
}
static constexpr size_t PaddedDepth(WeightFormat format, size_t depth) {
  return (depth + RecordDepth(format) - 1) / RecordDepth(format) * RecordDepth(format);
}
static constexpr size_t Panels(size_t columns) { return (columns + kPanelColumns - 1) / kPanelColumns; }
static constexpr size_t PanelBytes(WeightFormat format, size_t depth) {
  return PaddedDepth(format, depth) / RecordDepth(format) * kRecordBytes;
}
static constexpr size_t PackedBytes(WeightFormat format, size_t columns, size_t depth) {
  return Panels(columns) * PanelBytes(format, depth);
}

// Byte offset of element (column, k) in a packed matrix.
static constexpr size_t PackedOffset(WeightFormat format, size_t depth, size_t column, size_t k) {
  const size_t panel = column / kPanelColumns * PanelBytes(format, depth);
  const size_t record = k / RecordDepth(format) * kRecordBytes;
  const size_t c = column % kPanelColumns;
  switch (format) {
    case WeightFormat::kF32:
      return panel + record + 4 * c;
    case WeightFormat::kBf16:
      return panel + record + 4 * c + 2 * (k % 2);
    case WeightFormat::kE4M3: {
      const size_t tile = c / 16 * 64, lane = c % 16 / 4 * 16, pair = k % 4 / 2 * 8;
      return panel + record + tile + lane + pair + c % 4 * 2 + k % 2;
    }
  }
  return 0;
}

// Packed activations of `rows` rows; depth is padded as the weights' (to a record of the weight format).
static constexpr size_t ActivationBytes(ActivationFormat format, size_t rows, size_t padded_depth) {
  return rows * padded_depth * (format == ActivationFormat::kF32 ? 4 : 2);
}

// Rows are split evenly over ceil(rows / 8) blocks: block b begins at row rows * b / blocks.
static constexpr size_t RowBlocks(size_t rows) { return (rows + kRowBlock - 1) / kRowBlock; }
static constexpr size_t RowBlockBegin(size_t rows, size_t block) {
  return rows == 0 ? 0 : rows * block / RowBlocks(rows);
}

// The key/value cache: a page holds 32 positions. For one key head, its keys are a packed matrix with columns = the 32
// positions and depth = key_dim; its values are one with columns = value_dim and depth = the 32 positions. F32 or BF16.
// Pages are zeroed once, before their first use, so that padding and slots not written yet are zeros. Attention takes
// the positions in blocks of four pages and heads of up to 512 values.
inline constexpr size_t kPagePositions = 32;
inline constexpr size_t kAttendBlock = 128;
inline constexpr size_t kMaxHeadDim = 512;

}  // namespace octet::kernels
