#include "quantize/input_statistics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/hf_config.h"
#include "quantize/calibration_pass.h"
#include "quantize/edited_source.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/editable_source.h"
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
  InputCollector collector(context_, kernels::WeightFormat::kF32, {.moments = true});
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

TEST_F(StatisticsTest, SamplesAreOneTokenOfEachPartOfTheTextHoweverItIsCut) {
  const std::vector<float> x = Waves(kTokens * kInputs);
  std::vector<float> first;
  for (size_t cut = 1; cut < kTokens; ++cut) {
    InputCollector collector(context_, kernels::WeightFormat::kF32, {.sampled_tokens = 3}, kTokens);
    const auto middle = x.begin() + static_cast<std::ptrdiff_t>(cut * kInputs);
    for (const std::vector<float>& rows : {std::vector(x.begin(), middle), std::vector(middle, x.end())})
      collector.OnInput("a", rows.data(), rows.size() / kInputs, kInputs, kInputs);
    const LayerInputs inputs = Must(collector.Take());
    const InputStatistics& a = inputs.at("a");
    ASSERT_EQ(a.samples.size(), 3 * kInputs);
    for (size_t part = 0; part < 3; ++part) {
      const auto begin = x.begin() + static_cast<std::ptrdiff_t>(part * 3 * kInputs);
      const auto row = a.samples.begin() + static_cast<std::ptrdiff_t>(part * kInputs);
      const auto end = begin + 3 * kInputs;
      EXPECT_NE(std::search(begin, end, row, row + kInputs), end) << part;
    }
    for (size_t i = 0; i < kInputs; ++i) {
      float largest = 0;
      for (size_t row = 0; row < kTokens; ++row) largest = std::max(largest, std::fabs(x[row * kInputs + i]));
      EXPECT_EQ(a.column_amax[i], largest);
    }
    EXPECT_TRUE(a.moments.empty());
    if (first.empty()) first = a.samples;
    EXPECT_EQ(a.samples, first);
  }
  InputCollector all(context_, kernels::WeightFormat::kF32, {.sampled_tokens = 100}, kTokens);
  all.OnInput("a", x.data(), kTokens, kInputs, kInputs);
  EXPECT_EQ(Must(all.Take()).at("a").samples, x);
}

// Blocks of two inputs of five: the last of one.
TEST_F(StatisticsTest, MagnitudesAreCountedOneByOneOrTheLargestOfABlock) {
  const std::vector<float> x = {1, -4, 0.5F, 0, 3, /**/ -2, 1, 0, 0, -8};
  std::map<size_t, InputHistogram> histograms;
  for (const size_t block : {1, 2}) {
    InputCollector collector(context_, kernels::WeightFormat::kF32, {.counted_block = block});
    collector.OnInput("a", x.data(), 1, kInputs, kInputs);
    collector.OnInput("a", x.data() + kInputs, 1, kInputs, kInputs);
    histograms[block] = Must(collector.Take()).at("a").histogram;
  }
  const auto count_of = [&](size_t block, double magnitude) {
    const InputHistogram& histogram = histograms.at(block);
    return histogram.counts().at(static_cast<size_t>(magnitude / histogram.width()));
  };
  EXPECT_EQ(histograms.at(1).total(), 10u);
  EXPECT_EQ(count_of(1, 0), 3u);
  EXPECT_EQ(count_of(1, 1), 2u);
  EXPECT_EQ(count_of(1, 8), 1u);
  EXPECT_EQ(histograms.at(2).total(), 6u);
  EXPECT_EQ(count_of(2, 0), 1u);
  EXPECT_EQ(count_of(2, 0.5), 1u);
  EXPECT_EQ(count_of(2, 1), 0u);
  for (const double magnitude : {2, 3, 4, 8}) EXPECT_EQ(count_of(2, magnitude), 1u) << magnitude;
}

TEST_F(StatisticsTest, SquaresBeyondTheRangeOfFloatsAreAnErrorThatNamesTheMatrix) {
  InputCollector collector(context_, kernels::WeightFormat::kF32, {.moments = true});
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
    CalibrationPass pass = Must(CalibrationPass::Start(checkpoint, text,
                                                       {.wanted = {.moments = true},
                                                        .scratch = directory / "",
                                                        .most_in_memory = threads == 1 ? uint64_t{1} << 30 : 0},
                                                       {pool, progress, cancel}));
    std::map<std::string, std::vector<float>> all;
    for (size_t layer = 0; layer < pass.layers(); ++layer) {
      for (auto& [slot, inputs] : Must(pass.Measure())) all[slot] = inputs.moments;
      ASSERT_TRUE(pass.Advance().has_value());
    }
    all["head"] = Must(pass.Head({.moments = true})).moments;
    EXPECT_EQ(all.size(), 4 * pass.layers() + 1);
    if (first.empty()) first = all;
    EXPECT_EQ(all, first);
  }
}

// Against sums in double over inputs of all tokens, of the original and of a model whose first layer has other weights.
TEST_F(StatisticsTest, ThePartsOfALayerAreMeasuredBehindChangedWeightsWithTheirDriftFromTheOriginal) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  const CalibrationText text = {ReadGolden("llama3").ids, {5, 6, 7}};
  const size_t tokens = TokensOf(text);
  Progress progress;
  const CancelFlag cancel;
  const QuantizeRun run{pool_, progress, cancel};
  EditedSource edited(*checkpoint.tensors);
  Checkpoint changed = checkpoint;
  changed.tensors = std::shared_ptr<const TensorSource>(checkpoint.tensors, &edited);
  const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, "llama3"));
  CheckpointWeights weights = Must(CheckpointWeights::Open(changed, spec, ComputeType::kAuto, pool_));
  const StatisticsWanted wanted{.moments = true, .sampled_tokens = tokens};
  CalibrationPass original = Must(CalibrationPass::Start(checkpoint, text, {.wanted = wanted}, run));
  CalibrationPass pass =
      Must(CalibrationPass::Start(checkpoint, text, {.wanted = wanted, .advances = false, .compares = true}, run));
  for (size_t layer = 0; layer < 2; ++layer) {
    const LayerInputs of_original = Must(original.Measure());
    for (const std::string_view part : kLayerParts) {
      const InputStatistics inputs = Must(pass.MeasurePart(part, weights));
      const std::vector<float>& o = of_original.at(LayerSlot(layer, part)).samples;
      const size_t width = inputs.width;
      ASSERT_EQ(inputs.samples.size(), tokens * width);
      const bool is_same = layer == 0 && part == "attn.qkv";
      EXPECT_EQ(inputs.samples == o, is_same) << layer << part;
      for (size_t i = 0; i < width; i += 3) {
        for (size_t j = 0; j < width; ++j) {
          double want = 0, size = 0;
          for (size_t t = 0; t < tokens * width; t += width) {
            const double add = (static_cast<double>(o[t + i]) - inputs.samples[t + i]) * inputs.samples[t + j];
            want += add;
            size += std::fabs(add);
          }
          ASSERT_NEAR(inputs.drift[i * width + j], want, 0.01 * size + 1e-6) << layer << part << i << ", " << j;
        }
      }
      if (layer == 0 && part == "attn.qkv") {
        const char* name = "model.layers.0.self_attn.v_proj.weight";
        std::vector<Bf16> values;
        for (const float value : ReadTensor(*checkpoint.tensors, name)) values.push_back(ToBf16(value * 1.5F));
        edited.Replace(name, std::move(values));
      }
    }
    ASSERT_TRUE(original.Advance().has_value());
    ASSERT_TRUE(pass.Advance(&weights).has_value());
  }
}

}  // namespace
}  // namespace octet
