#include "tensor/dtype.h"

#include <bit>
#include <cstring>
#include <iterator>

#include "numeric/bf16.h"
#include "numeric/e8m0.h"
#include "numeric/fp16.h"
#include "numeric/fp8.h"

namespace octet {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian, and so is what Octet runs on");

struct Entry {
  std::string_view name;
  size_t bytes;
};

// In the order of DType.
constexpr Entry kEntries[] = {
    {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"I64", 8},
    {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U64", 8},  {"U32", 4},     {"U16", 2},     {"U8", 1},      {"BOOL", 1},
};
static_assert(std::size(kEntries) == kDTypeCount);

float Value(Bf16 code) { return ToFloat(code); }
float Value(Fp16 code) { return ToFloat(code); }
float Value(E4M3 code) { return ToFloat(code); }
float Value(E5M2 code) { return ToFloat(code); }
float Value(E8M0 code) { return ToFloat(code); }
template <class Number>
float Value(Number number) {
  return static_cast<float>(number);
}

template <class Element>
void Decode(const std::byte* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) {
    Element element;
    std::memcpy(&element, from + i * sizeof(Element), sizeof(Element));
    to[i] = Value(element);
  }
}

}  // namespace

size_t ByteSize(DType dtype) { return kEntries[static_cast<size_t>(dtype)].bytes; }

std::string_view Name(DType dtype) { return kEntries[static_cast<size_t>(dtype)].name; }

std::optional<DType> DTypeFromName(std::string_view name) {
  for (size_t i = 0; i < kDTypeCount; ++i) {
    if (kEntries[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

bool IsFloat(DType dtype) { return dtype <= DType::kE5M2; }

void DecodeElements(DType dtype, const std::byte* from, size_t count, float* to) {
  if (count == 0) return;  // an empty tensor may have no address
  switch (dtype) {
    case DType::kF64:
      return Decode<double>(from, count, to);
    case DType::kF32:
      std::memcpy(to, from, count * sizeof(float));
      return;
    case DType::kF16:
      return Decode<Fp16>(from, count, to);
    case DType::kBf16:
      return Decode<Bf16>(from, count, to);
    case DType::kE4M3:
      return Decode<E4M3>(from, count, to);
    case DType::kE5M2:
      return Decode<E5M2>(from, count, to);
    case DType::kE8M0:
      return Decode<E8M0>(from, count, to);
    case DType::kI64:
      return Decode<int64_t>(from, count, to);
    case DType::kI32:
      return Decode<int32_t>(from, count, to);
    case DType::kI16:
      return Decode<int16_t>(from, count, to);
    case DType::kI8:
      return Decode<int8_t>(from, count, to);
    case DType::kU64:
      return Decode<uint64_t>(from, count, to);
    case DType::kU32:
      return Decode<uint32_t>(from, count, to);
    case DType::kU16:
      return Decode<uint16_t>(from, count, to);
    case DType::kU8:
    case DType::kBool:
      return Decode<uint8_t>(from, count, to);
  }
}

}  // namespace octet
