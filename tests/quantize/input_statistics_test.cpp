#include "quantize/input_statistics.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "quantize/calibration_pass.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/golden_model.h"
#include "tests/quantize/waves.h"

namespace octet {
namespace {

constexpr size_t kTokens = 9, kInputs = 5;

class StatisticsTest : public testing::Test {
 protected:
  ThreadPool pool_{2};
  nn::ExecutionContext context_{pool_, kernels::ActiveKernels()};
};

TEST_F(StatisticsTest, MomentsAndMagnitudesAreThoseOfAllCalls) {
  InputCollector collector(context_, kernels::WeightFormat::kF32, /*moments=*/true);
  std::vector<float> x = Waves(kTokens * kInputs);
  x[17] = -3;
  collector.OnInput("a", x.data(), 4, kInputs, kInputs);
  collector.OnInput("b", x.data(), 1, 2, 2);
  collector.OnInput("a", x.data() + 4 * kInputs, kTokens - 4, kInputs, kInputs);
  const LayerInputs inputs = Must(collector.Take());
  const InputStatistics& a = inputs.at("a");
  EXPECT_EQ(a.rows, kTokens);
  EXPECT_EQ(a.amax, 3);
  EXPECT_EQ(inputs.at("b").width, 2u);
  for (size_t i = 0; i < kInputs; ++i) {
    for (size_t j = 0; j < kInputs; ++j) {
      double want = 0;
      for (size_t row = 0; row < kTokens; ++row)
        want += static_cast<double>(x[row * kInputs + i]) * x[row * kInputs + j];
      EXPECT_NEAR(a.moments[i * kInputs + j], want, 1e-5) << i << ", " << j;
    }
    EXPECT_FLOAT_EQ(a.MeanSquares()[i], a.moments[i * kInputs + i] / kTokens);
  }
}

TEST_F(StatisticsTest, SquaresBeyondTheRangeOfFloatsAreAnErrorThatNamesTheMatrix) {
  InputCollector collector(context_, kernels::WeightFormat::kF32, /*moments=*/true);
  const std::vector<float> x = {1e20F, 1};
  collector.OnInput("layers.0.attn.out", x.data(), 1, 2, 2);
  const Result<LayerInputs> inputs = collector.Take();
  ASSERT_FALSE(inputs.has_value());
  EXPECT_EQ(inputs.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(inputs.error().message, testing::HasSubstr("inputs of layers.0.attn.out reach 1e+20"));
}

// What a large model's calibration can do: streams in a file instead of memory.
TEST_F(StatisticsTest, APassGivesTheSameBitsWithItsStreamsInAFileAndForAnyNumberOfThreads) {
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("smollm2")));
  const CalibrationText text = {ReadGolden("smollm2").ids, {5, 6, 7}};
  Progress progress;
  const CancelFlag cancel;
  std::map<std::string, std::vector<float>> first;
  for (const size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    CalibrationPass pass = Must(CalibrationPass::Start(
        checkpoint, text,
        {.moments = true, .scratch = directory / "", .most_in_memory = threads == 1 ? uint64_t{1} << 30 : 0},
        {pool, progress, cancel}));
    std::map<std::string, std::vector<float>> all;
    for (size_t layer = 0; layer < pass.layers(); ++layer) {
      for (auto& [slot, inputs] : Must(pass.Measure())) all[slot] = inputs.moments;
      ASSERT_TRUE(pass.Advance().has_value());
    }
    all["head"] = Must(pass.Head()).moments;
    EXPECT_EQ(all.size(), 4 * pass.layers() + 1);
    if (first.empty()) first = all;
    EXPECT_EQ(all, first);
  }
}

}  // namespace
}  // namespace octet
