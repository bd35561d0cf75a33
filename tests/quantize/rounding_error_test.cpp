#include "quantize/rounding_error.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/json.h"
#include "base/mapped_file.h"
#include "quantize/rounding_study.h"
#include "tests/models/golden_model.h"
#include "tests/quantize/waves.h"

namespace octet {
namespace {

double Of(const std::array<double, kStudiedFormats>& decibels, StudiedFormat format) {
  return decibels[static_cast<size_t>(format)];
}

// Made by tools/golden/rounding.py with numpy and ml_dtypes: an input that is 40 times the others, ragged blocks.
TEST(RoundingError, EveryFormatHasTheNoiseThatNumpyFinds) {
  const Json golden = ReadJsonFile(OCTET_SOURCE_DIR "/tests/golden/quantize/rounding.json");
  const auto inputs = golden["inputs"].get<std::vector<float>>(), weights = golden["weights"].get<std::vector<float>>();
  ThreadPool pool(2);
  const RoundingErrors errors = MeasureRounding(inputs, weights, golden["width"], pool);
  EXPECT_NEAR(errors.peak, golden["peak"].get<double>(), 1e-5);
  for (size_t i = 0; i < kStudiedFormats; ++i) {
    const std::string name(Name(static_cast<StudiedFormat>(i)));
    // A scale that is off by a bit can send a value at a tie elsewhere: one of 900, a step further.
    EXPECT_NEAR(errors.inputs[i], golden["inputs_db"][name].get<double>(), 0.02) << name;
    EXPECT_NEAR(errors.products[i], golden["products_db"][name].get<double>(), 0.02) << name;
  }
}

// A value changes by half a step at most, which is the peak over 254: with a peak of p over the root mean square the
// noise is (p / 127)^2 / 4 of the signal at most. E4M3 halves no step for the largest alone: its errors are a 16th of
// each value at most, above its smallest normal number.
TEST(RoundingError, Int8LosesWithThePeakAndFp8DoesNot) {
  ThreadPool pool(1);
  const size_t width = 64;
  std::vector<float> inputs = Waves(40 * width);
  const std::vector<float> weights = Waves(3 * width);
  const double before = Of(MeasureRounding(inputs, weights, width, pool).inputs, StudiedFormat::kInt8Tensor);
  for (size_t token = 0; token < 40; ++token) inputs[token * width + 7] = 20;
  const RoundingErrors after = MeasureRounding(inputs, weights, width, pool);
  const double steps = 127 / after.peak;
  EXPECT_GE(Of(after.inputs, StudiedFormat::kInt8Tensor), 10 * std::log10(4 * steps * steps));
  EXPECT_LT(Of(after.inputs, StudiedFormat::kInt8Tensor), before);
  EXPECT_GE(Of(after.inputs, StudiedFormat::kFp8Tensor), 20 * std::log10(16));
}

TEST(RoundingError, ZerosAreExactEverywhere) {
  ThreadPool pool(1);
  const std::vector<float> zeros(64);
  const RoundingErrors errors = MeasureRounding(zeros, zeros, 32, pool);
  EXPECT_EQ(errors.peak, 0);
  for (size_t i = 0; i < kStudiedFormats; ++i) {
    EXPECT_TRUE(std::isinf(errors.inputs[i]));
    EXPECT_TRUE(std::isinf(errors.products[i]));
  }
}

TEST(RoundingStudy, EveryMatrixOfEveryLayerIsThereWithTheSameBitsForAnyNumberOfThreads) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  const size_t layers = Must(ReadHfConfig(checkpoint.config, "llama3")).layers.size();
  const CalibrationText windows = {ReadGolden("llama3").ids, {5, 6, 7}};
  Progress progress;
  CancelFlag cancel;
  ThreadPool one(1), three(3);
  const std::vector<StudiedMatrix> a = Must(StudyRounding(checkpoint, windows, {one, progress, cancel}));
  const std::vector<StudiedMatrix> b = Must(StudyRounding(checkpoint, windows, {three, progress, cancel}));
  ASSERT_EQ(a.size(), 4 * layers);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].layer, i / 4);
    EXPECT_EQ(a[i].slot, LayerSlot(a[i].layer, a[i].part));
    EXPECT_EQ(a[i].errors.products, b[i].errors.products) << a[i].slot;
    EXPECT_EQ(a[i].errors.inputs, b[i].errors.inputs) << a[i].slot;
    EXPECT_GT(Of(a[i].errors.products, StudiedFormat::kInt8Rows), Of(a[i].errors.products, StudiedFormat::kInt4));
  }
}

}  // namespace
}  // namespace octet
