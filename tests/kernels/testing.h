// What the kernel tests share: the tiers as a parameter, random numbers, packed operands and norms.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/layout.h"
#include "numeric/bf16.h"
#include "numeric/fp8.h"
#include "tests/kernels/tile_twin.h"

namespace octet::kernels {

inline constexpr float kFloatEps = 0x1p-24f;  // half a unit in the last place of 1

// Bytes on a 64-byte boundary, zeroed.
class Bytes {
 public:
  explicit Bytes(size_t size) : storage_(size + 64), start_(64 - reinterpret_cast<uintptr_t>(storage_.data()) % 64) {}
  std::byte* data() { return storage_.data() + start_; }
  const std::byte* data() const { return storage_.data() + start_; }

 private:
  std::vector<std::byte> storage_;
  size_t start_;
};

inline std::vector<float> RandomFloats(size_t count, uint32_t seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> out(count);
  for (float& x : out) x = normal(generator);
  return out;
}

// Rows of random numbers, each of another size, and in every row some numbers far larger than the others, as keys of
// real models have them.
inline std::vector<float> RowsWithOutliers(size_t rows, size_t width, uint32_t seed) {
  std::vector<float> x = RandomFloats(rows * width, seed);
  for (size_t row = 0; row < rows; ++row) {
    const float size = std::exp2f(float(row % 5) - 2);
    for (size_t i = 0; i < width; ++i) x[row * width + i] *= size * (i % 13 == 5 ? 20.0f : 1.0f);
  }
  return x;
}

// Any E4M3 code but the two of NaN.
inline std::vector<uint8_t> RandomCodes(size_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> out(count);
  for (uint8_t& code : out) {
    do code = static_cast<uint8_t>(generator());
    while ((code & 0x7F) == 0x7F);
  }
  return out;
}

inline uint32_t Bits(float x) { return std::bit_cast<uint32_t>(x); }

inline std::vector<uint32_t> AllBits(const std::vector<float>& x) {
  std::vector<uint32_t> out(x.size());
  std::memcpy(out.data(), x.data(), 4 * x.size());
  return out;
}

inline const KernelTable& Reference() { return *AvailableTiers().front(); }

// Whose bits a tier's products have: the reference's, but for the tiles, which add in another order.
inline const KernelTable& DefinitionOf(const KernelTable& tier) {
  return std::string_view(tier.name) == "amx" ? TileTwin() : &tier == &TileTwin() ? tier : Reference();
}

// The tiers of this CPU, and the tiles in plain C++, which any CPU runs.
inline std::vector<const KernelTable*> TestedTiers() {
  std::vector<const KernelTable*> tiers(AvailableTiers().begin(), AvailableTiers().end());
  tiers.push_back(&TileTwin());
  return tiers;
}

class EveryTier : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& tier() const { return *GetParam(); }
};

inline std::string TierName(const testing::TestParamInfo<const KernelTable*>& info) { return info.param->name; }

// Where the twin differs from the reference: products and how their inputs are packed.
#define OCTET_FOR_EVERY_TIER_AND_TWIN(Suite) \
  INSTANTIATE_TEST_SUITE_P(, Suite, testing::ValuesIn(TestedTiers()), TierName)
#define OCTET_FOR_EVERY_TIER(Suite) \
  INSTANTIATE_TEST_SUITE_P(, Suite, testing::ValuesIn(AvailableTiers().begin(), AvailableTiers().end()), TierName)

}  // namespace octet::kernels
