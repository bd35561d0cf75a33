// Checkpoints whose matrices are integer codes: what is read of them, what is refused, and the forward pass over them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "editable_weights.h"

namespace octet {
namespace {

using kernels::WeightFormat;
using testing::HasSubstr;

class IntegerWeights : public EditableWeights {
 protected:
  void Declare(const Json& groups) {
    Json config = Json::object();
    for (size_t i = 0; i < groups.size(); ++i) config[Cat("group_", i)] = {{"weights", groups[i]}};
    checkpoint.config["quantization_config"] = {{"quant_method", "compressed-tensors"}, {"config_groups", config}};
  }
};

TEST_F(IntegerWeights, PackedCodesKeepTheirValuesInTheirOwnFormat) {
  const std::pair<size_t, WeightFormat> cases[] = {{32, WeightFormat::kInt4Group32}, {96, WeightFormat::kInt4Group32}};
  for (const auto& [group, format] : cases) {
    Use("llama3");
    source->QuantiseIntegers(kWeight, 4, group);
    const PackedMatrix down = Must(Down());
    EXPECT_EQ(down.format, group == 96 ? WeightFormat::kInt4Group128 : format) << "one scale a row fits the widest";
    EXPECT_TRUE(down.column_scales.empty());
    EXPECT_EQ(Decoded(down), source->Codes(kWeight));
  }
  Use("llama3");
  source->QuantiseIntegers(kWeight, 8, 96);
  const PackedMatrix down = Must(Down());
  EXPECT_EQ(down.format, WeightFormat::kInt8);
  EXPECT_EQ(down.column_scales.size(), 64u);
  EXPECT_EQ(Decoded(down), source->Codes(kWeight));
}

TEST_F(IntegerWeights, AShortLastGroupIsReadWhereTheConfigurationGivesTheSize) {
  source->QuantiseIntegers(kWeight, 4, 64);
  EXPECT_EQ(Message(ErrorCode::kUnsupported),
            "model: scale " + kScale +
                " has 2 columns for 96 inputs; INT4 in groups that aren't of 32 or multiples of it is read where the "
                "quantization_config gives the group_size");
  Declare({{{"group_size", 64}}});
  const PackedMatrix down = Must(Down());
  EXPECT_EQ(down.format, WeightFormat::kInt4Group64);
  EXPECT_EQ(Decoded(down), source->Codes(kWeight));
}

TEST_F(IntegerWeights, CodesThatAreNotPackedAreReadToo) {
  std::vector<float> codes(64 * 96), scales(64, 0.5F);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<float>(static_cast<int>(i * 7 % 256) - 128);
  source->Set(kWeight, DType::kI8, {64, 96}, codes);
  source->Set(kScale, DType::kF32, {64}, scales);
  const PackedMatrix down = Must(Down());
  EXPECT_EQ(down.format, WeightFormat::kInt8);
  for (float& code : codes) code *= 0.5F;
  EXPECT_EQ(Decoded(down), codes);
}

TEST_F(IntegerWeights, ACodeBeyondFourBitsIsNamedWithItsPlace) {
  std::vector<float> codes(64 * 96);
  codes[33 * 96 + 7] = 8;
  source->Set(kWeight, DType::kI8, {64, 96}, codes);
  source->Set(kScale, DType::kF32, {64, 3}, std::vector<float>(64 * 3, 1));
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kWeight + " holds the code 8 in row 33, column 7; codes of 4 bits are -8 to 7");
  Declare({{{"num_bits", 8}, {"group_size", 32}}});
  EXPECT_EQ(Decoded(Must(Down())), codes) << "8 is one of 8 bits";
}

TEST_F(IntegerWeights, GroupsThatNoKernelTakesAreDecodedWhereTheConfigurationGivesTheirSize) {
  for (const auto& [bits, group] : {std::pair{8, 32}, {8, 64}, {4, 48}, {4, 16}}) {
    Use("llama3");
    source->QuantiseIntegers(kWeight, bits, static_cast<size_t>(group));
    EXPECT_EQ(Message(ErrorCode::kUnsupported).substr(0, 13), "model: scale ");
    Declare({{{"num_bits", bits}, {"group_size", group}}});
    const PackedMatrix down = Must(Down());
    EXPECT_EQ(down.format, WeightFormat::kBf16);
    std::vector<float> want = source->Codes(kWeight);
    CheckpointWeights exact = Must(Open(ComputeType::kF32));
    EXPECT_EQ(Decoded(Must(exact.Matrix("layers.0.ffn.down"))), want) << bits << " bits in groups of " << group;
    for (float& weight : want) weight = ToFloat(ToBf16(weight));
    EXPECT_EQ(Decoded(down), want) << bits << " bits in groups of " << group;
  }
}

TEST_F(IntegerWeights, CodesWithZeroPointsKeepTheirValues) {
  const std::pair<size_t, WeightFormat> cases[] = {{32, WeightFormat::kInt4Zeros32}, {96, WeightFormat::kInt4Zeros128}};
  for (const auto& [group, format] : cases) {
    Use("llama3");
    source->QuantiseWithZeros(kWeight, group);
    const PackedMatrix down = Must(Down());
    EXPECT_EQ(down.format, format);
    EXPECT_EQ(Decoded(down), source->Codes(kWeight));
  }
  source->QuantiseWithZeros("model.layers.1.mlp.down_proj.weight", 64);
  Declare({{{"group_size", 64}, {"symmetric", false}}, {{"strategy", "channel"}, {"symmetric", false}}});
  CheckpointWeights weights = Must(Open());
  const PackedMatrix ragged = Must(weights.Matrix("layers.1.ffn.down"));
  EXPECT_EQ(ragged.format, WeightFormat::kInt4Zeros64);
  EXPECT_EQ(Decoded(ragged), source->Codes("model.layers.1.mlp.down_proj.weight"));
}

TEST_F(IntegerWeights, PartsWithAndWithoutZeroPointsStayApart) {
  for (const std::string part : {"q", "k", "v"})
    source->QuantiseWithZeros("model.layers.0.self_attn." + part + "_proj.weight", 32);
  source->QuantiseWithZeros("model.layers.0.mlp.gate_proj.weight", 32);
  source->QuantiseIntegers("model.layers.0.mlp.up_proj.weight", 4, 32);
  CheckpointWeights weights = Must(Open());
  std::vector<float> want;
  for (const std::string part : {"q", "k", "v"}) {
    const std::vector<float>& one = source->Codes("model.layers.0.self_attn." + part + "_proj.weight");
    want.insert(want.end(), one.begin(), one.end());
  }
  EXPECT_EQ(Decoded(Must(weights.Matrix("layers.0.attn.qkv"))), want);
  EXPECT_EQ(Must(weights.Matrix("layers.0.ffn.gate")).format, WeightFormat::kInt4Zeros32);
  EXPECT_EQ(Must(weights.Matrix("layers.0.ffn.up")).format, WeightFormat::kInt4Group32);
}

TEST_F(IntegerWeights, ZeroPointsThatDontFitTheCodesAreNamedWithBothShapes) {
  const std::string name = kModule + ".weight_zero_point";
  source->QuantiseWithZeros(kWeight, 32);
  source->SetWords(name, {8, 4}, std::vector<uint32_t>(32));
  EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: tensor " + name +
                                              " has shape [8, 4] in I32; zero points of 64 rows in 3 groups are [8, 3] "
                                              "in I32");
  source->Set(name, DType::kI8, {64, 3}, std::vector<float>(64 * 3));
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("has shape [64, 3] in I8; zero points of 64 rows"));
  Use("llama3");
  source->QuantiseIntegers(kWeight, 8, 96);
  source->SetWords(name, {16, 1}, std::vector<uint32_t>(16));
  EXPECT_EQ(
      Message(ErrorCode::kUnsupported),
      "model: tensor " + name + " is there: 8-bit codes with zero points aren't known; packed ones of 4 bits are");
}

// Made by tools/golden/quantize.py with compressed-tensors: 21 rows, so that the last word of zero points has three
// left over.
TEST(IntegerMatrix, CodesScalesAndZeroPointsAreThoseThatCompressedTensorsPacked) {
  const std::string text = Must(ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/quantize/int4_zeros.json"));
  const Json golden = Must(ParseJson(text, "int4_zeros.json"));
  const auto words = golden["words"].get<std::vector<std::vector<uint32_t>>>();
  const auto zero_words = golden["zero_words"].get<std::vector<std::vector<uint32_t>>>();
  const auto scales = golden["scales"].get<std::vector<std::vector<float>>>();
  const size_t rows = words.size(), groups = scales.front().size(), columns = groups * 32;
  EditableSource source(*Must(Checkpoint::Open(GoldenModel("llama3"))).tensors);
  const auto joined = [](const auto& table) {
    typename std::decay_t<decltype(table)>::value_type all;
    for (const auto& row : table) all.insert(all.end(), row.begin(), row.end());
    return all;
  };
  source.SetWords("m.weight_packed", {rows, columns / 8}, joined(words));
  source.SetWords("m.weight_zero_point", {zero_words.size(), groups}, joined(zero_words));
  source.Set("m.weight_scale", DType::kF32, {rows, groups}, joined(scales));
  WeightSlot slot;
  slot.tensor = "m.weight";
  slot.rows = slot.tensor_rows = rows;
  slot.columns = columns;
  const IntegerMatrix matrix = *Must(FindIntegerMatrix(source, slot, {.group_sizes = {32}, .all_asymmetric = true}));
  EXPECT_EQ(matrix.format, WeightFormat::kInt4Zeros32);
  std::vector<int8_t> codes(rows * columns);
  ASSERT_TRUE(matrix.ReadCodes(source, 0, rows, codes).has_value());
  const std::vector<int16_t> zeros = Must(matrix.ReadZeros(source, 0, rows));
  EXPECT_EQ(std::vector<int>(zeros.begin(), zeros.end()), joined(golden["zeros"].get<std::vector<std::vector<int>>>()));
  std::vector<float> decoded;
  for (size_t i = 0; i < codes.size(); ++i)
    decoded.push_back(static_cast<float>(codes[i] - zeros[i / 32]) * scales[i / columns][i % columns / 32]);
  EXPECT_EQ(decoded, joined(golden["decoded"].get<std::vector<std::vector<float>>>()));
  EXPECT_EQ(Must(matrix.ReadZeros(source, 17, 4)), std::vector<int16_t>(zeros.begin() + 17 * 2, zeros.end()));
}

// Three codes fill one word in 4 bits and in 8.
TEST(IntegerMatrix, BitsThatTheWordsLeaveOpenAreThoseOfTheConfiguration) {
  EditableSource source(*Must(Checkpoint::Open(GoldenModel("llama3"))).tensors);
  source.SetWords("m.weight_packed", {2, 1}, std::vector<uint32_t>{0x00838281, 0x007F7E7D});
  source.Set("m.weight_scale", DType::kF32, {2, 1}, {1, 1});
  WeightSlot slot;
  slot.tensor = "m.weight";
  slot.rows = slot.tensor_rows = 2;
  slot.columns = 3;
  std::vector<int8_t> codes(6);
  IntegerMatrix matrix = *Must(FindIntegerMatrix(source, slot, {.bits = {8}}));
  ASSERT_TRUE(matrix.ReadCodes(source, 0, 2, codes).has_value());
  EXPECT_EQ(codes, (std::vector<int8_t>{1, 2, 3, -3, -2, -1}));
  matrix = *Must(FindIntegerMatrix(source, slot, {.bits = {4}}));
  ASSERT_TRUE(matrix.ReadCodes(source, 0, 2, codes).has_value());
  EXPECT_EQ(codes, (std::vector<int8_t>{-7, 0, -6, 5, -1, 6}));
  const Result<std::optional<IntegerMatrix>> open = FindIntegerMatrix(source, slot, {});
  ASSERT_FALSE(open.has_value());
  EXPECT_EQ(open.error().message,
            "tensor m.weight_packed: 3 codes fill one word in 4 bits and in 8, and the quantization_config gives no "
            "num_bits");
}

// FP16, which the kernels' scales have, ends at 65504 and has few bits below 2^-14.
TEST_F(IntegerWeights, ScalesBeyondTheRangeOfFp16KeepTheirValues) {
  for (const float factor : {0x1p-60F, 0x1p40F}) {
    Use("llama3");
    source->QuantiseIntegers(kWeight, 4, 32);
    std::vector<float> scales = ReadTensor(*source, kScale), want = source->Codes(kWeight);
    for (size_t i = 0; i < scales.size(); ++i) scales[i] *= i < 6 ? factor : 1;  // two rows
    for (size_t i = 0; i < 2 * 96; ++i) want[i] *= factor;
    source->Set(kScale, DType::kF32, {64, 3}, scales);
    const PackedMatrix down = Must(Down());
    EXPECT_EQ(down.column_scales.size(), 64u);
    EXPECT_EQ(down.column_scales[2], 1);
    EXPECT_EQ(Decoded(down), want);
  }
}

TEST_F(IntegerWeights, PartsOfOneFormatAreJoinedAndOthersStayApart) {
  for (const std::string part : {"gate", "up"})
    source->QuantiseIntegers("model.layers.0.mlp." + part + "_proj.weight", 4, 32);
  source->QuantiseIntegers("model.layers.1.mlp.up_proj.weight", 8, 64);
  CheckpointWeights weights = Must(Open());
  const PackedMatrix joined = Must(weights.Matrix("layers.0.ffn.gate_up"));
  EXPECT_EQ(joined.columns, 192u);
  std::vector<float> want = source->Codes("model.layers.0.mlp.gate_proj.weight");
  const std::vector<float>& up = source->Codes("model.layers.0.mlp.up_proj.weight");
  want.insert(want.end(), up.begin(), up.end());
  EXPECT_EQ(Decoded(joined), want);
  EXPECT_FALSE(weights.Has("layers.1.ffn.gate_up"));
  EXPECT_EQ(Must(weights.Matrix("layers.1.ffn.up")).format, WeightFormat::kInt8);
  EXPECT_EQ(Must(weights.Matrix("layers.1.ffn.gate")).format, WeightFormat::kBf16);
}

TEST_F(IntegerWeights, WhatTheyTakeIsWhatTheMatricesHave) {
  source->QuantiseIntegers(kWeight, 4, 32);
  source->QuantiseIntegers("model.layers.1.mlp.down_proj.weight", 8, 96);
  CheckpointWeights weights = Must(Open());
  EXPECT_EQ(weights.bytes(), BytesOfAll(weights));
  EXPECT_FALSE(weights.all_f32());
}

TEST_F(IntegerWeights, AMissingOrDamagedScaleIsNamed) {
  source->QuantiseIntegers(kWeight, 4, 32);
  std::vector<float> scales = ReadTensor(*source, kScale);
  scales[33 * 3 + 1] = NAN;
  source->Set(kScale, DType::kF32, {64, 3}, scales);
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("model: scale " + kScale + " is nan in row 33, group 1"));
  source->Set(kScale, DType::kF32, {63, 3}, std::vector<float>(63 * 3, 1));
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: scale " + kScale +
                " has shape [63, 3] in F32; expected are floats: one, [64] or [64, number "
                "of groups]");
  source->Set(kScale, DType::kI32, {64, 3}, std::vector<float>(64 * 3, 1));
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("has shape [64, 3] in I32"));
  source->Remove(kScale);
  EXPECT_EQ(Message(ErrorCode::kNotFound),
            "model: tensor " + kPacked + " holds integer codes, but their scale " + kScale + " is missing");
}

TEST_F(IntegerWeights, GroupsThatDontFitAreNamedWithBothNumbers) {
  source->QuantiseIntegers(kWeight, 4, 32);
  Declare({{{"group_size", 128}}});
  EXPECT_EQ(Message(ErrorCode::kCorrupt), "model: scale " + kScale +
                                              " has 3 columns for 96 inputs, the quantization_config's group_size is "
                                              "128");
  Declare({{{"group_size", 32}}, {{"group_size", 128}}});
  EXPECT_EQ(Must(Down()).format, WeightFormat::kInt4Group32);
  const std::vector<float> scales = ReadTensor(*source, kScale);
  source->Set(kScale, DType::kF32, {64}, std::vector<float>(64, 1));
  Declare({{{"group_size", 32}}});
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: scale " + kScale + " has 1 column for 96 inputs, the quantization_config's group_size is 32");
  Declare({{{"group_size", 32}}, {{"strategy", "channel"}}});
  EXPECT_EQ(Must(Down()).format, WeightFormat::kInt4Group128) << "one scale for a row is what a group may have";
  source->Set(kScale, DType::kF32, {64, 3}, scales);
  source->Set(kScale, DType::kF32, {64, 97}, std::vector<float>(64 * 97, 1));
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("has shape [64, 97]"));
  Use("llama3");
  source->QuantiseIntegers(kWeight, 8, 32);
  EXPECT_EQ(Message(ErrorCode::kUnsupported),
            "model: scale " + kScale +
                " has 3 columns for 96 inputs; INT8 in groups is read where the quantization_config gives the "
                "group_size");
}

TEST_F(IntegerWeights, WordsOfAnotherWidthAreNamedWithTheirShape) {
  source->QuantiseIntegers(kWeight, 4, 32);
  source->SetWords(kPacked, {64, 9}, std::vector<uint32_t>(64 * 9));  // three bits
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kPacked +
                " has shape [64, 9] in I32; codes of 64 x 96 weights are [64, 12] (4 bits) "
                "or [64, 24] (8 bits) in I32");
  source->Set(kPacked, DType::kI16, {64, 24}, std::vector<float>(64 * 24));
  EXPECT_THAT(Message(ErrorCode::kUnsupported), HasSubstr("has shape [64, 24] in I16"));
}

TEST_F(IntegerWeights, AShapeThatContradictsTheConfigurationIsRefused) {
  source->QuantiseIntegers(kWeight, 4, 32);
  source->Set(kModule + ".weight_shape", DType::kI64, {2}, {64, 92});
  EXPECT_EQ(Message(ErrorCode::kCorrupt),
            "model: tensor " + kModule + ".weight_shape says [64, 92], config.json asks for [64, 96]");
  source->Set(kModule + ".weight_shape", DType::kI64, {3}, {64, 96, 1});
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("has shape [3] in I64, [2] in I64 is expected"));
}

TEST_F(IntegerWeights, WhatWouldChangeTheCodesIsRefused) {
  source->QuantiseIntegers(kWeight, 4, 32);
  Declare({{{"group_size", 32}, {"symmetric", false}}});
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr(kModule + ".weight_zero_point is missing"));
  Declare({{{"group_size", 32}}});
  source->SetWords(kModule + ".weight_g_idx", {96}, std::vector<uint32_t>(96));
  EXPECT_THAT(Message(ErrorCode::kUnsupported), HasSubstr("assigned to groups one by one"));
  source->Remove(kModule + ".weight_g_idx");
  source->Set(kWeight, DType::kF32, {64, 96}, std::vector<float>(64 * 96));
  EXPECT_THAT(Message(ErrorCode::kCorrupt), HasSubstr("are both there"));
}

// Forward pass in every tier: every matrix in integers, or some of a layer.
constexpr int kWithZeros = 40;  // bits, with zero points

class IntegerForward : public testing::TestWithParam<std::tuple<std::string, int, const kernels::KernelTable*>> {
 public:
  static std::string CaseName(const testing::TestParamInfo<ParamType>& test) {
    const auto& [model, bits, tier] = test.param;
    return Cat(model, "_int", bits == kWithZeros ? "4_zeros" : Cat(bits), "_", tier->name);
  }

 protected:
  void SetUp() override {
    const auto& [model, bits, tier] = GetParam();
    ids_ = ReadGolden(model).ids;
    ids_.resize(kTokens);
    checkpoint_ = Must(Checkpoint::Open(GoldenModel(model)));
    auto source = std::make_shared<EditableSource>(*checkpoint_.tensors);
    for (const TensorInfo& info : checkpoint_.tensors->tensors()) {
      const bool is_linear = info.name.find("_proj.weight") != std::string::npos || info.name == "lm_head.weight";
      if (!is_linear || info.name.find("layers.1.mlp.up") != std::string::npos) continue;
      if (bits == kWithZeros)
        source->QuantiseWithZeros(info.name, 32);
      else
        source->QuantiseIntegers(info.name, bits, bits == 4 ? 32 : info.shape[1]);
    }
    checkpoint_.config["quantization_config"] = {{"config_groups", {{"group_0", {{"weights", {{"group_size", 32}}}}}}}};
    checkpoint_.tensors = source;
    decoded_ = checkpoint_;
    decoded_.tensors = source->Decoded();
  }
  std::vector<float> Got(nn::ActivationMode activations, size_t threads, size_t chunk) const {
    TinyModel model(checkpoint_, ComputeType::kAuto, *std::get<2>(GetParam()), threads);
    model.context.activations = activations;
    return model.Logits(ids_, chunk);
  }
  std::vector<float> Want() const {
    TinyModel model(decoded_, ComputeType::kF32, kernels::ActiveKernels());
    return model.Logits(ids_, ids_.size());
  }
  double Layers() const { return checkpoint_.config.at("num_hidden_layers").get<double>(); }
  double Bf16Bound() const { return 8 * Layers() / 512; }  // as in decoder_test

  static constexpr size_t kTokens = 44;
  std::vector<int32_t> ids_;
  Checkpoint checkpoint_, decoded_;
};

// Between them: groups that divide and short ones, biases, fused tensors, tied heads.
INSTANTIATE_TEST_SUITE_P(
    Models, IntegerForward,
    testing::Combine(testing::Values("llama3", "qwen2", "phi3_short", "gemma3"), testing::Values(4, 8, kWithZeros),
                     testing::ValuesIn(kernels::AvailableTiers().begin(), kernels::AvailableTiers().end())),
    IntegerForward::CaseName);

TEST_P(IntegerForward, LogitsStayWithinANormBoundOfTheDecodedWeights) {
  const std::vector<float> want = Want();
  EXPECT_LT(RelativeError(Got(nn::ActivationMode::kBf16, 1, ids_.size()), want), Bf16Bound());
  // Inputs of a layer's four products are rounded to amax / 127, by half of that: 1 / 73 of a row whose values lie
  // evenly below amax, and some times that for one with outliers; the squares add up.
  EXPECT_LT(RelativeError(Got(nn::ActivationMode::kInt8, 1, ids_.size()), want),
            std::sqrt(4 * Layers() + 1) / 32 + Bf16Bound());
}

TEST_P(IntegerForward, LogitsAreTheSameBitsForAnyThreadsAndCuts) {
  for (const nn::ActivationMode activations : {nn::ActivationMode::kBf16, nn::ActivationMode::kInt8}) {
    const std::vector<float> whole = Got(activations, 1, ids_.size());
    for (const size_t chunk : ChunksFor(*std::get<2>(GetParam()))) {
      EXPECT_EQ(Got(activations, 2, chunk), whole) << "chunks of " << chunk;
    }
  }
}

}  // namespace
}  // namespace octet
