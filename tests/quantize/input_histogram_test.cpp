#include "quantize/input_histogram.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "tests/models/golden_model.h"

namespace octet {
namespace {

constexpr size_t kCount = 100'003;

// What tools/golden/observers.py makes.
std::vector<float> GoldenValues(std::string_view name) {
  uint64_t state = 12345;
  std::vector<float> values;
  for (size_t i = 0; i < kCount; ++i) {
    double u[4];
    for (double& word : u) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      word = static_cast<double>(state >> 40) * 0x1p-24;
    }
    double x = u[0] + u[1] + u[2] + u[3] - 2;
    if (name == "outliers" && i % 997 == 0) x *= 20;
    if (name == "zeros") x = std::max(x, 0.0);
    if (name == "tail") x = (u[0] - 0.5) / (u[1] + 0.001);
    values.push_back(static_cast<float>(x));
  }
  return values;
}

class ObserverTest : public testing::Test {
 protected:
  InputHistogram Count(const std::vector<float>& values, size_t step = kCount) {
    InputHistogram histogram;
    for (size_t first = 0; first < values.size(); first += step)
      histogram.Add(std::span(values).subspan(first, std::min(step, values.size() - first)), pool_);
    return histogram;
  }
  float Range(const InputHistogram& histogram, Observer observer, double percentile = 99.9) {
    return ObservedRange(histogram, {observer, percentile}, pool_);
  }
  static const Json& Golden() {
    static const Json golden = ReadJsonFile(OCTET_SOURCE_DIR "/tests/golden/quantize/observers.json");
    return golden;
  }

  ThreadPool pool_{2};
};

constexpr Observer kObservers[] = {Observer::kAmax, Observer::kPercentile, Observer::kMse, Observer::kEntropy};

TEST_F(ObserverTest, PercentilesAreThoseOfNumpyUpToABin) {
  for (const auto& [name, golden] : Golden().items()) {
    const InputHistogram histogram = Count(GoldenValues(name));
    EXPECT_EQ(histogram.largest(), golden["amax"].get<float>()) << name;
    for (const auto& [percent, want] : golden["percentile"].items()) {
      const float got = Range(histogram, Observer::kPercentile, std::stod(percent));
      EXPECT_GE(got, want.get<float>()) << name << " " << percent;
      EXPECT_LE(got, want.get<double>() + histogram.width()) << name << " " << percent;
    }
  }
}

// Bins are taken for their middles, which moves errors by less than a hundredth.
TEST_F(ObserverTest, TheRangeOfLeastErrorHasItInPyTorchToo) {
  for (const auto& [name, golden] : Golden().items()) {
    const InputHistogram histogram = Count(GoldenValues(name));
    const auto errors = golden["mse"].get<std::vector<double>>();
    const auto percent = std::lround(100 * Range(histogram, Observer::kMse) / histogram.largest());
    ASSERT_THAT(percent, testing::AllOf(testing::Ge(20), testing::Le(100)));
    EXPECT_LE(errors.at(static_cast<size_t>(100 - percent)), 1.01 * *std::min_element(errors.begin(), errors.end()))
        << name;
  }
}

TEST_F(ObserverTest, ThresholdsOfLeastDivergenceAreThoseOfNumpy) {
  for (const auto& [name, golden] : Golden().items())
    EXPECT_FLOAT_EQ(Range(Count(GoldenValues(name)), Observer::kEntropy), golden["entropy"].get<float>()) << name;
}

TEST_F(ObserverTest, CountsAreThoseOfTheFinalWidthWhateverCameFirst) {
  std::vector<float> values = GoldenValues("tail");
  const InputHistogram once = Count(values);
  std::sort(values.begin(), values.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  values.insert(values.begin(), 1000, 0.0F);
  const InputHistogram rising = Count(values, 1000);
  EXPECT_EQ(rising.width(), once.width());
  EXPECT_EQ(rising.total(), once.total() + 1000);
  std::vector<uint64_t> want = once.counts();
  want[0] += 1000;
  EXPECT_EQ(rising.counts(), want);
  ThreadPool one(1);
  InputHistogram alone;
  alone.Add(GoldenValues("tail"), one);
  EXPECT_EQ(alone.counts(), once.counts());
  for (const Observer observer : kObservers)
    EXPECT_EQ(ObservedRange(alone, {observer, 99}, one), Range(once, observer, 99)) << Name(observer);
}

TEST_F(ObserverTest, WithoutValuesOrWithZerosAloneTheRangeIsZero) {
  for (const Observer observer : kObservers) {
    EXPECT_EQ(Range(InputHistogram(), observer), 0) << Name(observer);
    EXPECT_EQ(Range(Count(std::vector<float>(500)), observer), 0) << Name(observer);
  }
}

TEST_F(ObserverTest, OneMagnitudeAloneIsTheRange) {
  for (const float value : {0.3F, -2.0F, 1e-30F, 1e-42F, 3e38F}) {
    for (const Observer observer : kObservers) {
      EXPECT_EQ(Range(Count(std::vector<float>(500, value)), observer), std::fabs(value))
          << Name(observer) << " " << value;
      EXPECT_EQ(Range(Count({value}), observer), std::fabs(value)) << Name(observer) << " " << value;
    }
  }
}

// 99.9 % of fewer than 1000 magnitudes are all of them.
TEST_F(ObserverTest, OfFewValuesAHighPercentileIsTheLargest) {
  std::vector<float> values(999, 1.0F);
  values[500] = 7;
  EXPECT_EQ(Range(Count(values), Observer::kPercentile), 7);
  values.resize(2000, 1.0F);
  EXPECT_LT(Range(Count(values), Observer::kPercentile), 1.001F);
}

}  // namespace
}  // namespace octet
