// Packing of whole weight matrices, which every tier shares.
#include "kernels/reference/elements.h"

namespace octet::kernels {
namespace {

template <WeightFormat format, class Element>
void PackWeights(const Element* rows, size_t columns, size_t depth, void* packed) {
  std::memset(packed, 0, PackedBytes(format, columns, depth));
  for (size_t column = 0; column < columns; ++column) {
    for (size_t k = 0; k < depth; ++k) {
      const size_t offset = PackedOffset(format, depth, column, k);
      const Element element = rows[column * depth + k];
      if constexpr (format == WeightFormat::kBf16) {
        reference::StoreAs(packed, offset, ToBf16(element));
      } else {
        reference::StoreAs(packed, offset, element);
      }
    }
  }
}

// Where codes of four bits come from or go to; they are stored with an offset added.
struct HalfByteColumn {
  WeightFormat format;
  size_t depth;
  size_t column;
};

template <class Code>
void PackHalfBytes(const HalfByteColumn& at, const Code* codes, int offset, void* packed) {
  for (size_t k = 0; k < at.depth; ++k) {
    const size_t place = PackedOffset(at.format, at.depth, at.column, k), shift = IsUpperHalf(at.format, k) ? 4 : 0;
    // What lies there is padding of both halves.
    const unsigned stored = reference::LoadAs<uint8_t>(packed, place) & ~(15u << shift);
    reference::StoreAs(packed, place, static_cast<uint8_t>(stored | static_cast<unsigned>(codes[k] + offset) << shift));
  }
}

template <class Code>
void UnpackHalfBytes(const HalfByteColumn& at, const void* packed, int offset, Code* codes) {
  for (size_t k = 0; k < at.depth; ++k) {
    const auto stored = reference::LoadAs<uint8_t>(packed, PackedOffset(at.format, at.depth, at.column, k));
    codes[k] = static_cast<Code>((IsUpperHalf(at.format, k) ? stored >> 4 : stored & 15) - offset);
  }
}

// All weights zero, with scales of zero.
void ClearInt4(WeightFormat format, size_t columns, size_t depth, void* packed) {
  const size_t record = RecordBytes(format), codes = CodeBytes(format);
  auto* to = static_cast<std::byte*>(packed);
  for (const std::byte* end = to + PackedBytes(format, columns, depth); to != end; to += record) {
    std::memset(to, HasZeros(format) ? 0 : 0x88, codes);
    std::memset(to + codes, 0, record - codes);
  }
}

// visit(index, where its scale lies, where its zero point would) for the groups of every column in turn.
template <class Visit>
void ForEachInt4Group(WeightFormat format, size_t columns, size_t depth, Visit&& visit) {
  size_t index = 0;
  for (size_t column = 0; column < columns; ++column) {
    for (size_t k = 0; k < depth; k += Int4Group(format), ++index)
      visit(index, PackedScaleOffset(format, depth, column, k), PackedZeroOffset(format, depth, column, k));
  }
}

}  // namespace

void PackWeightsF32(const float* rows, size_t columns, size_t depth, void* packed) {
  PackWeights<WeightFormat::kF32>(rows, columns, depth, packed);
}
void PackWeightsBf16(const float* rows, size_t columns, size_t depth, void* packed) {
  PackWeights<WeightFormat::kBf16>(rows, columns, depth, packed);
}
void PackWeightsE4M3(const uint8_t* codes, size_t columns, size_t depth, void* packed) {
  PackWeights<WeightFormat::kE4M3>(codes, columns, depth, packed);
}

void PackWeightsE4M3Block(const uint8_t* codes, const float* scales, size_t columns, size_t depth, void* packed) {
  PackWeights<WeightFormat::kE4M3Block>(codes, columns, depth, packed);
  for (size_t column = 0; column < columns; ++column) {
    for (size_t k = 0; k < depth; k += kFp8Block)
      reference::StoreAs(packed, PackedFp8ScaleOffset(depth, column, k), *scales++);
  }
}

void UnpackWeightsE4M3Block(const void* packed, size_t columns, size_t depth, uint8_t* codes, float* scales) {
  for (size_t column = 0; column < columns; ++column) {
    for (size_t k = 0; k < depth; ++k)
      *codes++ = reference::LoadAs<uint8_t>(packed, PackedOffset(WeightFormat::kE4M3Block, depth, column, k));
    for (size_t k = 0; k < depth; k += kFp8Block)
      *scales++ = reference::LoadAs<float>(packed, PackedFp8ScaleOffset(depth, column, k));
  }
}

void PackWeightsNvfp4(const uint8_t* codes, const uint8_t* scales, size_t columns, size_t depth, void* packed) {
  std::memset(packed, 0, PackedBytes(WeightFormat::kNvfp4, columns, depth));
  for (size_t column = 0; column < columns; ++column) {
    PackHalfBytes({WeightFormat::kNvfp4, depth, column}, codes + column * depth, 0, packed);
    for (size_t k = 0; k < depth; k += kNvfp4Block)
      reference::StoreAs(packed, PackedBlockScaleOffset(depth, column, k), *scales++);
  }
}

void UnpackWeightsNvfp4(const void* packed, size_t columns, size_t depth, uint8_t* codes, uint8_t* scales) {
  for (size_t column = 0; column < columns; ++column) {
    UnpackHalfBytes({WeightFormat::kNvfp4, depth, column}, packed, 0, codes + column * depth);
    for (size_t k = 0; k < depth; k += kNvfp4Block)
      *scales++ = reference::LoadAs<uint8_t>(packed, PackedBlockScaleOffset(depth, column, k));
  }
}

void PackWeightsInt8(const int8_t* codes, size_t columns, size_t depth, void* packed) {
  std::memset(packed, 0x80, PackedBytes(WeightFormat::kInt8, columns, depth));
  for (size_t column = 0; column < columns; ++column) {
    for (size_t k = 0; k < depth; ++k) {
      reference::StoreAs(packed, PackedOffset(WeightFormat::kInt8, depth, column, k),
                         static_cast<uint8_t>(codes[column * depth + k] + 128));
    }
  }
}

void UnpackWeightsInt8(const void* packed, size_t columns, size_t depth, int8_t* codes) {
  for (size_t column = 0; column < columns; ++column) {
    for (size_t k = 0; k < depth; ++k) {
      const int code = reference::CodeAt<WeightFormat::kInt8>(packed, depth, column, k);
      codes[column * depth + k] = static_cast<int8_t>(code);
    }
  }
}

void PackWeightsInt4(WeightFormat format, const int8_t* codes, const Fp16* scales, size_t columns, size_t depth,
                     void* packed) {
  ClearInt4(format, columns, depth, packed);
  for (size_t column = 0; column < columns; ++column)
    PackHalfBytes({format, depth, column}, codes + column * depth, 8, packed);
  ForEachInt4Group(format, columns, depth,
                   [&](size_t index, size_t scale, size_t) { reference::StoreAs(packed, scale, scales[index]); });
}

void UnpackWeightsInt4(WeightFormat format, const void* packed, size_t columns, size_t depth, int8_t* codes,
                       Fp16* scales) {
  for (size_t column = 0; column < columns; ++column)
    UnpackHalfBytes({format, depth, column}, packed, 8, codes + column * depth);
  ForEachInt4Group(format, columns, depth,
                   [&](size_t index, size_t scale, size_t) { scales[index] = reference::LoadAs<Fp16>(packed, scale); });
}

void PackWeightsInt4Zeros(const Int4Zeros& weights, size_t columns, size_t depth, void* packed) {
  const WeightFormat format = weights.format;
  ClearInt4(format, columns, depth, packed);
  for (size_t column = 0; column < columns; ++column)
    PackHalfBytes({format, depth, column}, weights.codes + column * depth, 0, packed);
  ForEachInt4Group(format, columns, depth, [&](size_t index, size_t scale, size_t zero) {
    reference::StoreAs(packed, scale, weights.scales[index]);
    reference::StoreAs(packed, zero, weights.zeros[index]);
  });
}

}  // namespace octet::kernels
