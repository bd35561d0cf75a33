// The blocks of a GGUF file as the decoder gets them: tests/golden/gguf/blocks.gguf, whose decoded values
// tests/formats/gguf_checkpoint_test.cpp holds against the gguf package (tools/golden/gguf_blocks.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "base/log.h"
#include "formats/gguf.h"
#include "golden_model.h"
#include "kernels/kernel_table.h"
#include "models/weights.h"
#include "numeric/bf16.h"
#include "numeric/fp16.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using kernels::WeightFormat;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kGolden = OCTET_SOURCE_DIR "/tests/golden/gguf/blocks.gguf";
const std::string kKeys = "model.layers.0.self_attn.k_proj.weight", kOut = "model.layers.0.self_attn.o_proj.weight";

class BlockWeights : public testing::Test {
 protected:
  void SetUp() override { Use(kGolden); }
  void Use(const std::filesystem::path& path) {
    checkpoint = Must(Checkpoint::Open(path));
    checkpoint.path = "model";
    spec = Must(ReadHfConfig(checkpoint.config, "model"));
  }
  // The file with bytes of one of its tensors changed.
  void Change(const std::string& tensor, const std::function<void(char* data)>& change) {
    std::string bytes = Must(ReadTextFile(kGolden));
    const auto file = Must(GgufFile::Open(kGolden));
    change(bytes.data() + file->FindTensor(tensor)->offset);
    Use(directory.Write("changed.gguf", bytes));
  }
  Result<CheckpointWeights> Open(ComputeType compute = ComputeType::kAuto) {
    return CheckpointWeights::Open(checkpoint, spec, compute, pool);
  }
  // All weights of a matrix, [columns, depth].
  static std::vector<float> Decoded(const PackedMatrix& matrix) {
    std::vector<float> values(matrix.columns * matrix.depth);
    for (size_t column = 0; column < matrix.columns; ++column) {
      kernels::ActiveKernels().unpack_column[static_cast<size_t>(matrix.format)](
          matrix.panels.data(), matrix.column_scales.empty() ? nullptr : matrix.column_scales.data(), matrix.depth,
          column, values.data() + column * matrix.depth);
    }
    return values;
  }
  // What the file's tensors decode to, one behind the other.
  std::vector<float> Want(const std::vector<std::string>& tensors) const {
    std::vector<float> all;
    for (const std::string& tensor : tensors) {
      const std::vector<float> one = ReadTensor(*checkpoint.tensors, tensor);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  TemporaryDirectory directory;
  ThreadPool pool{2};
  Checkpoint checkpoint;
  ModelSpec spec;
};

std::vector<float> Rounded(std::vector<float> values) {
  for (float& value : values) value = ToFloat(ToBf16(value));
  return values;
}

TEST_F(BlockWeights, ThoseThatAKernelTakesKeepTheirCodesAndValues) {
  CheckpointWeights weights = Must(Open());
  const std::string layer = "model.layers.0.";
  const struct {
    std::string name;
    WeightFormat format;
    std::vector<std::string> tensors;
  } cases[] = {{"layers.0.attn.q", WeightFormat::kInt4Group32, {layer + "self_attn.q_proj.weight"}},
               {"layers.0.attn.k", WeightFormat::kInt4Zeros32, {kKeys}},
               {"layers.0.attn.out", WeightFormat::kNvfp4, {kOut}},
               {"layers.0.ffn.gate_up",
                WeightFormat::kInt4Group32,
                {layer + "mlp.gate_proj.weight", layer + "mlp.up_proj.weight"}}};
  for (const auto& [name, format, tensors] : cases) {
    const PackedMatrix matrix = Must(weights.Matrix(name));
    EXPECT_EQ(matrix.format, format) << name;
    EXPECT_EQ(Decoded(matrix), Want(tensors)) << name;
  }
  EXPECT_TRUE(Decoder::Load(spec, weights).has_value());
}

TEST_F(BlockWeights, OthersAreDecodedAndOnlyFp32HoldsThemAsTheyAre) {
  for (const auto& [name, tensor] : {std::pair{"layers.0.attn.v", "model.layers.0.self_attn.v_proj.weight"},
                                     {"layers.0.ffn.down", "model.layers.0.mlp.down_proj.weight"},
                                     {"embedding", "model.embed_tokens.weight"}}) {
    CheckpointWeights weights = Must(Open()), exact = Must(Open(ComputeType::kF32));
    const std::vector<float> want = Want({tensor});
    EXPECT_EQ(Must(weights.Matrix(name)).format, WeightFormat::kBf16);
    EXPECT_EQ(Decoded(Must(weights.Matrix(name))), Rounded(want)) << name;
    EXPECT_NE(Rounded(want), want) << name;
    EXPECT_EQ(Decoded(Must(exact.Matrix(name))), want) << name;
  }
}

TEST_F(BlockWeights, WhatIsDecodedIsSaidInOneLine) {
  static std::vector<std::string> messages;
  messages.clear();
  SetLogSink([](LogLevel, std::string_view message) { messages.emplace_back(message); });
  EXPECT_TRUE(Open().has_value());
  EXPECT_TRUE(Open(ComputeType::kF32).has_value());
  SetLogSink({});
  const std::string rounded = ", which no kernel multiplies: decoded and rounded to BF16 when loaded";
  const std::string exact = ", which no kernel multiplies: decoded to FP32 when loaded";
  const std::string types = "model: 1 matrix is Q4_1 whose minima are no zero points, 1 Q5_0, 1 Q8_0";
  EXPECT_THAT(messages, ElementsAre(types + rounded, types + exact));
}

// Blocks of 20 bytes: scale, minimum, codes. Half a step more than a zero point in one of them.
TEST_F(BlockWeights, OneMinimumThatIsNoZeroPointDecodesTheTensor) {
  const auto set_halves = [](char* block, float scale, float minimum) {
    const uint16_t halves[] = {ToFp16(scale).bits, ToFp16(minimum).bits};
    std::memcpy(block, halves, sizeof halves);
  };
  for (const auto& [scale, minimum] : {std::pair{0.5F, -1.75F}, {0.5F, 0.5F}, {0.5F, -8.0F}, {0.0F, 1.0F}}) {
    Change("blk.0.attn_k.weight", [&, s = scale, m = minimum](char* data) { set_halves(data + 15 * 20, s, m); });
    CheckpointWeights weights = Must(Open());
    const PackedMatrix keys = Must(weights.Matrix("layers.0.attn.k"));
    EXPECT_EQ(keys.format, WeightFormat::kBf16) << scale << ", " << minimum;
    EXPECT_EQ(Decoded(keys), Rounded(Want({kKeys})));
  }
  Change("blk.0.attn_k.weight", [&](char* data) { set_halves(data + 15 * 20, -0.5F, 7.5F); });
  CheckpointWeights weights = Must(Open());
  const PackedMatrix keys = Must(weights.Matrix("layers.0.attn.k"));
  EXPECT_EQ(keys.format, WeightFormat::kInt4Zeros32) << "a scale may be negative";
  EXPECT_EQ(Decoded(keys), Want({kKeys}));
}

// Blocks of 17 bytes: power, codes. E4M3 has the powers from 2^-9 to 2^8.
TEST_F(BlockWeights, PowersOfTwoAreScalesOfNvfp4AsFarAsE4M3HasThem) {
  const auto set = [](char* data, int least, int greatest) {
    for (size_t block = 0; block < 32; ++block) data[block * 17] = static_cast<char>(block == 31 ? greatest : least);
  };
  const std::tuple<int, int, WeightFormat> cases[] = {{103, 120, WeightFormat::kNvfp4},
                                                      {102, 120, WeightFormat::kBf16},
                                                      {8, 8, WeightFormat::kBf16},
                                                      {235, 252, WeightFormat::kNvfp4}};
  for (const auto& [least, greatest, format] : cases) {
    Change("blk.0.attn_output.weight", [&, low = least, high = greatest](char* data) { set(data, low, high); });
    CheckpointWeights weights = Must(Open());
    const PackedMatrix out = Must(weights.Matrix("layers.0.attn.out"));
    EXPECT_EQ(out.format, format) << least << " to " << greatest;
    EXPECT_EQ(Decoded(out), Want({kOut})) << least << " to " << greatest;
  }
}

TEST_F(BlockWeights, ABlockOfZerosMayHaveAnyPower) {
  for (const int power : {0, 254}) {
    Change("blk.0.attn_output.weight", [&](char* data) {
      std::fill_n(data + 3 * 17, 17, '\0');
      data[3 * 17] = static_cast<char>(power);
    });
    CheckpointWeights weights = Must(Open());
    const PackedMatrix out = Must(weights.Matrix("layers.0.attn.out"));
    EXPECT_EQ(out.format, WeightFormat::kNvfp4) << power;
    EXPECT_EQ(Decoded(out), Want({kOut}));
  }
}

TEST_F(BlockWeights, APowerThatIsNoNumberIsNamedWithItsPlace) {
  Change("blk.0.attn_output.weight", [](char* data) { data[7 * 17] = '\xFF'; });
  CheckpointWeights weights = Must(Open());
  const Result<PackedMatrix> out = weights.Matrix("layers.0.attn.out");
  ASSERT_FALSE(out);
  EXPECT_THAT(out.error().message, HasSubstr("tensor " + kOut + " holds NaN in row 7, block 0"));
}

}  // namespace
}  // namespace octet
