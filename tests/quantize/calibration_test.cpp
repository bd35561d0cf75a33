#include "quantize/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/json.h"
#include "formats/safetensors.h"
#include "models/hf_config.h"
#include "quantize/calibration_pass.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/editable_source.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

using testing::HasSubstr;

constexpr size_t kCalibrationTokens = 44;

class Calibration : public testing::Test {
 protected:
  Result<InputRanges> Measure(const Checkpoint& checkpoint, const CalibrationText& text, size_t threads = 2,
                              ComputeType compute = ComputeType::kF32) {
    ThreadPool pool(threads);
    return MeasureInputs(checkpoint, text, {.compute = compute}, {pool, progress_, cancel_});
  }
  static CalibrationText GoldenText(const std::string& name) {
    CalibrationText text = {ReadGolden(name).ids};
    text.front().resize(kCalibrationTokens);
    return text;
  }

  TemporaryDirectory directory_;
  Progress progress_;
  CancelFlag cancel_;
};

// tools/golden/input_ranges.py
TEST_F(Calibration, RangesAreThoseOfPyTorch) {
  const Json golden = ReadJsonFile(OCTET_SOURCE_DIR "/tests/golden/quantize/input_ranges.json");
  for (const auto& [name, want] : golden.items()) {
    const InputRanges got = Must(Measure(Must(Checkpoint::Open(GoldenModel(name))), GoldenText(name)));
    EXPECT_EQ(got.size(), want.size()) << name;
    for (const auto& [slot, amax] : want.items()) {
      ASSERT_TRUE(got.contains(slot)) << name << " " << slot;
      EXPECT_NEAR(got.at(slot), amax.get<float>(), 1e-4 * amax.get<float>()) << name << " " << slot;
    }
  }
}

TEST_F(Calibration, RangesAreTheSameBitsForAnyNumberOfThreadsAndTheLargestOfAllWindows) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  CalibrationText text = GoldenText("llama3");
  text.push_back({5, 6, 7});
  const InputRanges both = Must(Measure(checkpoint, text, 2, ComputeType::kAuto));
  EXPECT_EQ(Must(Measure(checkpoint, text, 1, ComputeType::kAuto)), both);
  const InputRanges first = Must(Measure(checkpoint, {text[0]}, 2, ComputeType::kAuto));
  const InputRanges second = Must(Measure(checkpoint, {text[1]}, 2, ComputeType::kAuto));
  for (const auto& [slot, amax] : both) EXPECT_EQ(amax, std::max(first.at(slot), second.at(slot))) << slot;
}

// A norm of zeros makes inputs of zeros, one weight that isn't 0 a single channel; text is three tokens.
TEST_F(Calibration, ObserversOfDeadInputsAndOfTheShortestTextGiveScalesThatWork) {
  Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  auto source = std::make_shared<EditableSource>(*checkpoint.tensors);
  for (const char* name : {"model.layers.0.input_layernorm.weight", "model.layers.1.input_layernorm.weight"}) {
    std::vector<float> norm(ReadTensor(*source, name).size());
    if (std::string_view(name).find("1") != std::string_view::npos) norm[7] = 2;
    source->Set(name, DType::kF32, {norm.size()}, norm);
  }
  checkpoint.tensors = source;
  ThreadPool pool(2);
  const auto measure = [&](Observer observer) {
    return Must(MeasureInputs(checkpoint, {{5, 6, 7}}, {.observer = {observer}}, {pool, progress_, cancel_}));
  };
  const InputRanges amax = measure(Observer::kAmax);
  for (const Observer observer : {Observer::kPercentile, Observer::kMse, Observer::kEntropy}) {
    const InputRanges ranges = measure(observer);
    ASSERT_EQ(ranges.size(), amax.size());
    EXPECT_EQ(ranges.at("layers.0.attn.qkv"), 0);
    for (const auto& [slot, range] : ranges) {
      EXPECT_LE(range, amax.at(slot)) << slot;
      EXPECT_GE(range, 0.06F * amax.at(slot)) << slot;
    }
    QuantizePlan plan = Must(PlanQuantization(checkpoint, *Must(FindRecipe("fp8-static")), {}));
    plan.inputs = ranges;
    const QuantizeReport report =
        Must(QuantizeCheckpoint(checkpoint, plan, directory_ / "out", {pool, progress_, cancel_}));
    EXPECT_THAT(report.without_range, testing::ElementsAre("layers.0.attn.qkv", "layers.0.attn.out"));
    const Checkpoint made = Must(Checkpoint::Open(directory_ / "out"));
    EXPECT_EQ(ReadTensor(*made.tensors, "model.layers.0.self_attn.q_proj.input_scale"), std::vector<float>{1});
  }
}

// What an observer counts goes by the encoding of each matrix: blocks of 16 for a head in NVFP4, behind layers in FP8.
TEST_F(Calibration, AnObserverCountsWhatTheHeadsEncodingNeeds) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  ThreadPool pool(2);
  const auto measure = [&](Encoding layers, Encoding head) {
    const MeasureOptions options{.observer = {Observer::kPercentile, 50}, .layers = layers, .head = head};
    return Must(MeasureInputs(checkpoint, GoldenText("llama3"), options, {pool, progress_, cancel_}));
  };
  const InputRanges fp8 = measure(Encoding::kE4M3Tensor, Encoding::kE4M3Tensor);
  const InputRanges nvfp4 = measure(Encoding::kNvfp4, Encoding::kNvfp4);
  const InputRanges mixed = measure(Encoding::kE4M3Tensor, Encoding::kNvfp4);
  EXPECT_LT(fp8.at("head"), nvfp4.at("head")) << "the largest of 16 is above the median of all";
  EXPECT_EQ(mixed.at("head"), nvfp4.at("head"));
  EXPECT_EQ(mixed.at("layers.0.attn.qkv"), fp8.at("layers.0.attn.qkv"));
}

// Without a directory for what memory doesn't hold, memory has to do.
TEST_F(Calibration, ScratchThatIsntThereMattersWhereItIsNeeded) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  const CalibrationText text = GoldenText("llama3");
  ThreadPool pool(2);
  const QuantizeRun run{pool, progress_, cancel_, directory_ / "nowhere"};
  EXPECT_TRUE(CalibrationPass::Start(checkpoint, text, {}, run).has_value());
  const Result<CalibrationPass> pass = CalibrationPass::Start(checkpoint, text, {.most_in_memory = 0}, run);
  ASSERT_FALSE(pass.has_value());
  EXPECT_EQ(pass.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(pass.error().message, HasSubstr("nowhere: no file can be made there: No such file or directory"));
}

// Of a layer's last matrix only the next layer's inputs tell, or the head's.
TEST_F(Calibration, InputsThatAreNoNumbersAreAnErrorThatNamesTheWeight) {
  const Checkpoint original = Must(Checkpoint::Open(GoldenModel("llama3")));
  const size_t last = Must(ReadHfConfig(original.config, "llama3")).layers.size() - 1;
  for (const std::string& name :
       {std::string("model.embed_tokens.weight"), std::string("model.layers.1.input_layernorm.weight"),
        std::string("model.layers.0.mlp.down_proj.weight"), Cat("model.layers.", last, ".mlp.down_proj.weight"),
        std::string("model.norm.weight")}) {
    Checkpoint checkpoint = original;
    auto source = std::make_shared<EditableSource>(*original.tensors);
    std::vector<float> values = ReadTensor(*source, name);
    const Shape shape = source->Find(name)->shape;
    const size_t at = RowSize(shape) * (RowCount(shape) == 1 ? 0 : 5) + 7;  // row 5 of the embedding is in the text
    values[at] = std::numeric_limits<float>::infinity();
    source->Set(name, DType::kF32, shape, values);
    checkpoint.tensors = source;
    const Result<InputRanges> ranges = Measure(checkpoint, {{5, 6, 7}});
    ASSERT_FALSE(ranges.has_value()) << name;
    EXPECT_EQ(ranges.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(ranges.error().message, HasSubstr(Cat("tensor `", name, "`, row ", at / RowSize(shape), ", column 7")));
    EXPECT_THAT(ranges.error().message, HasSubstr("is infinite"));
  }
}

TEST_F(Calibration, ACancelledRunStops) {
  cancel_.Request();
  const Result<InputRanges> ranges = Measure(Must(Checkpoint::Open(GoldenModel("llama3"))), GoldenText("llama3"));
  ASSERT_FALSE(ranges.has_value());
  EXPECT_EQ(ranges.error().code, ErrorCode::kCancelled);
}

// The scale of a matrix's inputs is read where its tensors say, and the products round by it.
TEST_F(Calibration, WhatWasMeasuredIsWrittenForEveryMatrixAndReadBack) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("phi3_short")));  // fused tensors
  QuantizePlan plan = Must(PlanQuantization(checkpoint, *Must(FindRecipe("nvfp4")), {}));
  plan.inputs = Must(Measure(checkpoint, GoldenText("phi3_short")));
  plan.calibration_tokens = kCalibrationTokens;
  ThreadPool pool(2);
  const QuantizeReport report =
      Must(QuantizeCheckpoint(checkpoint, plan, directory_ / "out", {pool, progress_, cancel_}));
  EXPECT_EQ(report.calibration_tokens, kCalibrationTokens);
  const Checkpoint made = Must(Checkpoint::Open(directory_ / "out"));
  const ModelSpec spec = Must(ReadHfConfig(made.config, "out"));
  CheckpointWeights weights = Must(CheckpointWeights::Open(made, spec, ComputeType::kAuto, pool));
  for (const auto& [slot, amax] : plan.inputs) {
    if (slot == "head") continue;  // it stays
    const float want = amax / (6 * 448);
    EXPECT_NEAR(Must(weights.Matrix(slot)).input_scale, want, 1e-6 * want) << slot;
  }
  const Json inputs = made.config["quantization_config"]["config_groups"]["group_0"]["input_activations"];
  EXPECT_EQ(inputs["dynamic"], "local");
  EXPECT_EQ(inputs["strategy"], "tensor_group");
  EXPECT_EQ(inputs["num_bits"], 4);
}

}  // namespace
}  // namespace octet
