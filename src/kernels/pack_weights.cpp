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

// Calls function with the format as a constant.
template <class Function>
void WithInt4(WeightFormat format, Function&& function) {
  if (format == WeightFormat::kInt4Group32) {
    function(std::integral_constant<WeightFormat, WeightFormat::kInt4Group32>());
  } else if (format == WeightFormat::kInt4Group64) {
    function(std::integral_constant<WeightFormat, WeightFormat::kInt4Group64>());
  } else {
    function(std::integral_constant<WeightFormat, WeightFormat::kInt4Group128>());
  }
}

template <WeightFormat format>
void PackInt4Column(const int8_t* codes, const Fp16* scales, size_t depth, size_t column, void* packed) {
  for (size_t k = 0; k < depth; ++k) {
    const size_t offset = PackedOffset(format, depth, column, k), shift = k % 8 < 4 ? 0 : 4;
    // What lies there are zeros of both halves.
    const unsigned stored = reference::LoadAs<uint8_t>(packed, offset) & ~(15u << shift);
    reference::StoreAs(packed, offset, static_cast<uint8_t>(stored | static_cast<unsigned>(codes[k] + 8) << shift));
  }
  for (size_t k = 0; k < depth; k += Int4Group(format))
    reference::StoreAs(packed, PackedScaleOffset(format, depth, column, k), scales[k / Int4Group(format)]);
}

// All weights zero, with scales of zero.
void ClearInt4(WeightFormat format, size_t columns, size_t depth, void* packed) {
  const size_t record = RecordBytes(format), scales = 2 * kPanelColumns;
  auto* to = static_cast<std::byte*>(packed);
  for (const std::byte* end = to + PackedBytes(format, columns, depth); to != end; to += record) {
    std::memset(to, 0x88, record - scales);
    std::memset(to + record - scales, 0, scales);
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
  const size_t groups = IntegerGroups(format, PaddedDepth(format, depth));
  WithInt4(format, [&](auto which) {
    for (size_t column = 0; column < columns; ++column)
      PackInt4Column<which()>(codes + column * depth, scales + column * groups, depth, column, packed);
  });
}

void UnpackWeightsInt4(WeightFormat format, const void* packed, size_t columns, size_t depth, int8_t* codes,
                       Fp16* scales) {
  WithInt4(format, [&](auto which) {
    for (size_t column = 0; column < columns; ++column) {
      for (size_t k = 0; k < depth; ++k)
        *codes++ = static_cast<int8_t>(reference::CodeAt<which()>(packed, depth, column, k));
      for (size_t k = 0; k < depth; k += Int4Group(format))
        *scales++ = reference::LoadAs<Fp16>(packed, PackedScaleOffset(format, depth, column, k));
    }
  });
}

}  // namespace octet::kernels
