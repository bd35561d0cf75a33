// Rounding of activations to NVFP4.
#include "numeric/e2m1.h"
#include "tests/kernels/testing.h"

namespace octet::kernels {
namespace {

class RoundNvfp4 : public EveryTier {
 protected:
  // The rounded numbers, and the row's scale behind them.
  static std::vector<float> Round(const KernelTable& tier, const std::vector<float>& x) {
    std::vector<float> out(x.size() + 1, -1);
    const float scale = tier.round_to_nvfp4(x.data(), x.size(), out.data());
    EXPECT_EQ(out.back(), -1) << "written beyond the row";
    out.back() = scale;
    return out;
  }
};

TEST_P(RoundNvfp4, HasTheBitsOfItsDefinition) {
  for (const size_t count : {1, 7, 16, 17, 48, 130, 577}) {
    std::vector<float> x = RandomFloats(count, 1);
    for (size_t i = 0; i < count; i += 5) x[i] *= 1e-3f;  // blocks of every size
    for (size_t i = 32; i < count && i < 48; ++i) x[i] = i % 2 == 0 ? 0.0f : -1e-20f;
    EXPECT_EQ(AllBits(Round(tier(), x)), AllBits(Round(Reference(), x))) << count;
  }
}

// The row's scale is 1 and the block's 448, which the numbers are divided by here.
TEST_P(RoundNvfp4, NumbersBetweenCodesGoToTheNearestTiesToTheEvenCode) {
  const std::vector<float> x = {6, 0.25f, 0.26f, 0.75f,  1.25f, 1.75f, 2.5f, 3.5f,
                                5, 5.01f, -0.2f, -0.75f, -5,    -6,    0,    3};
  const std::vector<float> want = {6, 0, 0.5f, 1, 1, 2, 2, 4, 4, 6, -0.0f, -1, -4, -6, 0, 3};
  std::vector<float> row = x;
  for (float& value : row) value *= 448;
  const std::vector<float> got = Round(tier(), row);
  EXPECT_EQ(got.back(), 1);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(got[i], want[i] * 448) << x[i];
    EXPECT_EQ(std::signbit(got[i]), std::signbit(want[i])) << x[i];
    EXPECT_EQ(ToFloat(ToBf16(got[i])), got[i]);
  }
}

TEST_P(RoundNvfp4, EveryNumberIsWithinAStepOfItsBlock) {
  const std::vector<float> x = RandomFloats(256, 2), got = Round(tier(), x);
  for (size_t begin = 0; begin < x.size(); begin += 16) {
    float amax = 0;
    for (size_t i = begin; i < begin + 16; ++i) amax = std::fmax(amax, std::fabs(x[i]));
    // Half a step of 2 in 6, and what the block's scale, rounded by 1 / 16 at most, adds or clips.
    for (size_t i = begin; i < begin + 16; ++i)
      EXPECT_LE(std::fabs(got[i] * got.back() - x[i]), amax / 6 * (1 + 1.0f / 16)) << i;
  }
}

TEST_P(RoundNvfp4, RowsOfZerosAndOfNumbersTooSmallBecomeZeros) {
  for (const float x : {0.0f, 1e-44f, 1e-36f}) {
    const std::vector<float> got = Round(tier(), std::vector<float>(20, x));
    EXPECT_EQ(got.back(), 1);
    for (size_t i = 0; i < 20; ++i) EXPECT_EQ(got[i], 0) << x;
  }
}

TEST_P(RoundNvfp4, InfinityAndNanMakeTheScaleNan) {
  for (const float x : {INFINITY, -INFINITY, NAN}) {
    std::vector<float> row(40, 1);
    row[33] = x;
    const std::vector<float> got = Round(tier(), row);
    EXPECT_TRUE(std::isnan(got.back())) << x;
    for (size_t i = 0; i < 40; ++i) EXPECT_EQ(got[i], 0);
  }
}

OCTET_FOR_EVERY_TIER(RoundNvfp4);

}  // namespace
}  // namespace octet::kernels
