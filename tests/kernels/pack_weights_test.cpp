#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

uint8_t ByteAt(const Bytes& packed, size_t offset) { return static_cast<uint8_t>(packed.data()[offset]); }

constexpr WeightFormat kInt4Formats[] = {WeightFormat::kInt4Group32, WeightFormat::kInt4Group64,
                                         WeightFormat::kInt4Group128};

TEST(PackWeights, Int8CodesLieFourByFourWith128Added) {
  const size_t columns = 40, depth = 6;
  std::vector<int8_t> codes(columns * depth);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int8_t>(i);
  Bytes packed(PackedBytes(WeightFormat::kInt8, columns, depth));
  EXPECT_EQ(PackedBytes(WeightFormat::kInt8, columns, depth), 2 * 2 * 128u);
  PackWeightsInt8(codes.data(), columns, depth, packed.data());
  EXPECT_EQ(ByteAt(packed, 4 * 17 + 3), 128 + 17 * 6 + 3);        // column 17, k 3
  EXPECT_EQ(ByteAt(packed, 128 + 4 * 20 + 1), 128 + 20 * 6 + 5);  // column 20, k 5
  EXPECT_EQ(ByteAt(packed, 128 + 4 * 20 + 2), 128);               // k 6 is padding
  EXPECT_EQ(ByteAt(packed, 256 + 4 * 7), static_cast<uint8_t>(128 + 39 * 6));
  EXPECT_EQ(ByteAt(packed, 256 + 4 * 8), 128);  // column 40 is padding
}

TEST(PackWeights, ScalesOfE4M3BlocksStandBehindTheirCodesAndTheLastRecordEndsWithTheDepth) {
  const size_t columns = 40, depth = 134;
  std::vector<uint8_t> codes(columns * depth);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i % 126);
  std::vector<float> scales;
  for (size_t i = 0; i < 2 * columns; ++i) scales.push_back(static_cast<float>(i) + 0.5f);
  Bytes packed(PackedBytes(WeightFormat::kE4M3Block, columns, depth));
  constexpr size_t kPanel = 32 * 128 + 128 + 2 * 128 + 128;  // 128 k, their scales, 8 k, their scales
  EXPECT_EQ(PackedBytes(WeightFormat::kE4M3Block, columns, depth), 2 * kPanel);
  PackWeightsE4M3Block(codes.data(), scales.data(), columns, depth, packed.data());
  const auto code = [&](size_t column, size_t k) { return codes[column * depth + k]; };
  EXPECT_EQ(ByteAt(packed, 128 + 16 + 2 + 1), code(5, 5));            // column 5, k 5: step 1, lane 1
  EXPECT_EQ(ByteAt(packed, 4224 + 128 + 64 + 3 * 2), code(19, 132));  // column 19, k 132: step 1 of the second record
  EXPECT_EQ(ByteAt(packed, 4224 + 128 + 64 + 8), 0);                  // k 134 of column 16 is padding
  EXPECT_EQ(ByteAt(packed, kPanel + 2 * 16), 0);                      // and so is column 40
  const auto scale = [&](size_t offset) {
    float value = 0;
    std::memcpy(&value, packed.data() + offset, 4);
    return value;
  };
  EXPECT_EQ(scale(4096 + 4 * 31), 62.5f);                // of column 31, block 0
  EXPECT_EQ(scale(4224 + 256 + 4 * 31), 63.5f);          // block 1
  EXPECT_EQ(scale(kPanel + 4224 + 256 + 4 * 7), 79.5f);  // of column 39
  EXPECT_EQ(scale(kPanel + 4224 + 256 + 4 * 8), 0.0f);   // padding
}

TEST(PackWeights, Nvfp4CodesFillWordsTwoApartAndScalesFollowTwoBlocks) {
  const size_t columns = 3, depth = 40;
  std::vector<uint8_t> codes(columns * depth);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i % 16);
  const uint8_t scales[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};  // blocks of 16, 16 and 8
  Bytes packed(PackedBytes(WeightFormat::kNvfp4, columns, depth));
  EXPECT_EQ(PackedBytes(WeightFormat::kNvfp4, columns, depth), 2 * 576u);
  PackWeightsNvfp4(codes.data(), scales, columns, depth, packed.data());
  // Column 1 begins at code 8 of the ramp; its k 8 .. 15 are 0 .. 7.
  EXPECT_EQ(ByteAt(packed, 128 + 4), 0 | 2 << 4);      // k 8 and 10
  EXPECT_EQ(ByteAt(packed, 128 + 4 + 1), 4 | 6 << 4);  // k 12 and 14
  EXPECT_EQ(ByteAt(packed, 128 + 4 + 2), 1 | 3 << 4);  // k 9 and 11
  EXPECT_EQ(ByteAt(packed, 512 + 2), 7);               // scale of column 2, block 0
  EXPECT_EQ(ByteAt(packed, 512 + 32 + 2), 8);          // block 1
  EXPECT_EQ(ByteAt(packed, 576 + 512 + 2), 9);         // block 2
  EXPECT_EQ(ByteAt(packed, 576 + 512 + 32 + 2), 0);    // block 3 is padding
  EXPECT_EQ(ByteAt(packed, 576 + 128 + 4), 0);         // and so are the codes of k 40 on
  EXPECT_EQ(ByteAt(packed, 512 + 3), 0);               // and column 3
}

TEST(PackWeights, Int4CodesShareBytesFourApartAndScalesFollowTheirGroup) {
  const size_t columns = 3, depth = 40;
  std::vector<int8_t> codes(columns * depth);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int8_t>(int(i % 16) - 8);
  const Fp16 scales[] = {{1}, {2}, {3}, {4}, {5}, {6}};
  Bytes packed(PackedBytes(WeightFormat::kInt4Group32, columns, depth));
  EXPECT_EQ(PackedBytes(WeightFormat::kInt4Group32, columns, depth), 2 * 576u);
  PackWeightsInt4(WeightFormat::kInt4Group32, codes.data(), scales, columns, depth, packed.data());
  // Column 1 begins at code 40 of the ramp, 0 .. 15 each, which is 8 there; its k 9 is 1 and its k 13 is 5.
  EXPECT_EQ(ByteAt(packed, 128 + 4 + 1), 1 | 5 << 4);
  EXPECT_EQ(ByteAt(packed, 512 + 2 * 2), 5);        // scale of column 2, group 0
  EXPECT_EQ(ByteAt(packed, 576 + 512 + 2 * 1), 4);  // of column 1, group 1
  EXPECT_EQ(ByteAt(packed, 576 + 128 + 4), 0x88);   // k 40 on is padding: zeros
  EXPECT_EQ(ByteAt(packed, 4 * 3), 0x88);           // and so is column 3
  EXPECT_EQ(ByteAt(packed, 512 + 2 * 3), 0);
}

TEST(PackWeights, ZeroPointsFollowTheScalesOfTheirGroup) {
  const size_t columns = 3, depth = 40;
  std::vector<uint8_t> codes(columns * depth);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i % 16);
  const Fp16 scales[] = {{1}, {2}, {3}, {4}, {5}, {6}};
  const uint8_t zeros[] = {10, 11, 12, 13, 14, 128};
  Bytes packed(PackedBytes(WeightFormat::kInt4Zeros32, columns, depth));
  EXPECT_EQ(PackedBytes(WeightFormat::kInt4Zeros32, columns, depth), 2 * 608u);
  PackWeightsInt4Zeros({WeightFormat::kInt4Zeros32, codes.data(), scales, zeros}, columns, depth, packed.data());
  EXPECT_EQ(ByteAt(packed, 128 + 4 + 1), 1 | 5 << 4);  // column 1, k 9 and 13
  EXPECT_EQ(ByteAt(packed, 512 + 2 * 2), 5);           // scale of column 2, group 0
  EXPECT_EQ(ByteAt(packed, 512 + 64 + 2), 14);         // its zero point
  EXPECT_EQ(ByteAt(packed, 608 + 512 + 64 + 2), 128);  // of group 1
  EXPECT_EQ(ByteAt(packed, 512 + 64 + 3), 0);          // column 3 is padding: scale and codes of zero
  EXPECT_EQ(ByteAt(packed, 608 + 128 + 4), 0);         // k 40 on
}

TEST(PackWeights, UnpackedCodesAndScalesAreThosePacked) {
  for (const size_t depth : {1, 5, 32, 100, 128, 130}) {
    const Weights int8(WeightFormat::kInt8, 33, depth);
    std::vector<int8_t> codes(int8.integers.size());
    UnpackWeightsInt8(int8.packed.data(), 33, depth, codes.data());
    EXPECT_EQ(codes, int8.integers) << depth;
    const Weights fp8(WeightFormat::kE4M3Block, 33, depth);
    std::vector<uint8_t> bytes(fp8.codes.size());
    std::vector<float> fp8_scales(fp8.fp8_scales.size());
    UnpackWeightsE4M3Block(fp8.packed.data(), 33, depth, bytes.data(), fp8_scales.data());
    EXPECT_EQ(bytes, fp8.codes) << depth;
    EXPECT_EQ(fp8_scales, fp8.fp8_scales) << depth;
    const Weights nvfp4(WeightFormat::kNvfp4, 33, depth);
    std::vector<uint8_t> half_bytes(nvfp4.codes.size()), block_scales(nvfp4.block_scales.size());
    UnpackWeightsNvfp4(nvfp4.packed.data(), 33, depth, half_bytes.data(), block_scales.data());
    EXPECT_EQ(half_bytes, nvfp4.codes) << depth;
    EXPECT_EQ(block_scales, nvfp4.block_scales) << depth;
    for (const WeightFormat format : kInt4Formats) {
      const Weights int4(format, 33, depth);
      std::vector<Fp16> scales(int4.group_scales.size());
      UnpackWeightsInt4(format, int4.packed.data(), 33, depth, codes.data(), scales.data());
      EXPECT_EQ(codes, int4.integers) << depth;
      for (size_t i = 0; i < scales.size(); ++i) EXPECT_EQ(scales[i].bits, int4.group_scales[i].bits) << i;
    }
  }
}

TEST(PackWeights, SlicesOfWholePanelsPackToTheBytesOfTheWhole) {
  const Weights whole(WeightFormat::kInt4Group64, 70, 100);
  Bytes slice(PackedBytes(WeightFormat::kInt4Group64, 38, 100));
  PackWeightsInt4(whole.format, whole.integers.data() + 32 * 100, whole.group_scales.data() + 32 * 2, 38, 100,
                  slice.data());
  const size_t panel = PanelBytes(WeightFormat::kInt4Group64, 100);
  EXPECT_EQ(std::memcmp(slice.data(), whole.packed.data() + panel, 2 * panel), 0);
}

}  // namespace
}  // namespace octet::kernels
