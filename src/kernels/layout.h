// How matrices lie in memory for the kernels: one layout for every CPU tier, one token and thousands.
//
// Weights [columns = out features, depth = in features] are cut into panels of 32 columns; panel p holds columns
// 32p .. 32p+31 over the whole depth as one forward stream of records, of 128 bytes but for those with scales:
//   F32   record = 1 k:  column c's value at 4c
//   BF16  record = 2 k:  column c's pair (k, k+1) at 4c
//   E4M3  record = 4 k:  two tiles of 16 columns, 64 B each; a tile is four lanes of 16 B; lane i holds columns 4i ..
//   4i+3 as
//                        c0:k,k+1 c1:k,k+1 c2:.. c3:.. | c0:k+2,k+3 c1:.. c2:.. c3:..
//                        so that unpacking low and high bytes yields BF16 pairs with the columns in order
//   E4M3 in blocks
//         record = 128 k that share a scale: 32 steps of 4 k, each as a record of E4M3, then the columns' 32 scales in
//                        FP32. The last one ends with the depth: its scales stand behind its own codes
//   NVFP4 record = two blocks of 16 k, 32 k: 4 steps of 8 k, 128 B each, then the columns' 32 E4M3 scales, 0 to 448, of
//                        the first block and those of the second. The four halves of the 16-bit word at 4c+2b of a step
//                        are the E2M1 codes of k+b, k+2+b, k+4+b and k+6+b, lowest bits first, so that one permute
//                        yields BF16 pairs
//   INT8  record = 4 k:  column c's codes k .. k+3 at 4c, each stored as code + 128; scales of the columns lie apart
//   INT4  record = a group of 32, 64 or 128 k that share a scale: steps of 8 k, 128 B each, then the columns' 32 scales
//                        in FP16. Byte 4c+j of a step holds code + 8 of k+j in its low half and of k+4+j in its high
//                        one. With zero points the codes are 0 .. 15 as stored, and the columns' 32 zero points, a byte
//                        each of 0 .. 128, follow the scales: the weight is (code - zero) * scale
// Columns and depth are padded with weights of zero to whole panels and records, E4M3 in blocks to steps of 4 k (with
// zero points: columns with scales of zero, and codes of zero in depth, which meet activations of zero).
//
// Activations [rows, depth] are what the tier's own packing makes for its products, in so many bytes. But for amx
// (generic/gemm_tiles.inl and gemm_int8_tiles.inl), they are cut into blocks of up to 8 rows. A block of r rows is
// [depth / n][r][4 bytes]: n = 1 float, or n = 2 BF16 values (k, k+1), or n = 4 int8 codes, of row 0, then row 1 ...
// One pointer and constant offsets reach every row. Int8 codes lie in the groups of the weights they are for (INT8: one
// group, the whole depth; NVFP4: a group a block, its codes in the order of Int8Place), and before each group stands
// [r] of what the sum of its products starts at, so that weights can be taken as unsigned bytes: int32 of -StoredZero
// times the sum of the row's codes in the group. NVFP4 activations are int8 codes too, of twice their E2M1 values;
// behind the start values of a block stand its [r] scales in FP32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octet::kernels {

// The functions below are static: the file of a CPU tier must not leave copies of them, built with wide instructions,
// to others.
inline constexpr size_t kPanelColumns = 32;
inline constexpr size_t kRecordBytes = 128;  // also of a step of E4M3 in blocks, NVFP4 and INT4
inline constexpr size_t kRowBlock = 8;

enum class WeightFormat : uint8_t {
  kF32,
  kBf16,
  kE4M3,
  kE4M3Block,
  kNvfp4,
  kInt8,
  kInt4Group32,
  kInt4Group64,
  kInt4Group128,
  kInt4Zeros32,  // with zero points
  kInt4Zeros64,
  kInt4Zeros128,
};
inline constexpr size_t kWeightFormats = 12;

// Formats whose codes are integers, the last ones; with NVFP4, whose codes are halves of integers, those that int8
// codes are multiplied with as integers.
static constexpr bool IsInteger(WeightFormat format) { return format >= WeightFormat::kInt8; }
inline constexpr size_t kInt8Formats = 8;
static constexpr bool TakesInt8(WeightFormat format) { return format >= WeightFormat::kNvfp4; }
static constexpr size_t Int8Index(WeightFormat format) {
  return static_cast<size_t>(format) - static_cast<size_t>(WeightFormat::kNvfp4);
}
// The depth that products of int8 codes with INT8 weights take: 128 * 127 times it stays within 31 bits.
inline constexpr size_t kMaxIntegerDepth = size_t{1} << 17;

// What the products read: F32 goes with F32 weights, BF16 with all others, int8 with TakesInt8's, NVFP4 with NVFP4.
enum class ActivationFormat : uint8_t { kF32, kBf16, kInt8, kNvfp4 };

// What every product of the weights can read.
static constexpr ActivationFormat ActivationsOf(WeightFormat format) {
  return format == WeightFormat::kF32 ? ActivationFormat::kF32 : ActivationFormat::kBf16;
}

static constexpr bool HasZeros(WeightFormat format) { return format >= WeightFormat::kInt4Zeros32; }
// Whether products mean nothing without a scale for each column; others may have some.
static constexpr bool HasColumnScales(WeightFormat format) {
  return format == WeightFormat::kE4M3 || format == WeightFormat::kNvfp4 || format == WeightFormat::kInt8;
}
// What an unsigned byte of the products with int8 codes has too much: INT4 with zero points becomes code - zero + 128,
// an NVFP4 code twice its value + 12.
static constexpr int StoredZero(WeightFormat format) {
  if (format == WeightFormat::kNvfp4) return 12;
  return format == WeightFormat::kInt8 || HasZeros(format) ? 128 : 8;
}

inline constexpr size_t kFp8Block = 128;  // depth positions that share an FP32 scale
inline constexpr size_t kFp8Step = 4;
inline constexpr size_t kFp8ScaleBytes = kPanelColumns * sizeof(float);

inline constexpr size_t kNvfp4Block = 16;   // depth positions that share an E4M3 scale
inline constexpr size_t kNvfp4Record = 32;  // of two blocks, so that records lie on cache lines
// In chains of products with BF16 activations E2M1 values stand times this, and scales divided by it, as E4M3's bits
// give them at FP16's places. A power of two: only where a chain overflows or has denormals does it show.
inline constexpr float kNvfp4Unit = 256;

// Depth positions that share an FP16 scale within the stream; 0 for formats that have none there.
static constexpr size_t Int4Group(WeightFormat format) {
  if (format < WeightFormat::kInt4Group32) return 0;
  return size_t{32} << (Int8Index(format) - 2) % 3;
}
// Bytes of a record's codes; scales follow, then INT4's zero points.
static constexpr size_t CodeBytes(WeightFormat format) {
  if (format == WeightFormat::kNvfp4) return kNvfp4Record / 8 * kRecordBytes;
  if (format == WeightFormat::kE4M3Block) return kFp8Block / kFp8Step * kRecordBytes;
  return Int4Group(format) == 0 ? kRecordBytes : Int4Group(format) / 8 * kRecordBytes;
}

// Depth positions in a record, and its bytes; of E4M3 in blocks those of all but the last.
static constexpr size_t RecordDepth(WeightFormat format) {
  if (Int4Group(format) != 0) return Int4Group(format);
  if (format == WeightFormat::kNvfp4) return kNvfp4Record;
  if (format == WeightFormat::kE4M3Block) return kFp8Block;
  return format == WeightFormat::kF32 ? 1 : format == WeightFormat::kBf16 ? 2 : 4;
}
static constexpr size_t RecordBytes(WeightFormat format) {
  if (format == WeightFormat::kE4M3Block) return CodeBytes(format) + kFp8ScaleBytes;
  if (format == WeightFormat::kNvfp4) return CodeBytes(format) + kNvfp4Record / kNvfp4Block * kPanelColumns;
  return CodeBytes(format) + (Int4Group(format) == 0 ? 0 : HasZeros(format) ? 3 * kPanelColumns : 2 * kPanelColumns);
}
static constexpr size_t PaddedDepth(WeightFormat format, size_t depth) {
  const size_t unit = format == WeightFormat::kE4M3Block ? kFp8Step : RecordDepth(format);
  return (depth + unit - 1) / unit * unit;
}
// Blocks of E4M3 in blocks, of a depth padded or not.
static constexpr size_t Fp8Blocks(size_t depth) { return (depth + kFp8Block - 1) / kFp8Block; }
static constexpr size_t Panels(size_t columns) { return (columns + kPanelColumns - 1) / kPanelColumns; }
static constexpr size_t PanelBytes(WeightFormat format, size_t depth) {
  if (format == WeightFormat::kE4M3Block)
    return PaddedDepth(format, depth) * kPanelColumns + Fp8Blocks(depth) * kFp8ScaleBytes;
  return PaddedDepth(format, depth) / RecordDepth(format) * RecordBytes(format);
}
static constexpr size_t PackedBytes(WeightFormat format, size_t columns, size_t depth) {
  return Panels(columns) * PanelBytes(format, depth);
}

// Whether element k of a format of four bits is the upper half of its byte.
static constexpr bool IsUpperHalf(WeightFormat format, size_t k) {
  return format == WeightFormat::kNvfp4 ? k / 2 % 2 != 0 : k % 8 >= 4;
}

// Byte offset of element (column, k) in a packed matrix; of four bits that of the byte that it is a half of.
static constexpr size_t PackedOffset(WeightFormat format, size_t depth, size_t column, size_t k) {
  const size_t panel = column / kPanelColumns * PanelBytes(format, depth);
  const size_t record = k / RecordDepth(format) * RecordBytes(format);
  const size_t c = column % kPanelColumns;
  switch (format) {
    case WeightFormat::kF32:
      return panel + record + 4 * c;
    case WeightFormat::kBf16:
      return panel + record + 4 * c + 2 * (k % 2);
    case WeightFormat::kE4M3:
    case WeightFormat::kE4M3Block: {
      const size_t step = k % RecordDepth(format) / kFp8Step * kRecordBytes;
      const size_t tile = c / 16 * 64, lane = c % 16 / 4 * 16, pair = k % 4 / 2 * 8;
      return panel + record + step + tile + lane + pair + c % 4 * 2 + k % 2;
    }
    case WeightFormat::kNvfp4:
      return panel + record + k % kNvfp4Record / 8 * kRecordBytes + 4 * c + k % 2 * 2 + k % 8 / 4;
    case WeightFormat::kInt8:
      return panel + record + 4 * c + k % 4;
    default:  // INT4
      return panel + record + k % Int4Group(format) / 8 * kRecordBytes + 4 * c + k % 4;
  }
}

// Byte offsets of the FP16 scale and the zero point of (column, k) in packed INT4 weights.
static constexpr size_t PackedScaleOffset(WeightFormat format, size_t depth, size_t column, size_t k) {
  return column / kPanelColumns * PanelBytes(format, depth) + k / RecordDepth(format) * RecordBytes(format) +
         CodeBytes(format) + 2 * (column % kPanelColumns);
}
static constexpr size_t PackedZeroOffset(WeightFormat format, size_t depth, size_t column, size_t k) {
  const size_t c = column % kPanelColumns;
  return PackedScaleOffset(format, depth, column, k) - 2 * c + 2 * kPanelColumns + c;
}

// Byte offset of the FP32 scale of (column, k) in packed weights of E4M3 in blocks.
static constexpr size_t PackedFp8ScaleOffset(size_t depth, size_t column, size_t k) {
  constexpr WeightFormat kFormat = WeightFormat::kE4M3Block;
  const size_t block = k / kFp8Block, left = PaddedDepth(kFormat, depth) - block * kFp8Block;
  return column / kPanelColumns * PanelBytes(kFormat, depth) + block * RecordBytes(kFormat) +
         (left < kFp8Block ? left : kFp8Block) * kPanelColumns + column % kPanelColumns * sizeof(float);
}

// Byte offset of the E4M3 scale of (column, k) in packed NVFP4 weights.
static constexpr size_t PackedBlockScaleOffset(size_t depth, size_t column, size_t k) {
  constexpr WeightFormat kFormat = WeightFormat::kNvfp4;
  return column / kPanelColumns * PanelBytes(kFormat, depth) + k / kNvfp4Record * RecordBytes(kFormat) +
         CodeBytes(kFormat) + k % kNvfp4Record / kNvfp4Block * kPanelColumns + column % kPanelColumns;
}

// Groups whose products with int8 codes are summed as integers.
static constexpr size_t IntegerGroups(WeightFormat format, size_t padded_depth) {
  if (format == WeightFormat::kNvfp4) return padded_depth / kNvfp4Block;
  return Int4Group(format) == 0 ? 1 : padded_depth / Int4Group(format);
}

// Where the int8 code of element k stands in the order of a row's codes: of eight for NVFP4 weights come those that
// meet the lower halves of the weights' bytes, then those that meet the upper ones.
static constexpr size_t Int8Place(WeightFormat weights, size_t k) {
  return weights == WeightFormat::kNvfp4 ? k / 8 * 8 + k / 2 % 2 * 4 + k % 2 * 2 + k % 8 / 4 : k;
}

// Room for packed rows but of int8 codes; depth is padded as the weights'. Some tiers make BF16 of NVFP4 ones.
static constexpr size_t ActivationBytes(ActivationFormat format, size_t rows, size_t padded_depth) {
  return rows * padded_depth * (format == ActivationFormat::kF32 ? 4 : 2);
}
// Of codes, so many words of a row stand before each group: the start value and, of NVFP4, the block's scale.
static constexpr size_t GroupWords(ActivationFormat format) { return format == ActivationFormat::kNvfp4 ? 2 : 1; }
static constexpr size_t CodedActivationBytes(ActivationFormat format, WeightFormat weights, size_t rows,
                                             size_t padded_depth) {
  return rows * (padded_depth + 4 * GroupWords(format) * IntegerGroups(weights, padded_depth));
}
static constexpr size_t Int8ActivationBytes(WeightFormat weights, size_t rows, size_t padded_depth) {
  return CodedActivationBytes(ActivationFormat::kInt8, weights, rows, padded_depth);
}

// Rows are split evenly over ceil(rows / 8) blocks: block b begins at row rows * b / blocks.
static constexpr size_t RowBlocks(size_t rows) { return (rows + kRowBlock - 1) / kRowBlock; }
static constexpr size_t RowBlockBegin(size_t rows, size_t block) {
  return rows == 0 ? 0 : rows * block / RowBlocks(rows);
}

// The key/value cache: a page holds 32 positions. For one key head, its keys are a packed matrix with columns = the 32
// positions and depth = key_dim; its values are one with columns = value_dim and depth = the 32 positions.
// Codes of one byte lie as E4M3 weights do: E4M3, or INT8 as a sign in bit 7 and a magnitude of 0 .. 127, so that one
// lookup decodes either. Behind the codes of the keys, and behind those of the values, stand 32 FP32 scales, one for
// each position: an element is its code's value times its position's scale.
// Pages are zeroed before each use, so that padding and slots not written yet are zeros. Attention takes
// the positions in blocks of four pages, its sums in pieces of sixteen, and heads of up to 512 values.
inline constexpr size_t kPagePositions = 32;
inline constexpr size_t kAttendBlock = 128;
inline constexpr size_t kAttendPiece = 512;
inline constexpr size_t kMaxHeadDim = 512;

enum class CacheFormat : uint8_t { kF32, kBf16, kE4M3, kInt8 };
inline constexpr size_t kCacheFormats = 4;

static constexpr bool HasCacheScales(CacheFormat format) { return format >= CacheFormat::kE4M3; }
// How the matrices of a page are packed.
static constexpr WeightFormat CachePacking(CacheFormat format) {
  return format == CacheFormat::kF32    ? WeightFormat::kF32
         : format == CacheFormat::kBf16 ? WeightFormat::kBf16
                                        : WeightFormat::kE4M3;
}
// The greatest value of a code.
static constexpr float CacheCodeLimit(CacheFormat format) { return format == CacheFormat::kE4M3 ? 448.0f : 127.0f; }

// Bytes from a head's keys to their scales, and of both; the same of its values.
static constexpr size_t KeyScalesOffset(CacheFormat format, size_t key_dim) {
  return PackedBytes(CachePacking(format), kPagePositions, key_dim);
}
static constexpr size_t ValueScalesOffset(CacheFormat format, size_t value_dim) {
  return PackedBytes(CachePacking(format), value_dim, kPagePositions);
}
static constexpr size_t CacheScaleBytes(CacheFormat format) {
  return HasCacheScales(format) ? kPagePositions * sizeof(float) : 0;
}
static constexpr size_t KeyBytes(CacheFormat format, size_t key_dim) {
  return KeyScalesOffset(format, key_dim) + CacheScaleBytes(format);
}
static constexpr size_t ValueBytes(CacheFormat format, size_t value_dim) {
  return ValueScalesOffset(format, value_dim) + CacheScaleBytes(format);
}

// What a piece of attention leaves of one row: value_dim sums, the greatest score, the total of the probabilities.
static constexpr size_t PartialFloats(size_t value_dim) { return value_dim + 2; }

}  // namespace octet::kernels
