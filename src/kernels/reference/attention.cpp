#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/reference/elements.h"
#include "kernels/reference/reference.h"
#include "numeric/int8.h"

namespace octet::kernels::reference {
namespace {

// The number as the products see it.
template <CacheFormat format>
float Rounded(float x) {
  if constexpr (format == CacheFormat::kF32) return x;
  return ToFloat(ToBf16(x));
}

// Element (column, k) of a page's matrix; of codes their value without the scale.
template <CacheFormat format>
float ElementAt(const std::byte* matrix, size_t depth, size_t column, size_t k) {
  if constexpr (format != CacheFormat::kInt8) return WeightAt<CachePacking(format)>(matrix, depth, column, k);
  const auto code = LoadAs<uint8_t>(matrix, PackedOffset(CachePacking(format), depth, column, k));
  const auto magnitude = static_cast<float>(code & 0x7F);
  return code & 0x80 ? -magnitude : magnitude;
}

// sum + the products of `count` elements, in the order of the GEMM; a(k) and w(k) give the operands, 0 beyond the end.
template <CacheFormat format, class A, class W>
float Dot(size_t count, A&& a, W&& w, float sum) {
  if constexpr (format == CacheFormat::kF32) {
    for (size_t k = 0; k < count; ++k) sum = std::fma(a(k), w(k), sum);
  } else {
    for (size_t k = 0; k < count; k += 2)
      sum = DotPair(a(k), k + 1 < count ? a(k + 1) : 0, w(k), k + 1 < count ? w(k + 1) : 0, sum);
  }
  return sum;
}

// The softmax over some positions: sums of the values, each times e^(its score - greatest), and of those factors.
struct Sums {
  float greatest = std::numeric_limits<float>::lowest();
  float total = 0;
  float values[kMaxHeadDim] = {};

  // Joins what later positions came to.
  void Join(const float* later, float later_greatest, float later_total, size_t value_dim) {
    const float both = std::max(greatest, later_greatest);
    const float before = std::exp(greatest - both), behind = std::exp(later_greatest - both);
    greatest = both;
    total = total * before + later_total * behind;
    for (size_t c = 0; c < value_dim; ++c) values[c] = values[c] * before + later[c] * behind;
  }

  // Denormals count as zero and zeros are positive, so that positions which a row doesn't see change no bit.
  void Finish(size_t value_dim, float* out) const {
    for (size_t c = 0; c < value_dim; ++c) {
      const bool denormal = std::fabs(values[c]) < std::numeric_limits<float>::min();
      out[c] = (denormal ? 0.0f : values[c]) / total + 0.0f;
    }
  }
};

// One query row: token and head, walking the cache in blocks.
template <CacheFormat format>
class Row {
 public:
  Row(const AttendArgs& args, size_t row)
      : args_(args),
        query_(args.query + row / args.group * args.query_token_stride + row % args.group * args.key_dim),
        bias_(args.bias == nullptr ? nullptr : args.bias + static_cast<ptrdiff_t>(row) * args.bias_stride),
        last_(args.first_position + row / args.group),
        first_(args.window == 0 || last_ + 1 < args.window ? 0 : last_ + 1 - args.window) {}

  size_t first_piece() const { return first_ / kAttendPiece; }
  size_t last_piece() const { return last_ / kAttendPiece; }

  // The softmax over what the row sees of a piece.
  Sums Piece(size_t piece) const {
    Sums sums;
    const size_t from = std::max(piece * kAttendPiece, first_), to = std::min((piece + 1) * kAttendPiece, last_ + 1);
    for (size_t begin = from / kAttendBlock * kAttendBlock; begin < to; begin += kAttendBlock)
      AddBlock(begin, std::max(begin, from), std::min(begin + kAttendBlock, to), sums);
    return sums;
  }

 private:
  float ScaleAt(size_t position, size_t offset) const {
    if constexpr (!HasCacheScales(format)) return 1;
    return LoadAs<float>(args_.pages[position / kPagePositions], offset + 4 * (position % kPagePositions));
  }

  float Score(size_t position) const {
    const std::byte* keys = args_.pages[position / kPagePositions] + args_.key_offset;
    const float product = Dot<format>(
        args_.key_dim, [&](size_t k) { return Rounded<format>(query_[k]); },
        [&](size_t k) { return ElementAt<format>(keys, args_.key_dim, position % kPagePositions, k); }, 0.0f);
    const float score =
        product * ScaleAt(position, args_.key_offset + KeyScalesOffset(format, args_.key_dim)) * args_.scale;
    const float capped = args_.softcap > 0 ? args_.softcap * std::tanh(score / args_.softcap) : score;
    return bias_ == nullptr ? capped : capped + bias_[position];
  }

  // The positions from .. to - 1 of the block that begins at `begin`.
  void AddBlock(size_t begin, size_t from, size_t to, Sums& sums) const {
    float probabilities[kAttendBlock] = {};
    float greatest = sums.greatest;
    for (size_t p = from; p < to; ++p) greatest = std::max(greatest, probabilities[p - begin] = Score(p));
    const float before = std::exp(sums.greatest - greatest);
    sums.greatest = greatest;

    const size_t scales = args_.value_offset + ValueScalesOffset(format, args_.value_dim);
    float block_total = 0;
    for (size_t p = from; p < to; ++p) {
      const float probability = std::exp(probabilities[p - begin] - greatest);
      const float operand = Rounded<format>(probability * ScaleAt(p, scales));
      block_total += HasCacheScales(format) ? probability : operand;
      probabilities[p - begin] = operand;
    }
    sums.total = sums.total * before + block_total;
    for (size_t c = 0; c < args_.value_dim; ++c)
      sums.values[c] = AddValues(c, from, to, probabilities, sums.values[c] * before);
  }

  // sum + the values of column c of the positions from .. to - 1; whole pages are read, masked ones times 0.
  float AddValues(size_t c, size_t from, size_t to, const float* probabilities, float sum) const {
    for (size_t page = from / kPagePositions; page <= (to - 1) / kPagePositions; ++page) {
      const std::byte* values = args_.pages[page] + args_.value_offset;
      const float* of_page = probabilities + page % (kAttendBlock / kPagePositions) * kPagePositions;
      sum = Dot<format>(
          kPagePositions, [&](size_t k) { return of_page[k]; },
          [&](size_t k) { return ElementAt<format>(values, kPagePositions, c, k); }, sum);
    }
    return sum;
  }

  const AttendArgs& args_;
  const float* query_;
  const float* bias_;  // of position 0, or null
  size_t last_, first_;
};

template <CacheFormat format>
void AttendRows(const AttendArgs& args) {
  for (size_t r = 0; r < args.tokens * args.group; ++r) {
    const Row<format> row(args, r);
    Sums sums;
    for (size_t piece = row.first_piece(); piece <= row.last_piece(); ++piece) {
      const Sums part = row.Piece(piece);
      sums.Join(part.values, part.greatest, part.total, args.value_dim);
    }
    sums.Finish(args.value_dim, args.out + r / args.group * args.out_token_stride + r % args.group * args.value_dim);
  }
}

template <CacheFormat format>
void AttendRowsOfPiece(const AttendArgs& args, size_t piece, float* partials) {
  for (size_t r = 0; r < args.tokens * args.group; ++r, partials += PartialFloats(args.value_dim)) {
    const Sums sums = Row<format>(args, r).Piece(piece);
    std::copy_n(sums.values, args.value_dim, partials);
    partials[args.value_dim] = sums.greatest;
    partials[args.value_dim + 1] = sums.total;
  }
}

// A code and its scale; infinity and NaN are told by the scale.
template <CacheFormat format>
float CacheScale(const float* x, size_t count) {
  float amax = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(x[i])) return std::numeric_limits<float>::quiet_NaN();
    amax = std::max(amax, std::fabs(x[i]));
  }
  const float scale = amax / CacheCodeLimit(format);
  return scale < std::numeric_limits<float>::min() ? 1.0f : scale;
}

template <CacheFormat format>
uint8_t CacheCode(float x, float scale) {
  if (std::isnan(scale)) return 0;
  if constexpr (format == CacheFormat::kE4M3) return ToE4M3(x / scale).bits;
  const int code = ToInt8(x * (1.0f / scale)).code;
  return static_cast<uint8_t>(code < 0 ? 0x80 - code : code);
}

// The elements of a row to their places; offset(i) is that of element i.
template <CacheFormat format, class Offset>
void StoreRow(const float* x, size_t count, std::byte* matrix, Offset&& offset, size_t scale_offset) {
  if constexpr (HasCacheScales(format)) {
    const float scale = CacheScale<format>(x, count);
    for (size_t i = 0; i < count; ++i) StoreAs(matrix, offset(i), CacheCode<format>(x[i], scale));
    StoreAs(matrix, scale_offset, scale);
  } else if constexpr (format == CacheFormat::kBf16) {
    for (size_t i = 0; i < count; ++i) StoreAs(matrix, offset(i), ToBf16(x[i]));
  } else {
    for (size_t i = 0; i < count; ++i) StoreAs(matrix, offset(i), x[i]);
  }
}

// visit(the format as a constant).
template <class Visit>
void WithFormat(CacheFormat format, Visit&& visit) {
  if (format == CacheFormat::kF32) visit(std::integral_constant<CacheFormat, CacheFormat::kF32>());
  if (format == CacheFormat::kBf16) visit(std::integral_constant<CacheFormat, CacheFormat::kBf16>());
  if (format == CacheFormat::kE4M3) visit(std::integral_constant<CacheFormat, CacheFormat::kE4M3>());
  if (format == CacheFormat::kInt8) visit(std::integral_constant<CacheFormat, CacheFormat::kInt8>());
}
OCTET_FMA_CLONE void AttendIn(CacheFormat format, const AttendArgs& args) {
  WithFormat(format, [&](auto constant) { AttendRows<constant()>(args); });
}
OCTET_FMA_CLONE void AttendPieceIn(CacheFormat format, const AttendArgs& args, size_t piece, float* partials) {
  WithFormat(format, [&](auto constant) { AttendRowsOfPiece<constant()>(args, piece, partials); });
}

}  // namespace

template <CacheFormat format>
void StoreCache(const float* key, const float* value, size_t key_dim, size_t value_dim, size_t slot, std::byte* keys,
                std::byte* values) {
  constexpr WeightFormat kPacking = CachePacking(format);
  StoreRow<format>(
      key, key_dim, keys, [&](size_t k) { return PackedOffset(kPacking, key_dim, slot, k); },
      KeyScalesOffset(format, key_dim) + 4 * slot);
  StoreRow<format>(
      value, value_dim, values, [&](size_t c) { return PackedOffset(kPacking, kPagePositions, c, slot); },
      ValueScalesOffset(format, value_dim) + 4 * slot);
}

template <CacheFormat format>
void Attend(const AttendArgs& args) {
  AttendIn(format, args);
}
template <CacheFormat format>
void AttendPiece(const AttendArgs& args, size_t piece, float* partials) {
  AttendPieceIn(format, args, piece, partials);
}

void JoinPieces(const float* partials, size_t pieces, size_t stride, size_t value_dim, float* out) {
  Sums sums;
  for (size_t piece = 0; piece < pieces; ++piece, partials += stride)
    sums.Join(partials, partials[value_dim], partials[value_dim + 1], value_dim);
  sums.Finish(value_dim, out);
}

template void StoreCache<CacheFormat::kF32>(const float*, const float*, size_t, size_t, size_t, std::byte*, std::byte*);
template void StoreCache<CacheFormat::kBf16>(const float*, const float*, size_t, size_t, size_t, std::byte*,
                                             std::byte*);
template void StoreCache<CacheFormat::kE4M3>(const float*, const float*, size_t, size_t, size_t, std::byte*,
                                             std::byte*);
template void StoreCache<CacheFormat::kInt8>(const float*, const float*, size_t, size_t, size_t, std::byte*,
                                             std::byte*);
template void Attend<CacheFormat::kF32>(const AttendArgs&);
template void Attend<CacheFormat::kBf16>(const AttendArgs&);
template void Attend<CacheFormat::kE4M3>(const AttendArgs&);
template void Attend<CacheFormat::kInt8>(const AttendArgs&);
template void AttendPiece<CacheFormat::kF32>(const AttendArgs&, size_t, float*);
template void AttendPiece<CacheFormat::kBf16>(const AttendArgs&, size_t, float*);
template void AttendPiece<CacheFormat::kE4M3>(const AttendArgs&, size_t, float*);
template void AttendPiece<CacheFormat::kInt8>(const AttendArgs&, size_t, float*);

}  // namespace octet::kernels::reference
