// Checkpoints whose matrices are E4M3 in blocks of 128 x 128: what is read of them, what is refused, and the forward
// pass over them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editable_weights.h"

namespace octet {
namespace {

using kernels::WeightFormat;
using testing::HasSubstr;

// Feed-forward layers of 300, so that blocks end within both axes, gate and up stand joined at row 300, and the panel
// of 32 columns there holds rows of both.
constexpr size_t kWidth = 300;

void Widen(Checkpoint& checkpoint, EditableSource& source) {
  checkpoint.config["intermediate_size"] = kWidth;
  for (const TensorInfo& info : std::vector<TensorInfo>(source.tensors())) {
    Shape shape = info.shape;
    if (info.name.find(".mlp.") == std::string::npos || shape.size() != 2) continue;
    const bool is_down = info.name.find("down_proj") != std::string::npos;
    shape[is_down ? 1 : 0] = info.name.find("gate_up") == std::string::npos ? kWidth : 2 * kWidth;
    std::vector<float> values(shape[0] * shape[1]);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto at = static_cast<float>(i);
      values[i] = 0.2F * std::sin(at * 0.7F + static_cast<float>(info.name.size())) * std::cos(at * 0.013F);
    }
    source.Set(info.name, DType::kF32, shape, std::move(values));
  }
}

class Fp8Blocks : public EditableWeights {
 protected:
  void SetUp() override {
    Use("llama3");
    Widen(checkpoint, *source);
    spec = Must(ReadHfConfig(checkpoint.config, "llama3"));
  }
  // What the codes of a tensor stand for.
  std::vector<float> Want(const std::string& name) const { return ReadTensor(*source->Decoded(), name); }
};

TEST_F(Fp8Blocks, CodesAndScalesKeepTheirValuesInBothDialects) {
  const std::vector<float> original = ReadTensor(*source, kWeight);
  for (const char* suffix : {"_scale_inv", "_scale"}) {
    source->QuantiseBlocks(kWeight, suffix);
    const PackedMatrix down = Must(Down());
    EXPECT_EQ(down.format, WeightFormat::kE4M3Block);
    EXPECT_TRUE(down.column_scales.empty());
    EXPECT_EQ(Decoded(down), Want(kWeight)) << suffix;
    source->Remove(kWeight + suffix);
    source->Set(kWeight, DType::kF32, {64, kWidth}, original);
  }
}

// 64 x 64, one block: config.json tells its scale from one for the tensor. The weights are the same, not the rounding
// of inputs, which parts that are joined must share.
TEST_F(Fp8Blocks, ASingleScaleIsOneOfABlockWhereTheConfigurationSaysSo) {
  const std::string name = "model.layers.0.self_attn.o_proj.weight";
  source->QuantiseBlocks(name, "_scale");
  EXPECT_EQ(Must(Must(Open()).Matrix("layers.0.attn.out")).format, WeightFormat::kE4M3);
  checkpoint.config["quantization_config"] = {
      {"config_groups", {{"group_0", {{"weights", {{"strategy", "block"}, {"block_structure", {128, 128}}}}}}}}};
  const PackedMatrix out = Must(Must(Open()).Matrix("layers.0.attn.out"));
  EXPECT_EQ(out.format, WeightFormat::kE4M3Block);
  EXPECT_EQ(Decoded(out), Want(name));
}

TEST_F(Fp8Blocks, ScalesInBf16AreRead) {
  source->QuantiseBlocks(kWeight);
  std::vector<float> scales = ReadTensor(*source, kWeight + "_scale_inv");
  for (float& scale : scales) scale = ToFloat(ToBf16(scale));
  source->Set(kWeight + "_scale_inv", DType::kBf16, {1, 3}, scales);
  EXPECT_EQ(Decoded(Must(Down())), Want(kWeight));
}

TEST_F(Fp8Blocks, PartsThatDoNotBeginWithABlockKeepTheirOwnScales) {
  std::vector<float> want;
  for (const std::string part : {"gate", "up"}) {
    const std::string name = "model.layers.0.mlp." + part + "_proj.weight";
    source->QuantiseBlocks(name);
    const std::vector<float> of_part = Want(name);
    want.insert(want.end(), of_part.begin(), of_part.end());
  }
  CheckpointWeights weights = Must(Open());
  const PackedMatrix joined = Must(weights.Matrix("layers.0.ffn.gate_up"));
  EXPECT_EQ(joined.format, WeightFormat::kE4M3Block);
  EXPECT_EQ(joined.columns, 2 * kWidth);
  EXPECT_EQ(Decoded(joined), want);
}

TEST_F(Fp8Blocks, BlocksOfAFusedTensorReachOverItsParts) {
  Use("phi3_short");
  Widen(checkpoint, *source);
  spec = Must(ReadHfConfig(checkpoint.config, "phi3_short"));
  const std::string name = "model.layers.0.mlp.gate_up_proj.weight";
  source->QuantiseBlocks(name);
  CheckpointWeights weights = Must(Open());
  EXPECT_EQ(Decoded(Must(weights.Matrix("layers.0.ffn.gate_up"))), Want(name));
}

TEST_F(Fp8Blocks, WhatTheyTakeIsWhatTheMatricesHave) {
  source->QuantiseBlocks(kWeight);
  CheckpointWeights weights = Must(Open());
  EXPECT_EQ(weights.bytes(), BytesOfAll(weights));
}

TEST_F(Fp8Blocks, ScalesOfAnotherShapeAreRefusedWithBothBeforeAnythingIsPacked) {
  source->QuantiseBlocks(kWeight);
  source->Set(kWeight + "_scale_inv", DType::kF32, {1, 5}, std::vector<float>(5, 1));
  const Result<CheckpointWeights> weights = Open();
  ASSERT_FALSE(weights.has_value());
  EXPECT_EQ(weights.error().message, "model: scale " + kWeight +
                                         "_scale_inv has shape [1, 5]; 64 x 300 weights in blocks of 128 x 128 have "
                                         "[1, 3]");
  source->Set(kWeight + "_scale_inv", DType::kE4M3, {1, 3}, std::vector<float>(3, 1));
  EXPECT_EQ(Message(ErrorCode::kUnsupported),
            "model: scale " + kWeight + "_scale_inv holds F8_E4M3; scales of blocks are F32, BF16 or F8_E8M0");
}

TEST_F(Fp8Blocks, ANumberForSeveralBlocksIsRefusedWhereAllAreInBlocks) {
  source->QuantiseBlocks(kWeight, "_scale");
  for (const Shape& shape : {Shape{1}, Shape{1, 1}, Shape{}}) {
    source->Set(kWeight + "_scale", DType::kF32, shape, {1});
    const Json blocks = {{"weights", {{"type", "float"}, {"block_structure", {128, 128}}}}};
    checkpoint.config["quantization_config"] = {{"config_groups", {{"group_0", blocks}}}};
    EXPECT_THAT(Message(ErrorCode::kCorrupt), testing::HasSubstr("in blocks of 128 x 128 have [1, 3]"));
    const Json tensors = {{"weights", {{"type", "float"}, {"strategy", "tensor"}}}};
    checkpoint.config["quantization_config"] = {{"config_groups", {{"group_0", blocks}, {"group_1", tensors}}}};
    EXPECT_EQ(Must(Down()).format, WeightFormat::kE4M3);
  }
}

TEST_F(Fp8Blocks, AScaleUnderBothNamesIsRefused) {
  source->QuantiseBlocks(kWeight, "_scale");
  source->Set(kWeight + "_scale_inv", DType::kF32, {1, 3}, {1, 1, 1});
  EXPECT_THAT(Message(ErrorCode::kCorrupt),
              testing::HasSubstr("are both there; which of them scales the weights is open"));
}

TEST_F(Fp8Blocks, BlocksOfAnotherSizeAreRefusedWithBoth) {
  source->QuantiseBlocks(kWeight);
  checkpoint.config["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}};
  EXPECT_TRUE(Open().has_value());
  checkpoint.config["quantization_config"]["weight_block_size"] = {64, 128};
  EXPECT_EQ(Message(ErrorCode::kUnsupported), "model: tensor " + kWeight +
                                                  " is scaled in blocks of [64,128] (quantization_config of "
                                                  "config.json); blocks of 128 x 128 are known");
  source->Rename(kWeight + "_scale_inv", kWeight + "_scale");
  checkpoint.config["quantization_config"] = {
      {"config_groups", {{"group_0", {{"weights", {{"strategy", "block"}, {"block_structure", {32, 32}}}}}}}}};
  EXPECT_THAT(Message(ErrorCode::kUnsupported), HasSubstr("in blocks of [32,32]"));
  checkpoint.config["quantization_config"]["config_groups"]["group_0"]["weights"]["block_structure"] = "128x128";
  EXPECT_TRUE(Open().has_value());
}

TEST_F(Fp8Blocks, AScaleThatIsNegativeOrNoNumberIsRefusedWithItsPlaceBeforeAnythingIsPacked) {
  source->QuantiseBlocks(kWeight);
  const std::vector<float> scales = ReadTensor(*source, kWeight + "_scale_inv");
  for (const auto& [value, text] : {std::pair{-0.5F, "-0.5"}, std::pair{NAN, "nan"}, std::pair{INFINITY, "inf"}}) {
    std::vector<float> bad = scales;
    bad[2] = value;
    source->Set(kWeight + "_scale_inv", DType::kF32, {1, 3}, bad);
    const Result<CheckpointWeights> weights = Open();
    ASSERT_FALSE(weights.has_value()) << value;
    EXPECT_EQ(weights.error().message, "model: scale " + kWeight + "_scale_inv is " + text +
                                           " in row 0, column 2, a finite number of 0 or more is expected");
  }
}

TEST_F(Fp8Blocks, ACodeThatIsNotANumberIsNamedWithItsPlace) {
  source->QuantiseBlocks(kWeight);
  std::vector<float> values = ReadTensor(*source, kWeight);
  values[33 * kWidth + 207] = NAN;
  source->Set(kWeight, DType::kE4M3, {64, kWidth}, std::move(values));
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("holds NaN in row 33, column 207"));
}

// Forward pass in every tier: every matrix in blocks but one of a pair that is joined otherwise.
class Fp8BlocksForward : public testing::TestWithParam<std::tuple<std::string, const kernels::KernelTable*>> {
 protected:
  void SetUp() override {
    const auto& [model, tier] = GetParam();
    ids_ = ReadGolden(model).ids;
    ids_.resize(44);
    checkpoint_ = Must(Checkpoint::Open(GoldenModel(model)));
    auto source = std::make_shared<EditableSource>(*checkpoint_.tensors);
    Widen(checkpoint_, *source);
    for (const TensorInfo& info : std::vector<TensorInfo>(source->tensors())) {
      const bool is_linear = info.name.find("_proj.weight") != std::string::npos || info.name == "lm_head.weight";
      if (is_linear && info.name.find("layers.1.mlp.up") == std::string::npos) source->QuantiseBlocks(info.name);
    }
    checkpoint_.tensors = source;
    decoded_ = checkpoint_;
    decoded_.tensors = source->Decoded();
  }
  std::vector<float> Got(size_t threads, size_t chunk, nn::ActivationMode activations) const {
    TinyModel model(checkpoint_, ComputeType::kAuto, *std::get<1>(GetParam()), threads);
    model.context.activations = activations;
    return model.Logits(ids_, chunk);
  }

  std::vector<int32_t> ids_;
  Checkpoint checkpoint_, decoded_;
};

INSTANTIATE_TEST_SUITE_P(Models, Fp8BlocksForward,
                         testing::Combine(testing::Values("llama3", "qwen2", "phi3_short", "gemma3"),
                                          testing::ValuesIn(kernels::AvailableTiers().begin(),
                                                            kernels::AvailableTiers().end())),
                         [](const testing::TestParamInfo<Fp8BlocksForward::ParamType>& test) {
                           return Cat(std::get<0>(test.param), "_", std::get<1>(test.param)->name);
                         });

TEST_P(Fp8BlocksForward, LogitsStayWithinANormBoundOfTheDecodedWeights) {
  TinyModel want(decoded_, ComputeType::kF32, kernels::ActiveKernels());
  const double layers = checkpoint_.config.at("num_hidden_layers").get<double>();
  const double bound = 8 * layers / 512;  // as in decoder_test
  const std::vector<float> logits = want.Logits(ids_, ids_.size());
  EXPECT_LT(RelativeError(Got(1, ids_.size(), nn::ActivationMode::kBf16), logits), bound);
  const double error = RelativeError(Got(1, ids_.size(), nn::ActivationMode::kE4M3), logits);
  EXPECT_LT(error, std::sqrt((4 * layers + 1) / 2) / 16 + bound);  // as in fp8_forward_test
  EXPECT_GT(error, bound / 8) << "nothing was rounded";
}

TEST_P(Fp8BlocksForward, LogitsAreTheSameBitsForAnyThreadsAndCuts) {
  for (const nn::ActivationMode activations : {nn::ActivationMode::kBf16, nn::ActivationMode::kE4M3}) {
    const std::vector<float> whole = Got(1, ids_.size(), activations);
    for (const size_t chunk : {1, 3, 16}) EXPECT_EQ(Got(2, chunk, activations), whole) << "chunks of " << chunk;
  }
}

}  // namespace
}  // namespace octet
