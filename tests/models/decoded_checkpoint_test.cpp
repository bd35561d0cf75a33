// A quantised checkpoint decoded for quantising it anew; the layouts of others: foreign_weights_test.cpp.
#include <gtest/gtest.h>

#include "editable_weights.h"
#include "models/decoded_checkpoint.h"

namespace octet {
namespace {

class DecodedCheckpointTest : public EditableWeights {};

TEST_F(DecodedCheckpointTest, HoldsWhatEveryCodeStandsFor) {
  source->Quantise("model.layers.0.mlp.up_proj.weight");
  source->QuantiseBlocks("model.layers.0.mlp.gate_proj.weight");
  source->QuantiseIntegers(kWeight, 4, 32);
  source->QuantiseWithZeros("model.layers.1.mlp.down_proj.weight", 32);
  source->QuantiseNvfp4("model.layers.1.mlp.up_proj.weight");
  source->Quantise("lm_head.weight");
  const std::shared_ptr<EditableSource> want = source->Decoded();
  const std::optional<DecodedCheckpoint> decoded = Must(DecodeCheckpoint(checkpoint, spec));
  ASSERT_TRUE(decoded);
  const TensorSource& tensors = *decoded->checkpoint.tensors;
  ASSERT_EQ(tensors.tensors().size(), want->tensors().size());
  for (const TensorInfo& info : want->tensors()) {
    ASSERT_NE(tensors.Find(info.name), nullptr) << info.name;
    EXPECT_EQ(tensors.Find(info.name)->shape, info.shape);
    EXPECT_EQ(ReadTensor(tensors, info.name), ReadTensor(*want, info.name)) << info.name;
    std::vector<float> last(RowSize(info.shape));
    ASSERT_TRUE(tensors.ReadRows(info.name, RowCount(info.shape) - 1, 1, last.data()));
    const std::vector<float> all = ReadTensor(*want, info.name);
    EXPECT_TRUE(std::equal(last.begin(), last.end(), all.end() - static_cast<std::ptrdiff_t>(last.size())));
  }
}

TEST_F(DecodedCheckpointTest, IsNothingWhereNothingIsQuantised) {
  EXPECT_FALSE(Must(DecodeCheckpoint(checkpoint, spec)).has_value());
}

// A configuration that was left behind by weights of floats; its scales of the cache go with it.
TEST_F(DecodedCheckpointTest, IsTheSameTensorsWhereTheConfigurationAloneIsQuantised) {
  checkpoint.config["quantization_config"] = {{"quant_method", "compressed-tensors"}};
  source->Set("model.layers.0.self_attn.k_scale", DType::kF32, {1}, {0.5F});
  const std::optional<DecodedCheckpoint> decoded = Must(DecodeCheckpoint(checkpoint, spec));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->matrices, 0u);
  EXPECT_EQ(decoded->was, "compressed-tensors");
  EXPECT_FALSE(decoded->checkpoint.config.contains("quantization_config"));
  const TensorSource& tensors = *decoded->checkpoint.tensors;
  ASSERT_EQ(tensors.tensors().size() + 1, source->tensors().size());
  for (const TensorInfo& info : tensors.tensors()) EXPECT_EQ(info.dtype, source->Find(info.name)->dtype) << info.name;
}

// Scales of the cache say nothing about weights that are quantised anew.
TEST_F(DecodedCheckpointTest, HasNoScalesOfKeysAndValues) {
  source->Quantise("model.layers.0.self_attn.k_proj.weight");
  source->Set("model.layers.0.self_attn.k_proj.k_scale", DType::kF32, {1}, {0.5F});
  source->Set("model.layers.0.self_attn.v_scale", DType::kF32, {1}, {0.5F});
  const std::optional<DecodedCheckpoint> decoded = Must(DecodeCheckpoint(checkpoint, spec));
  ASSERT_TRUE(decoded);
  for (const TensorInfo& info : decoded->checkpoint.tensors->tensors())
    EXPECT_FALSE(info.name.ends_with("_scale")) << info.name;
}

// Its tensors keep their names.
TEST_F(DecodedCheckpointTest, NamesTheTypesOfAGgufFile) {
  const Checkpoint gguf = Must(Checkpoint::Open(OCTET_SOURCE_DIR "/tests/golden/gguf/blocks.gguf"));
  const std::optional<DecodedCheckpoint> decoded =
      Must(DecodeCheckpoint(gguf, Must(ReadHfConfig(gguf.config, "blocks"))));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->was, "GGUF MXFP4, Q4_0, Q4_1, Q5_0, Q8_0");
  for (const TensorInfo& info : gguf.tensors->tensors())
    EXPECT_EQ(ReadTensor(*decoded->checkpoint.tensors, info.name), ReadTensor(*gguf.tensors, info.name)) << info.name;
}

TEST_F(DecodedCheckpointTest, ACodeThatIsNoNumberIsNamedWhenItIsRead) {
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  source->Quantise(name);
  std::vector<float> values(96 * 64, 1);
  values[2 * 64 + 3] = NAN;
  source->Set(name, DType::kE4M3, {96, 64}, values);
  const std::optional<DecodedCheckpoint> decoded = Must(DecodeCheckpoint(checkpoint, spec));
  ASSERT_TRUE(decoded);
  std::vector<float> row(64);
  EXPECT_TRUE(decoded->checkpoint.tensors->ReadRows(name, 1, 1, row.data()));
  const Status read = decoded->checkpoint.tensors->ReadRows(name, 2, 1, row.data());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "model: tensor " + name +
                                      " holds NaN in row 2, column 3; the file is damaged or was quantised from such "
                                      "weights");
}

}  // namespace
}  // namespace octet
