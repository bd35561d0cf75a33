// What the tier of tiles does without them, in vectors that any CPU with AVX-512 has: packing, products of one or two
// rows, and what goes to the products of other tiers. Tested here where no processor has tiles, against the twin.
#include "kernels/tiers.h"
#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

#if defined(__x86_64__)

bool HasVectors() { return AvailableTiers().size() > 2; }  // reference, avx2, avx512

// The rows that the tier multiplies without tiles.
constexpr size_t kRowsInVectors = 2;

// The twin's tiles behind the tier's own packing.
KernelTable PackedByTheTier() {
  KernelTable table = TileTwin();
  table.pack_activations_bf16 = kAmx.pack_activations_bf16;
  table.pack_activations_e4m3 = kAmx.pack_activations_e4m3;
  table.pack_activations_e4m3_blocks = kAmx.pack_activations_e4m3_blocks;
  table.pack_activations_int8 = kAmx.pack_activations_int8;
  table.pack_activations_nvfp4 = kAmx.pack_activations_nvfp4;
  return table;
}

// And its own products.
KernelTable InVectors() {
  KernelTable table = PackedByTheTier();
  for (size_t i = 0; i < kWeightFormats; ++i) {
    if (kAmx.gemm[i] != nullptr) table.gemm[i] = kAmx.gemm[i];
  }
  table.gemm_nvfp4 = kAmx.gemm_nvfp4;
  return table;
}

constexpr std::pair<WeightFormat, ActivationFormat> kPairs[] = {
    {WeightFormat::kBf16, ActivationFormat::kBf16},      {WeightFormat::kE4M3, ActivationFormat::kBf16},
    {WeightFormat::kE4M3Block, ActivationFormat::kBf16}, {WeightFormat::kNvfp4, ActivationFormat::kBf16},
    {WeightFormat::kNvfp4, ActivationFormat::kNvfp4},    {WeightFormat::kInt8, ActivationFormat::kBf16},
    {WeightFormat::kInt8, ActivationFormat::kInt8},      {WeightFormat::kInt4Group32, ActivationFormat::kBf16}};

std::vector<float> ProductOf(const KernelTable& tier, std::pair<WeightFormat, ActivationFormat> formats, size_t rows,
                             size_t depth, bool rounds_blocks) {
  Product product(tier, formats.first, formats.second, rows, 107, depth);
  product.rounds_blocks = rounds_blocks && formats.first == WeightFormat::kE4M3Block;
  product.Run();
  return product.out;
}

TEST(TilesInVectors, OneAndTwoRowsHaveTheBitsOfTheTwin) {
  if (!HasVectors()) GTEST_SKIP() << "this CPU has no AVX-512";
  const KernelTable in_vectors = InVectors();
  for (const auto& formats : kPairs) {
    if (formats.second == ActivationFormat::kInt8) continue;  // those of other tiers
    for (size_t rows = 1; rows <= kRowsInVectors; ++rows) {
      for (const size_t depth : {1, 31, 33, 130, 700, 1290}) {
        for (const bool rounds_blocks : {false, true}) {
          EXPECT_EQ(AllBits(ProductOf(in_vectors, formats, rows, depth, rounds_blocks)),
                    AllBits(ProductOf(TileTwin(), formats, rows, depth, rounds_blocks)))
              << kFormatNames[size_t(formats.first)] << " " << rows << " x " << depth;
        }
      }
    }
  }
}

TEST(TilesInVectors, PackedRowsAreThoseOfTheTwin) {
  if (!HasVectors()) GTEST_SKIP() << "this CPU has no AVX-512";
  const KernelTable packed = PackedByTheTier();
  for (const auto& formats : kPairs) {
    for (const size_t rows : {1, 8, 9, 31, 33, 50}) {
      for (const size_t depth : {1, 31, 64, 130, 203}) {
        for (const bool rounds_blocks : {false, true}) {
          EXPECT_EQ(AllBits(ProductOf(packed, formats, rows, depth, rounds_blocks)),
                    AllBits(ProductOf(TileTwin(), formats, rows, depth, rounds_blocks)))
              << kFormatNames[size_t(formats.first)] << " " << rows << " x " << depth;
        }
      }
    }
  }
}

#endif

}  // namespace
}  // namespace octet::kernels
