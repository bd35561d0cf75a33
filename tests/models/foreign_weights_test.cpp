// Matrices as other programs pack them, against tools/golden/foreign_weights.py, which packs them from the formats'
// specifications: what each stands for, in which format it is kept, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "editable_weights.h"
#include "models/decoded_checkpoint.h"
#include "numeric/bf16.h"

namespace octet {
namespace {

using kernels::WeightFormat;
using testing::ElementsAre;
using testing::HasSubstr;

struct ForeignCase {
  std::string name;
  WeightFormat format;  // kBf16 of what is decoded
};

class ForeignWeights : public EditableWeights {
 protected:
  // Puts a golden case's tensors in place of the module's weight.
  void Take(const std::string& name) {
    Use("llama3");
    source->Remove(kWeight);
    for (const TensorInfo& info : golden->tensors()) {
      const size_t dot = info.name.find('.');
      if (info.name.substr(0, dot) != name || info.name.ends_with(".decoded")) continue;
      source->Copy(*golden, info.name, kModule + info.name.substr(dot));
    }
  }
  std::vector<float> Want(const std::string& name) const { return ReadTensor(*golden, name + ".decoded"); }
  // What opening the weights says.
  const std::vector<std::string>& Messages() {
    static std::vector<std::string> messages;
    messages.clear();
    SetLogSink([](LogLevel, std::string_view message) { messages.emplace_back(message); });
    EXPECT_TRUE(Open().has_value());
    SetLogSink({});
    return messages;
  }
  // Changes words of a module's tensor.
  void SetWords(const std::string& suffix, Shape shape, uint32_t value) {
    const std::vector<uint32_t> words(*ElementCount(shape), value);
    source->SetWords(kModule + suffix, std::move(shape), words);
  }

  std::shared_ptr<const TensorSource> golden =
      Must(OpenSafetensors(OCTET_SOURCE_DIR "/tests/golden/quantize/foreign_weights.safetensors"));
};

class ForeignLayouts : public ForeignWeights, public testing::WithParamInterface<ForeignCase> {};

INSTANTIATE_TEST_SUITE_P(
    Kept, ForeignLayouts,
    testing::Values(
        ForeignCase{"awq", WeightFormat::kInt4Zeros32}, ForeignCase{"awq_row", WeightFormat::kInt4Zeros128},
        ForeignCase{"awq_symmetric", WeightFormat::kInt4Group32}, ForeignCase{"gptq_v1", WeightFormat::kInt4Zeros32},
        ForeignCase{"gptq_v2", WeightFormat::kInt4Zeros32},
        ForeignCase{"gptq_v1_symmetric", WeightFormat::kInt4Group32},
        ForeignCase{"gptq_v2_symmetric", WeightFormat::kInt4Group32},
        ForeignCase{"gptq_no_zeros", WeightFormat::kInt4Group32}, ForeignCase{"gptq_8_row", WeightFormat::kInt8},
        ForeignCase{"modelopt_int4", WeightFormat::kInt4Group32}, ForeignCase{"modelopt_nvfp4", WeightFormat::kNvfp4},
        ForeignCase{"compressed_nvfp4", WeightFormat::kNvfp4}, ForeignCase{"modelopt_fp8", WeightFormat::kE4M3},
        ForeignCase{"modelopt_fp8_blocks", WeightFormat::kE4M3Block}, ForeignCase{"deepseek", WeightFormat::kE4M3Block},
        ForeignCase{"mxfp4", WeightFormat::kNvfp4}),
    [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Decoded, ForeignLayouts,
                         testing::Values(ForeignCase{"gptq_act_order", WeightFormat::kBf16},
                                         ForeignCase{"gptq_2", WeightFormat::kBf16},
                                         ForeignCase{"gptq_3", WeightFormat::kBf16},
                                         ForeignCase{"gptq_8", WeightFormat::kBf16},
                                         ForeignCase{"modelopt_int4_factors", WeightFormat::kBf16},
                                         ForeignCase{"modelopt_nvfp4_factors", WeightFormat::kBf16},
                                         ForeignCase{"mxfp8", WeightFormat::kBf16}),
                         [](const auto& test) { return test.param.name; });

TEST_P(ForeignLayouts, EveryWeightIsWhatThePackerMeant) {
  const auto& [name, format] = GetParam();
  Take(name);
  if (name == "modelopt_fp8_blocks")
    checkpoint.config["quantization_config"] = {{"quant_method", "modelopt"}, {"weight_block_size", {128, 128}}};
  const PackedMatrix down = Must(Down());
  EXPECT_EQ(down.format, format);
  std::vector<float> want = Want(name);
  if (format == WeightFormat::kBf16) {
    for (float& weight : want) weight = ToFloat(ToBf16(weight));
  }
  EXPECT_EQ(Decoded(down), want);
  CheckpointWeights weights = Must(Open());
  EXPECT_EQ(weights.bytes(), BytesOfAll(weights));
  EXPECT_TRUE(Decoder::Load(spec, weights).has_value());
}

// What is quantised anew is the same numbers, in FP32 and under one name.
TEST_P(ForeignLayouts, AreDecodedToAMatrixOfFloats) {
  const std::string& name = GetParam().name;
  Take(name);
  checkpoint.config["quantization_config"] = {{"quant_method", "modelopt"}};
  if (name == "modelopt_fp8_blocks") checkpoint.config["quantization_config"]["weight_block_size"] = {128, 128};
  const std::optional<DecodedCheckpoint> decoded = Must(DecodeCheckpoint(checkpoint, spec));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->was, "modelopt");
  EXPECT_FALSE(decoded->checkpoint.config.contains("quantization_config"));
  const TensorSource& tensors = *decoded->checkpoint.tensors;
  EXPECT_EQ(ReadTensor(tensors, kWeight), Want(name));
  for (const TensorInfo& info : tensors.tensors())
    EXPECT_TRUE(!info.name.starts_with(kModule + ".") || info.name == kWeight) << info.name;
  EXPECT_TRUE(CheckWeights(decoded->checkpoint, spec));
}

// ModelOpt's MXFP4 has compressed-tensors' bytes under the name of the weight.
TEST_F(ForeignWeights, Mxfp4OfModelOptIsThatOfCompressedTensors) {
  Take("mxfp4");
  source->Rename(kPacked, kWeight);
  EXPECT_EQ(Must(Down()).format, WeightFormat::kNvfp4);
  EXPECT_EQ(Decoded(Must(Down())), Want("mxfp4"));
}

// MX formats lose nothing.
TEST_F(ForeignWeights, PowersOfTwoTimesCodesAreExact) {
  for (const char* name : {"mxfp8", "mxfp4"}) {
    Take(name);
    EXPECT_EQ(Decoded(Must(Down())), Want(name)) << name;
  }
}

TEST_F(ForeignWeights, ScalesOfInputsComeAlongInEitherConvention) {
  for (const auto& [name, scale] : {std::pair{"modelopt_nvfp4", 1.0F / 64}, std::pair{"compressed_nvfp4", 1.0F / 64},
                                    std::pair{"modelopt_fp8", 0.0625F}}) {
    Take(name);
    EXPECT_EQ(Must(Down()).input_scale, scale) << name;
    EXPECT_EQ(Must(Open()).input_scales(), 1u);
  }
}

// W4A8_NVFP4_FP8 stores the scale of inputs in FP8 where NVFP4 stores that of inputs in NVFP4.
TEST_F(ForeignWeights, AScaleOfInputsInFp8IsNotTakenForOneOfNvfp4) {
  const Json of_all = {{"quant_method", "modelopt"}, {"quant_algo", "W4A8_NVFP4_FP8"}};
  const Json of_module = {{"quant_method", "modelopt"},
                          {"quant_algo", "MIXED_PRECISION"},
                          {"quantized_layers", {{kModule, {{"quant_algo", "W4A8_NVFP4_FP8"}}}}}};
  for (const Json& config : {of_all, of_module}) {
    Take("modelopt_nvfp4");
    checkpoint.config["quantization_config"] = config;
    EXPECT_EQ(Must(Down()).input_scale, 0);
    EXPECT_THAT(Messages(), ElementsAre("model: the input_scale of 1 NVFP4 matrix is unused: it is of inputs in FP8 "
                                        "(W4A8_NVFP4_FP8), which NVFP4 weights don't take here"));
  }
  Json other = of_module;
  other["quantized_layers"] = {{"model.layers.1.mlp.down_proj", {{"quant_algo", "W4A8_NVFP4_FP8"}}}};
  checkpoint.config["quantization_config"] = other;
  EXPECT_EQ(Must(Down()).input_scale, 1.0F / 64);
}

TEST_F(ForeignWeights, AScaleOfInt8InputsIsSaidToBeUnused) {
  source->QuantiseIntegers(kWeight, 8, 96);
  source->Set(kModule + ".input_scale", DType::kF32, {1}, {0.5F});
  EXPECT_EQ(Must(Down()).input_scale, 0);
  EXPECT_EQ(Must(Open()).input_scales(), 0u);
  EXPECT_THAT(Messages(), ElementsAre("model: the input_scale of 1 INT8 matrix is unused: inputs are rounded to INT8 "
                                      "by a scale of each token's own"));
}

// The codes tell the version: a label that says otherwise doesn't move every weight by a step.
TEST_F(ForeignWeights, TheVersionOfGptqIsToldByTheCodesNotByTheLabel) {
  for (const char* name : {"gptq_v1", "gptq_v2"}) {
    for (const char* label : {"gptq", "gptq_v2"}) {
      Take(name);
      checkpoint.config["quantization_config"] = {
          {"quant_method", "gptq"}, {"bits", 4}, {"group_size", 32}, {"checkpoint_format", label}};
      EXPECT_EQ(Decoded(Must(Down())), Want(name)) << name << " labelled " << label;
    }
  }
}

// Weights that all lie above 0 don't tell; then the label counts.
TEST_F(ForeignWeights, TheLabelOfGptqCountsWhereTheCodesDontTell) {
  Take("gptq_v1");
  SetWords(".qweight", {12, 64}, 0xFFFFFFFF);
  SetWords(".qzeros", {3, 8}, 0x22222222);
  const float scale = ReadTensor(*source, kModule + ".scales")[0];
  EXPECT_EQ(Decoded(Must(Down()))[0], 12 * scale);
  checkpoint.config["quantization_config"]["checkpoint_format"] = "gptq_v2";
  EXPECT_EQ(Decoded(Must(Down()))[0], 13 * scale);
}

// 15 stored in the first version means 16, which four bits don't hold.
TEST_F(ForeignWeights, AZeroPointBeyondFourBitsIsDecoded) {
  Take("gptq_v1");
  SetWords(".qweight", {12, 64}, 0xBBBBBBBB);
  SetWords(".qzeros", {3, 8}, 0xFFFFFFFE);
  const PackedMatrix down = Must(Down());
  EXPECT_EQ(down.format, WeightFormat::kBf16);
  const float scale = ReadTensor(*source, kModule + ".scales")[1];
  EXPECT_EQ(Decoded(down)[96], ToFloat(ToBf16(-5 * scale)));
}

TEST_F(ForeignWeights, WhatIsDecodedIsSaidOnceAndInOneLine) {
  Take("gptq_act_order");
  EXPECT_THAT(Messages(), ElementsAre("model: 1 matrix is INT4 whose groups aren't of neighbouring inputs (act-order), "
                                      "which no kernel multiplies: decoded and rounded to BF16 when loaded"));
  source->QuantiseIntegers("model.layers.1.mlp.down_proj.weight", 8, 32);
  source->QuantiseIntegers("model.layers.2.mlp.down_proj.weight", 8, 32);
  checkpoint.config["quantization_config"] = {{"config_groups", {{"group_0", {{"weights", {{"group_size", 32}}}}}}}};
  EXPECT_THAT(Messages(), ElementsAre("model: 1 matrix is INT4 whose groups aren't of neighbouring inputs (act-order), "
                                      "2 INT8 in groups of 32, which no kernel multiplies: decoded and rounded to BF16 "
                                      "when loaded"));
}

TEST_F(ForeignWeights, WordsOfAnotherShapeAreNamedWithTheShapesThatAreKnown) {
  Take("awq");
  SetWords(".qweight", {96, 7}, 0);
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kModule +
                ".qweight has shape [96, 7] in I32; codes of 64 x 96 weights are [96, 8] (AutoAWQ's gemm) or [12, 64] "
                "(GPTQ, 4 bits) in I32");
  SetWords(".qweight", {64, 12}, 0);
  EXPECT_THAT(Message(ErrorCode::kUnsupported), HasSubstr("has shape [64, 12] in I32, AutoAWQ's version gemv; codes"));
  Take("awq");
  SetWords(".qzeros", {2, 8}, 0);
  EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: tensor " + kModule +
                                              ".qzeros has shape [2, 8] in I32; zero points of 64 rows in 3 groups are "
                                              "[3, 8] in I32");
  Take("gptq_v1");
  SetWords(".scales", {3, 64}, 0);
  EXPECT_EQ(
      Message(ErrorCode::kCorrupt),
      "model: scale " + kModule + ".scales has shape [3, 64] in I32; expected are floats, [number of groups, 64]");
  source->Remove(kModule + ".scales");
  EXPECT_EQ(
      Message(ErrorCode::kNotFound),
      "model: tensor " + kModule + ".qweight holds integer codes, but their scale " + kModule + ".scales is missing");
}

TEST_F(ForeignWeights, AConfigurationThatContradictsTheTensorsIsNamedWithBothNumbers) {
  Take("gptq_v1");
  Json& config = checkpoint.config["quantization_config"];
  config = {{"quant_method", "gptq"}, {"bits", 8}, {"group_size", 32}};
  EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: tensor " + kModule +
                                              ".qweight has shape [12, 64], which holds codes of 4 bits; the "
                                              "quantization_config says 8");
  config = {{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 64}};
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: scale " + kModule +
                ".scales has 3 groups for 96 inputs, the quantization_config's group_size "
                "is 64");
  config["dynamic"] = {{"+:.*down.*", {{"group_size", 32}}}};
  EXPECT_EQ(Decoded(Must(Down())), Want("gptq_v1")) << "a module may have settings of its own";
  config = {{"quant_method", "aqlm"}};
  EXPECT_THAT(Message(ErrorCode::kUnsupported),
              HasSubstr("model: is quantised by `aqlm`, which isn't known; known are compressed-tensors, modelopt"));
}

TEST_F(ForeignWeights, AnInputInAGroupThatIsntThereIsRefused) {
  Take("gptq_v1");
  std::vector<uint32_t> groups(96);
  groups[70] = 3;
  source->SetWords(kModule + ".g_idx", {96}, groups);
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kModule + ".g_idx puts input 70 into group 3, there are 3");
  groups[70] = ~0U;
  source->SetWords(kModule + ".g_idx", {96}, groups);
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("puts input 70 into group -1, there are 3"));
  source->SetWords(kModule + ".g_idx", {95}, std::vector<uint32_t>(95));
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("has shape [95] in I32; groups of 96 inputs are [96] in I32"));
}

// desc_act rounds inputs in another order than the file's: without g_idx no scale is known to be an input's.
TEST_F(ForeignWeights, GroupsInAnotherOrderThatIsntThereAreRefused) {
  Take("gptq_v1");
  Json& config = checkpoint.config["quantization_config"];
  config = {{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 32}, {"desc_act", true}};
  EXPECT_EQ(Decoded(Must(Down())), Want("gptq_v1"));
  source->Remove(kModule + ".g_idx");
  EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: tensor " + kModule +
                                              ".g_idx is missing: the quantization_config says desc_act, so that the 3 "
                                              "groups of " +
                                              kModule +
                                              ".qweight aren't of neighbouring inputs; get the "
                                              "whole model again");
  config["desc_act"] = false;
  EXPECT_EQ(Decoded(Must(Down())), Want("gptq_v1"));
  Take("gptq_8_row");
  source->Remove(kModule + ".g_idx");
  checkpoint.config["quantization_config"] = {
      {"quant_method", "gptq"}, {"bits", 8}, {"group_size", -1}, {"desc_act", true}};
  EXPECT_EQ(Decoded(Must(Down())), Want("gptq_8_row")) << "one group has one order";
  Take("gptq_act_order");
  checkpoint.config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}, {"desc_act", true}};
  EXPECT_TRUE(Down().has_value());
}

// Bytes of E4M3 that a writer called I8 would be taken for integers.
TEST_F(ForeignWeights, IntegersUnderAConfigurationOfFloatsAreRefused) {
  source->Set(kWeight, DType::kI8, {64, 96}, std::vector<float>(64 * 96, 7));
  source->Set(kModule + ".weight_scale", DType::kF32, {64}, std::vector<float>(64, 0.5F));
  const Json floats = {{"weights", {{"type", "float"}, {"num_bits", 8}}}};
  const Json integers = {{"weights", {{"type", "int"}, {"num_bits", 8}}}};
  Json& config = checkpoint.config["quantization_config"];
  for (const Json& each : {Json{{"config_groups", {{"group_0", floats}}}}, Json{{"quant_method", "fp8"}},
                           Json{{"quant_method", "modelopt"}, {"quant_algo", "FP8"}}}) {
    config = each;
    EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: tensor " + kWeight +
                                                " holds integers in I8, the quantization_config says that codes are "
                                                "floats; those of E4M3 are stored as F8_E4M3");
  }
  config = {{"config_groups", {{"group_0", floats}, {"group_1", integers}}}};
  EXPECT_EQ(Must(Down()).format, WeightFormat::kInt8) << "of a mixed checkpoint the tensors tell";
}

TEST_F(ForeignWeights, TwoTensorsThatMayHoldTheWeightsAreRefused) {
  Take("gptq_v1");
  source->Set(kWeight, DType::kF32, {64, 96}, std::vector<float>(64 * 96));
  EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: tensors " + kWeight + " and " + kModule +
                                              ".qweight are both there; which of them holds the weights is open");
}

TEST_F(ForeignWeights, FactorsOfInputsThatAreNoNumbersAboveZeroAreRefused) {
  Take("modelopt_int4_factors");
  const std::string name = kModule + ".pre_quant_scale";
  std::vector<float> factors(96, 1);
  factors[5] = 0;
  source->Set(name, DType::kF32, {96}, factors);
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + name + " is 0 for input 5, a finite number above 0 is expected");
  source->Set(name, DType::kF32, {64}, std::vector<float>(64, 1));
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + name + " has shape [64] in F32; factors of 96 inputs are [96] of floats");
}

TEST_F(ForeignWeights, CodesAndScalesOfMxFormatsThatAreNoNumbersAreNamedWithTheirPlace) {
  Take("mxfp8");
  std::vector<uint8_t> scales(64 * 3, 120);
  scales[33 * 3 + 1] = 0xFF;
  source->SetBytes(kScale, {64, 3}, scales);
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kScale +
                " holds NaN in row 33, block 1; the file is damaged or was quantised from such weights");
  source->SetBytes(kScale, {64, 6}, std::vector<uint8_t>(64 * 6, 120));
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: scale " + kScale + " has shape [64, 6] in U8; MXFP8 of 64 x 96 weights has [64, 3]");
  Take("mxfp4");
  source->SetBytes(kPacked, {64, 96}, std::vector<uint8_t>(64 * 96));
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kPacked + " has shape [64, 96], 64 x 96 codes of MXFP4 are [64, 48]");
}

TEST_F(ForeignWeights, PartsThatAreDecodedJoinThoseWhoseInputsAreRoundedAlike) {
  const std::string gate = "model.layers.1.mlp.gate_proj";
  source->Remove(gate + ".weight");
  std::vector<uint8_t> powers(96 * 2, 126);
  powers[0] = 60;  // too far from the others for NVFP4
  source->SetBytes(gate + ".weight_packed", {96, 32}, std::vector<uint8_t>(96 * 32, 0x22));  // ones
  source->SetBytes(gate + ".weight_scale", {96, 2}, powers);
  CheckpointWeights weights = Must(Open());
  const PackedMatrix joined = Must(weights.Matrix("layers.1.ffn.gate_up"));
  EXPECT_EQ(Column(joined, 5), std::vector<float>(64, 0.5F));
  EXPECT_FALSE(joined.takes_mx_inputs);
  source->Remove(gate + ".weight_packed");  // MXFP8: inputs may be rounded in blocks, which those of up aren't
  source->Set(gate + ".weight", DType::kE4M3, {96, 64}, std::vector<float>(96 * 64, 1));
  CheckpointWeights apart = Must(Open());
  EXPECT_FALSE(apart.Has("layers.1.ffn.gate_up"));
  EXPECT_TRUE(Must(apart.Matrix("layers.1.ffn.gate")).takes_mx_inputs);
  EXPECT_FALSE(Must(apart.Matrix("layers.1.ffn.up")).takes_mx_inputs);
}

}  // namespace
}  // namespace octet
