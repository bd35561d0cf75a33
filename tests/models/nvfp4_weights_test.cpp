// Checkpoints whose matrices are NVFP4: what is read of them, what is refused, and the forward pass over them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editable_weights.h"

namespace octet {
namespace {

using kernels::WeightFormat;
using testing::HasSubstr;

class Nvfp4Weights : public EditableWeights {
 protected:
  static inline const std::string kGlobal = kModule + ".weight_global_scale";
};

TEST_F(Nvfp4Weights, CodesAndScalesKeepTheirValues) {
  source->QuantiseNvfp4(kWeight);
  const PackedMatrix down = Must(Down());
  EXPECT_EQ(down.format, WeightFormat::kNvfp4);
  EXPECT_EQ(down.column_scales.size(), 64u);
  EXPECT_EQ(Decoded(down), source->Codes(kWeight));
}

// The same numbers under ModelOpt's names, whose factor is the reciprocal.
TEST_F(Nvfp4Weights, TheDialectOfModelOptMeansTheSame) {
  source->QuantiseNvfp4(kWeight);
  const float global = ReadTensor(*source, kGlobal)[0];
  source->Rename(kPacked, kWeight);
  source->Remove(kGlobal);
  source->Set(kModule + ".weight_scale_2", DType::kF32, {}, {1 / global});
  source->Set(kModule + ".input_scale", DType::kF32, {}, {0.5F});
  const PackedMatrix down = Must(Down());
  EXPECT_EQ(down.format, WeightFormat::kNvfp4);
  EXPECT_EQ(Decoded(down), source->Codes(kWeight));
  EXPECT_EQ(down.input_scale, 0.5F);
  source->Set(kModule + ".svdquant_lora_a", DType::kF32, {16, 96}, std::vector<float>(16 * 96, 1));
  EXPECT_EQ(Message(ErrorCode::kUnsupported),
            "model: tensor " + kModule +
                ".svdquant_lora_a is there: a product of two matrices is added, which "
                "isn't known");
}

TEST_F(Nvfp4Weights, ScaleOfInputsIsTheReciprocalOfWhatCompressedTensorsStores) {
  source->QuantiseNvfp4(kWeight);
  EXPECT_EQ(Must(Down()).input_scale, 0);
  const std::string name = kModule + ".input_global_scale";
  source->Set(name, DType::kF32, {1}, {8.0F});
  EXPECT_EQ(Must(Down()).input_scale, 0.125F);
  for (const auto& [bad, text] : {std::pair{0.0F, "0"}, {-1.0F, "-1"}, {INFINITY, "inf"}, {NAN, "nan"}}) {
    source->Set(name, DType::kF32, {1}, {bad});
    EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: scale " + name + " is " + text + ", a number above 0 is expected");
  }
  source->Set(name, DType::kF32, {2}, {1, 1});
  EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: tensor " + name + " has shape [2] in F32; NVFP4 has [1] in F32");
}

TEST_F(Nvfp4Weights, PartsWithDifferentGlobalScalesAreJoined) {
  std::vector<float> want;
  for (const std::string part : {"gate", "up"}) {
    const std::string name = "model.layers.0.mlp." + part + "_proj.weight";
    source->QuantiseNvfp4(name);
    want.insert(want.end(), source->Codes(name).begin(), source->Codes(name).end());
  }
  EXPECT_NE(ReadTensor(*source, "model.layers.0.mlp.gate_proj.weight_global_scale"),
            ReadTensor(*source, "model.layers.0.mlp.up_proj.weight_global_scale"));
  CheckpointWeights weights = Must(Open());
  const PackedMatrix joined = Must(weights.Matrix("layers.0.ffn.gate_up"));
  EXPECT_EQ(joined.columns, 192u);
  EXPECT_EQ(Decoded(joined), want);
}

TEST_F(Nvfp4Weights, WhatTheyTakeIsWhatTheMatricesHave) {
  source->QuantiseNvfp4(kWeight);
  CheckpointWeights weights = Must(Open());
  EXPECT_EQ(weights.bytes(), BytesOfAll(weights));
  EXPECT_FALSE(weights.all_f32());
}

TEST_F(Nvfp4Weights, AMissingScaleIsNamed) {
  source->QuantiseNvfp4(kWeight);
  source->Remove(kGlobal);
  EXPECT_EQ(Message(ErrorCode::kNotFound),
            "model: tensor " + kPacked + " holds codes of four bits, but " + kGlobal + " is missing");
  source->Remove(kScale);
  EXPECT_EQ(Message(ErrorCode::kNotFound),
            "model: tensor " + kPacked + " holds codes of four bits, but " + kScale + " is missing");
}

TEST_F(Nvfp4Weights, ScalesOfAnotherShapeOrTypeAreNamedWithBoth) {
  source->QuantiseNvfp4(kWeight);
  source->Set(kScale, DType::kE4M3, {64, 3}, std::vector<float>(64 * 3, 1));
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kScale + " has shape [64, 3] in F8_E4M3; NVFP4 has [64, 6] in F8_E4M3");
  source->Set(kScale, DType::kU8, {64, 3}, std::vector<float>(64 * 3));  // MXFP4
  EXPECT_EQ(Message(ErrorCode::kUnsupported),
            "model: tensor " + kScale + " has shape [64, 3] in U8; NVFP4 has [64, 6] in F8_E4M3");
}

TEST_F(Nvfp4Weights, AScaleThatIsNegativeOrNoNumberIsNamedWithItsPlace) {
  for (const auto& [value, text] : {std::pair{-0.5F, "-0.5"}, std::pair{NAN, "nan"}}) {
    Use("llama3");
    source->QuantiseNvfp4(kWeight);
    std::vector<float> scales = ReadTensor(*source, kScale);
    scales[33 * 6 + 2] = value;
    source->Set(kScale, DType::kE4M3, {64, 6}, scales);
    EXPECT_EQ(Message(ErrorCode::kCorrupt),
              "model: scale " + kScale + " is " + text + " in row 33, block 2; scales of NVFP4 are 0 to 448");
  }
}

TEST_F(Nvfp4Weights, AGlobalScaleThatIsNoNumberAboveZeroIsRefused) {
  for (const float value : {0.0F, -1.0F, INFINITY, NAN}) {
    Use("llama3");
    source->QuantiseNvfp4(kWeight);
    source->Set(kGlobal, DType::kF32, {1}, {value});
    EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("a number above 0 is expected")) << value;
  }
  source->Set(kGlobal, DType::kF32, {2}, {1, 1});
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("has shape [2] in F32; NVFP4 has [1] in F32"));
}

TEST_F(Nvfp4Weights, AGlobalScaleInBothDialectsIsRefused) {
  source->QuantiseNvfp4(kWeight);
  const std::string other = kModule + ".weight_scale_2";
  source->Set(other, DType::kF32, {1}, {1});
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensors " + other + " and " + kGlobal + " are both there; which of them scales is open");
}

TEST_F(Nvfp4Weights, CodesOfAnotherShapeAreNamedWithBoth) {
  source->QuantiseNvfp4(kWeight);
  source->SetBytes(kPacked, {64, 47}, std::vector<uint8_t>(64 * 47));
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kPacked + " has shape [64, 47], 64 x 96 codes of four bits are [64, 48]");
  source->SetBytes(kPacked, {64, 48}, std::vector<uint8_t>(64 * 48));
  source->Set(kWeight, DType::kF32, {64, 96}, std::vector<float>(64 * 96));
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("are both there"));
}

// Forward pass in every tier: every matrix in NVFP4 but one of a pair that is joined otherwise.
class Nvfp4Forward : public testing::TestWithParam<std::tuple<std::string, const kernels::KernelTable*>> {
 public:
  static std::string CaseName(const testing::TestParamInfo<ParamType>& test) {
    return Cat(std::get<0>(test.param), "_", std::get<1>(test.param)->name);
  }

 protected:
  void SetUp() override {
    const auto& [model, tier] = GetParam();
    ids_ = ReadGolden(model).ids;
    ids_.resize(44);
    checkpoint_ = Must(Checkpoint::Open(GoldenModel(model)));
    auto source = std::make_shared<EditableSource>(*checkpoint_.tensors);
    for (const TensorInfo& info : checkpoint_.tensors->tensors()) {
      const bool is_linear = info.name.find("_proj.weight") != std::string::npos || info.name == "lm_head.weight";
      if (is_linear && info.name.find("layers.1.mlp.up") == std::string::npos) source->QuantiseNvfp4(info.name);
    }
    checkpoint_.tensors = source;
    decoded_ = checkpoint_;
    decoded_.tensors = source->Decoded();
  }
  std::vector<float> Got(size_t threads, size_t chunk,
                         nn::ActivationMode activations = nn::ActivationMode::kAuto) const {
    TinyModel model(checkpoint_, ComputeType::kAuto, *std::get<1>(GetParam()), threads);
    model.context.activations = activations;
    return model.Logits(ids_, chunk);
  }

  std::vector<int32_t> ids_;
  Checkpoint checkpoint_, decoded_;
};

// Between them: blocks that divide and short ones, biases, fused tensors, tied heads.
INSTANTIATE_TEST_SUITE_P(Models, Nvfp4Forward,
                         testing::Combine(testing::Values("llama3", "qwen2", "phi3_short", "gemma3"),
                                          testing::ValuesIn(kernels::AvailableTiers().begin(),
                                                            kernels::AvailableTiers().end())),
                         Nvfp4Forward::CaseName);

TEST_P(Nvfp4Forward, LogitsStayWithinANormBoundOfTheDecodedWeights) {
  TinyModel want(decoded_, ComputeType::kF32, kernels::ActiveKernels());
  const double layers = checkpoint_.config.at("num_hidden_layers").get<double>();
  const double bound = 8 * layers / 512;  // as in decoder_test
  const std::vector<float> logits = want.Logits(ids_, ids_.size());
  EXPECT_LT(RelativeError(Got(1, ids_.size()), logits), bound);
  // Inputs of a layer's four products are rounded to two or three bits: a quarter of each at most, about a tenth of the
  // norm of all; the squares add up.
  const double error = RelativeError(Got(1, ids_.size(), nn::ActivationMode::kNvfp4), logits);
  EXPECT_LT(error, std::sqrt(4 * layers + 1) / 4 + bound);
  EXPECT_GT(error, bound) << "nothing was rounded";
  // Of int8, each of up to 252 inputs by 1 / 254 of the largest, as in mixed_formats_test.
  const std::vector<float> of_int8 = Got(1, ids_.size(), nn::ActivationMode::kInt8);
  EXPECT_LT(RelativeError(of_int8, logits), std::sqrt(4 * layers + 1) / 16 + bound);
  EXPECT_NE(of_int8, Got(1, ids_.size()));
}

TEST_P(Nvfp4Forward, LogitsAreTheSameBitsForAnyThreadsAndCuts) {
  for (const nn::ActivationMode activations :
       {nn::ActivationMode::kBf16, nn::ActivationMode::kNvfp4, nn::ActivationMode::kInt8}) {
    const std::vector<float> whole = Got(1, ids_.size(), activations);
    for (const size_t chunk : ChunksFor(*std::get<1>(GetParam())))
      EXPECT_EQ(Got(2, chunk, activations), whole) << "chunks of " << chunk;
  }
}

}  // namespace
}  // namespace octet
