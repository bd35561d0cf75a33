#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "editable_weights.h"

namespace octet {
namespace {

class Weights : public EditableWeights {
 protected:
  std::string MessageOf(ErrorCode code) {
    const Result<CheckpointWeights> weights = Open();
    if (weights) return "accepted";
    EXPECT_EQ(ErrorCodeName(weights.error().code), ErrorCodeName(code));
    return weights.error().message;
  }
  std::vector<float> Row(const std::string& tensor, size_t row) {
    std::vector<float> values(RowSize(source->Find(tensor)->shape));
    EXPECT_TRUE(source->ReadRows(tensor, row, 1, values.data()).has_value());
    return values;
  }
};

TEST_F(Weights, QueriesKeysAndValuesComeJoinedInOrder) {
  Use("qwen2");
  CheckpointWeights weights = Must(Open(ComputeType::kF32));
  const PackedMatrix qkv = Must(weights.Matrix("layers.1.attn.qkv"));
  ASSERT_EQ(qkv.columns, 128u);
  const std::string module = "model.layers.1.self_attn.";
  EXPECT_EQ(Column(qkv, 5), Row(module + "q_proj.weight", 5));
  EXPECT_EQ(Column(qkv, 64), Row(module + "k_proj.weight", 0));
  EXPECT_EQ(Column(qkv, 127), Row(module + "v_proj.weight", 31));
  const std::vector<float> key_bias = Row(module + "k_proj.bias", 0);
  EXPECT_TRUE(std::equal(key_bias.begin(), key_bias.end(), qkv.bias.begin() + 64));
}

TEST_F(Weights, FusedTensorsOfPhiAreTakenApartAndJoinedAgain) {
  Use("phi3_short");
  CheckpointWeights weights = Must(Open(ComputeType::kF32));
  const PackedMatrix qkv = Must(weights.Matrix("layers.0.attn.qkv"));
  for (const size_t row : {0, 63, 64, 127})
    EXPECT_EQ(Column(qkv, row), Row("model.layers.0.self_attn.qkv_proj.weight", row));
  const PackedMatrix gate_up = Must(weights.Matrix("layers.0.ffn.gate_up"));
  EXPECT_EQ(Column(gate_up, 96), Row("model.layers.0.mlp.gate_up_proj.weight", 96));
}

TEST_F(Weights, AnE4M3ScaleThatIsNoNumberAboveZeroIsCorrupt) {
  Use("llama3");
  const std::string name = "model.layers.0.mlp.down_proj.weight";
  source->Quantise(name);
  std::vector<float> scales(64, 0.5F);
  for (const float wrong : {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    scales[17] = wrong;
    source->Set(name + "_scale", DType::kF32, {64, 1}, scales);
    CheckpointWeights weights = Must(Open());
    const Result<PackedMatrix> down = weights.Matrix("layers.0.ffn.down");
    ASSERT_FALSE(down.has_value()) << wrong;
    EXPECT_EQ(down.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(down.error().message, testing::StartsWith("model: scale " + name + "_scale is "));
    EXPECT_THAT(down.error().message, testing::EndsWith(" in row 17, a finite number above 0 is expected"));
  }
}

TEST_F(Weights, AnE4M3TensorWithRowScalesIsKeptAsCodes) {
  Use("llama3");
  source->Quantise("model.layers.0.mlp.down_proj.weight");
  CheckpointWeights weights = Must(Open());
  const PackedMatrix down = Must(weights.Matrix("layers.0.ffn.down"));
  EXPECT_EQ(down.format, kernels::WeightFormat::kE4M3);
  ASSERT_EQ(down.column_scales.size(), 64u);
  std::vector<float> want = Row("model.layers.0.mlp.down_proj.weight", 33);
  for (float& value : want) value *= down.column_scales[33];
  EXPECT_EQ(Column(down, 33), want);
  EXPECT_EQ(Must(weights.Matrix("layers.1.ffn.down")).format, kernels::WeightFormat::kBf16);
}

TEST_F(Weights, OneScaleForAWholeTensorIsSpreadOverItsRows) {
  Use("llama3");
  source->Quantise("model.layers.0.mlp.down_proj.weight");
  source->Set("model.layers.0.mlp.down_proj.weight_scale", DType::kF32, {}, {0.25F});
  CheckpointWeights weights = Must(Open());
  const PackedMatrix down = Must(weights.Matrix("layers.0.ffn.down"));
  EXPECT_THAT(down.column_scales, testing::Each(0.25F));
  EXPECT_EQ(down.column_scales.size(), 64u);
}

TEST_F(Weights, PartsOfDifferentFormatsStayApart) {
  Use("qwen2");
  source->Quantise("model.layers.1.self_attn.k_proj.weight");
  source->Quantise("model.layers.1.mlp.up_proj.weight");
  CheckpointWeights weights = Must(Open());
  EXPECT_FALSE(weights.Has("layers.1.attn.qkv"));
  EXPECT_TRUE(weights.Has("layers.1.attn.k") && weights.Has("layers.1.ffn.gate") && weights.Has("layers.0.attn.qkv"));
  EXPECT_EQ(Must(weights.Matrix("layers.1.attn.k")).format, kernels::WeightFormat::kE4M3);
  EXPECT_TRUE(Decoder::Load(spec, weights).has_value());  // what it computes: fp8_forward_test
}

TEST_F(Weights, AStaticScaleOfInputsComesWithItsMatrix) {
  Use("llama3");
  const std::string module = "model.layers.0.mlp.down_proj";
  source->Quantise(module + ".weight");
  source->Set(module + ".input_scale", DType::kF32, {}, {0.125F});
  CheckpointWeights weights = Must(Open());
  EXPECT_EQ(Must(weights.Matrix("layers.0.ffn.down")).input_scale, 0.125F);
  EXPECT_EQ(Must(weights.Matrix("layers.1.ffn.down")).input_scale, 0);
}

TEST_F(Weights, PartsWithDifferentScalesOfInputsStayApart) {
  Use("llama3");
  for (const std::string part : {"q", "k", "v"}) {
    const std::string module = "model.layers.0.self_attn." + part + "_proj";
    source->Quantise(module + ".weight");
    source->Set(module + ".input_scale", DType::kF32, {1}, {0.125F});
  }
  EXPECT_EQ(Must(Must(Open()).Matrix("layers.0.attn.qkv")).input_scale, 0.125F);
  source->Set("model.layers.0.self_attn.k_proj.input_scale", DType::kF32, {1}, {0.25F});
  CheckpointWeights weights = Must(Open());
  EXPECT_FALSE(weights.Has("layers.0.attn.qkv"));
  EXPECT_EQ(Must(weights.Matrix("layers.0.attn.k")).input_scale, 0.25F);
}

TEST_F(Weights, AScaleOfInputsThatIsNoPositiveNumberIsRefused) {
  Use("llama3");
  const std::string module = "model.layers.0.mlp.down_proj", name = module + ".input_scale";
  source->Quantise(module + ".weight");
  source->Set(name, DType::kF32, {1}, {0});
  EXPECT_EQ(MessageOf(ErrorCode::kCorrupt), "model: scale " + name + " is 0, a number above 0 is expected");
  source->Set(name, DType::kF32, {96}, std::vector<float>(96, 1));
  EXPECT_EQ(MessageOf(ErrorCode::kUnsupported),
            "model: scale " + name + " has shape [96] in F32; known is one float for all inputs of a matrix");
}

TEST_F(Weights, ACodeThatIsNotANumberIsNamedWithItsPlace) {
  Use("llama3");
  const std::string name = "model.layers.0.mlp.down_proj.weight";
  source->Quantise(name);
  std::vector<float> values = ReadTensor(*source, name);
  values[33 * 96 + 7] = NAN;
  source->Set(name, DType::kE4M3, {64, 96}, std::move(values));
  CheckpointWeights weights = Must(Open());
  const Result<PackedMatrix> down = weights.Matrix("layers.0.ffn.down");
  ASSERT_FALSE(down.has_value());
  EXPECT_EQ(down.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(down.error().message, "model: tensor " + name +
                                      " holds NaN in row 33, column 7; the file is damaged or was quantised from such "
                                      "weights");
}

TEST_F(Weights, AMissingTensorIsNamedWithTheShapeThatIsExpected) {
  Use("llama3");
  source->Remove("model.layers.2.mlp.up_proj.weight");
  EXPECT_EQ(MessageOf(ErrorCode::kNotFound),
            "model: tensor model.layers.2.mlp.up_proj.weight is missing, shape [96, 64] is expected");
}

TEST_F(Weights, AWrongShapeIsNamedWithBothShapes) {
  Use("llama3");
  source->Set("model.norm.weight", DType::kF32, {65}, std::vector<float>(65));
  EXPECT_EQ(MessageOf(ErrorCode::kCorrupt),
            "model: tensor model.norm.weight has shape [65], config.json asks for [64]");
}

TEST_F(Weights, QuantisationsThatAreNotKnownAreNamed) {
  Use("llama3");
  const std::string name = "model.layers.0.mlp.down_proj.weight";
  source->Quantise(name);
  source->Remove(name + "_scale");
  EXPECT_EQ(MessageOf(ErrorCode::kNotFound),
            "model: tensor " + name + " is F8_E4M3, but its scale " + name + "_scale is missing");
  source->Set(name + "_scale", DType::kF32, {2, 32}, std::vector<float>(64));
  EXPECT_THAT(MessageOf(ErrorCode::kUnsupported),
              testing::HasSubstr("has shape [2, 32] in F32; known are one number, [64]"));
  source->Set(name, DType::kI32, {64, 96}, std::vector<float>(64 * 96));
  checkpoint.config["quantization_config"] = {{"quant_method", "gptq"}};
  EXPECT_EQ(MessageOf(ErrorCode::kUnsupported), "model: tensor " + name +
                                                    " holds I32, which isn't known for a weight; the checkpoint is "
                                                    "quantised by `gptq`");
}

TEST_F(Weights, RotationsThatNobodyWouldApplyAreRefused) {
  Use("llama3");
  Json& transforms = checkpoint.config["quantization_config"]["transform_config"];
  transforms = {{"config_groups", {{"R4", {{"type", "hadamard"}, {"apply", {{{"location", "input"}}}}}}}}};
  EXPECT_THAT(MessageOf(ErrorCode::kUnsupported),
              testing::HasSubstr("model: the quantization_config has a transform_config, whose rotations"));
  transforms["config_groups"] = Json::object();
  EXPECT_TRUE(Open().has_value());
  transforms = nullptr;
  EXPECT_TRUE(Open().has_value());
}

TEST_F(Weights, EveryEntryCanBeAskedForAndOthersAreNotFound) {
  Use("gemma3");
  CheckpointWeights weights = Must(Open());
  for (const WeightProvider::Entry& entry : weights.Entries()) {
    const bool is_there =
        entry.is_matrix ? weights.Matrix(entry.name).has_value() : weights.Vector(entry.name).has_value();
    EXPECT_TRUE(is_there) << entry.name;
  }
  EXPECT_EQ(weights.Matrix("head").error().code, ErrorCode::kNotFound);  // tied
  EXPECT_EQ(weights.Vector("embedding").error().message, "model: no vector embedding");
}

}  // namespace
}  // namespace octet
