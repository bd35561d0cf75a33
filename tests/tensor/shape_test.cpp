#include "tensor/shape.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "tensor/dtype.h"

namespace octet {
namespace {

TEST(ShapeOfATensor, ElementCountsMultiplyAndScalarsHaveOne) {
  EXPECT_EQ(ElementCount({576, 1536}), 884736u);
  EXPECT_EQ(ElementCount({}), 1u);
  EXPECT_EQ(ElementCount({3, 0, 5}), 0u);
}

// The sanitizer build tells: memcpy from or to no address is undefined even for no bytes.
TEST(DecodingElements, OfAnEmptyTensorTouchesNothing) {
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kI64}) DecodeElements(dtype, nullptr, 0, nullptr);
  float kept = 7;
  DecodeElements(DType::kF32, nullptr, 0, &kept);
  EXPECT_EQ(kept, 7);
}

TEST(ShapeOfATensor, ProductsBeyond63BitsAreNothingEvenBesideAZero) {
  EXPECT_FALSE(ElementCount({uint64_t{1} << 32, uint64_t{1} << 31}));
  EXPECT_FALSE(ElementCount({uint64_t{1} << 32, uint64_t{1} << 32}));
  EXPECT_FALSE(ElementCount({0, uint64_t{1} << 32, uint64_t{1} << 32}));
  EXPECT_FALSE(ElementCount({std::numeric_limits<uint64_t>::max()}));
  EXPECT_TRUE(ElementCount({uint64_t{1} << 31, uint64_t{1} << 31}));
}

TEST(ShapeOfATensor, AVectorIsOneRowAndAMatrixHasItsFirstAxis) {
  EXPECT_EQ(RowCount({576}), 1u);
  EXPECT_EQ(RowSize({576}), 576u);
  EXPECT_EQ(RowCount({4, 3, 2}), 4u);
  EXPECT_EQ(RowSize({4, 3, 2}), 6u);
  EXPECT_EQ(RowCount({}), 1u);
  EXPECT_EQ(RowSize({}), 1u);
  EXPECT_EQ(ToText({4, 3, 2}), "[4, 3, 2]");
}

TEST(ElementType, EveryNameIsFoundAgain) {
  for (size_t i = 0; i < kDTypeCount; ++i) EXPECT_EQ(DTypeFromName(Name(static_cast<DType>(i))), static_cast<DType>(i));
  EXPECT_FALSE(DTypeFromName("F4"));
  EXPECT_EQ(ByteSize(DType::kBf16), 2u);
  EXPECT_EQ(ByteSize(DType::kE4M3), 1u);
  EXPECT_EQ(ByteSize(DType::kI64), 8u);
}

template <class Element>
float DecodeOne(DType dtype, Element element) {
  std::byte bytes[1 + sizeof(Element)];
  std::memcpy(bytes + 1, &element, sizeof element);  // at an odd address
  float value = 0;
  DecodeElements(dtype, bytes + 1, 1, &value);
  return value;
}

TEST(ElementType, ElementsDecodeAtAnyAlignment) {
  EXPECT_EQ(DecodeOne(DType::kF64, 1.5), 1.5f);
  EXPECT_EQ(DecodeOne(DType::kF32, -2.25f), -2.25f);
  EXPECT_EQ(DecodeOne(DType::kF16, uint16_t{0x3C00}), 1.0f);
  EXPECT_EQ(DecodeOne(DType::kBf16, uint16_t{0xC000}), -2.0f);
  EXPECT_EQ(DecodeOne(DType::kE4M3, uint8_t{0x7E}), 448.0f);
  EXPECT_EQ(DecodeOne(DType::kE5M2, uint8_t{0x7B}), 57344.0f);
  EXPECT_EQ(DecodeOne(DType::kE8M0, uint8_t{0x80}), 2.0f);
  EXPECT_EQ(DecodeOne(DType::kI64, int64_t{-7}), -7.0f);
  EXPECT_EQ(DecodeOne(DType::kI32, int32_t{-7}), -7.0f);
  EXPECT_EQ(DecodeOne(DType::kI16, int16_t{-7}), -7.0f);
  EXPECT_EQ(DecodeOne(DType::kI8, int8_t{-7}), -7.0f);
  EXPECT_EQ(DecodeOne(DType::kU64, uint64_t{7}), 7.0f);
  EXPECT_EQ(DecodeOne(DType::kU32, uint32_t{7}), 7.0f);
  EXPECT_EQ(DecodeOne(DType::kU16, uint16_t{7}), 7.0f);
  EXPECT_EQ(DecodeOne(DType::kU8, uint8_t{200}), 200.0f);
  EXPECT_EQ(DecodeOne(DType::kBool, uint8_t{1}), 1.0f);
}

}  // namespace
}  // namespace octet
