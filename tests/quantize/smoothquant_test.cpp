#include "quantize/smoothquant.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/models/golden_model.h"

namespace octet {
namespace {

class SmoothQuantTest : public testing::Test {
 protected:
  // The matrix and the inputs of tools/golden/calibrated.py.
  void SetUp() override {
    const Json golden = ReadJsonFile(OCTET_SOURCE_DIR "/tests/golden/quantize/calibrated.json");
    width_ = golden["columns"].get<size_t>();
    inputs_ = {.width = width_, .samples = golden["inputs"].get<std::vector<float>>()};
    search_ = {.rows = golden["weights"].get<std::vector<float>>(), .origins = width_};
    inputs_.column_amax = LargestOfColumns(inputs_.samples);
    search_.column_amax = LargestOfColumns(search_.rows);
    search_.inputs = &inputs_;
    search_.origin.resize(width_);
    std::iota(search_.origin.begin(), search_.origin.end(), 0U);
  }
  std::vector<float> LargestOfColumns(const std::vector<float>& matrix) const {
    std::vector<float> largest(width_);
    for (size_t i = 0; i < matrix.size(); ++i)
      largest[i % width_] = std::max(largest[i % width_], std::fabs(matrix[i]));
    return largest;
  }

  ThreadPool pool_{2};
  size_t width_ = 0;
  InputStatistics inputs_;
  MigrationSearch search_;
};

// tools/golden/smoothquant.py. Two of the alphas there are within a hundredth of each other; codes on a boundary may
// fall to either side in float.
TEST_F(SmoothQuantTest, AlphaIsTheOneOfLeastErrorInPyTorch) {
  const Json golden = ReadJsonFile(OCTET_SOURCE_DIR "/tests/golden/quantize/smoothquant.json");
  const auto errors = golden["errors"].get<std::vector<double>>();
  const Migration migration = Must(SearchMigration(search_, pool_));
  ASSERT_TRUE(migration.alpha.has_value());
  const double at_alpha = errors.at(static_cast<size_t>(std::lround(*migration.alpha * 20)));
  EXPECT_LE(at_alpha, 1.02 * *std::min_element(errors.begin(), errors.end()));
  EXPECT_NEAR(migration.error, at_alpha / golden["plain"].get<double>(), 0.02 * migration.error);
  EXPECT_GT(migration.factors[33], 2 * migration.factors[34]);  // the outlier
  EXPECT_EQ(migration.factors[7], 1);                           // always zero
}

TEST_F(SmoothQuantTest, InputsOfOneOriginShareAFactor) {
  search_.origins = width_ / 2;
  for (size_t i = 0; i < width_; ++i) search_.origin[i] = static_cast<uint32_t>(i % search_.origins);
  const Migration migration = Must(SearchMigration(search_, pool_));
  ASSERT_EQ(migration.factors.size(), width_ / 2);
  EXPECT_GT(migration.factors[33 % (width_ / 2)], 2 * migration.factors[34 % (width_ / 2)]);
}

TEST_F(SmoothQuantTest, WithoutSamplesThatDifferNothingIsDivided) {
  std::fill(inputs_.samples.begin(), inputs_.samples.end(), 0.0F);
  std::fill(inputs_.column_amax.begin(), inputs_.column_amax.end(), 0.0F);
  const Migration migration = Must(SearchMigration(search_, pool_));
  EXPECT_FALSE(migration.alpha.has_value());
  EXPECT_THAT(migration.factors, testing::Each(1.0F));
}

TEST_F(SmoothQuantTest, TheBitsAreTheSameForAnyNumberOfThreads) {
  ThreadPool one(1), three(3);
  const Migration a = Must(SearchMigration(search_, one)), b = Must(SearchMigration(search_, three));
  EXPECT_EQ(a.factors, b.factors);
  EXPECT_EQ(a.error, b.error);
}

}  // namespace
}  // namespace octet
