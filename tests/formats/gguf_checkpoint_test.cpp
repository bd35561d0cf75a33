// Tiny models that the gguf package wrote as llama.cpp's converter does come back as they were
// (tools/golden/gguf_models.py), and one in blocks as it decodes them (tools/golden/gguf_blocks.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/mapped_file.h"
#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "formats/gguf_rope.h"
#include "tests/base/temporary_directory.h"
#include "tests/numeric/crc32.h"

namespace octet {
namespace {

using testing::HasSubstr;

std::string GoldenPath(std::string_view name) { return Cat(OCTET_SOURCE_DIR "/tests/golden/gguf/", name); }

class GgufModel : public testing::TestWithParam<const char*> {
 protected:
  const Json golden_ = *ParseJson(*ReadTextFile(GoldenPath(Cat(GetParam(), ".json"))), "golden");
  const Result<Checkpoint> checkpoint_ = Checkpoint::Open(GoldenPath(Cat(GetParam(), ".gguf")));
};

TEST_P(GgufModel, GivesTheConfigurationItWasMadeFrom) {
  ASSERT_TRUE(checkpoint_) << checkpoint_.error().message;
  EXPECT_EQ(checkpoint_->kind, "gguf");
  for (const auto& item : golden_["config"].items()) {
    ASSERT_TRUE(checkpoint_->config.contains(item.key())) << item.key();
    EXPECT_EQ(checkpoint_->config[item.key()], item.value()) << item.key();
  }
}

TEST_P(GgufModel, GivesEveryTensorItWasMadeFromBitForBit) {
  ASSERT_TRUE(checkpoint_) << checkpoint_.error().message;
  const TensorSource& tensors = *checkpoint_->tensors;
  EXPECT_EQ(tensors.tensors().size(), golden_["tensors"].size());
  for (const auto& item : golden_["tensors"].items()) {
    const TensorInfo* info = tensors.Find(item.key());
    ASSERT_NE(info, nullptr) << item.key();
    ASSERT_EQ(info->shape, item.value()["shape"].get<Shape>()) << item.key();
    std::vector<float> values(*ElementCount(info->shape));
    ASSERT_TRUE(tensors.ReadRows(item.key(), 0, RowCount(info->shape), values.data()));
    EXPECT_EQ(Crc32(values), item.value()["crc"].get<uint32_t>()) << item.key();
    tensors.Release(item.key());
  }
}

TEST_P(GgufModel, RowsReadOneByOneEqualRowsReadAtOnce) {
  ASSERT_TRUE(checkpoint_) << checkpoint_.error().message;
  for (const TensorInfo& info : checkpoint_->tensors->tensors()) {
    const uint64_t rows = RowCount(info.shape), size = RowSize(info.shape);
    std::vector<float> whole(rows * size), single(rows * size);
    ASSERT_TRUE(checkpoint_->tensors->ReadRows(info.name, 0, rows, whole.data()));
    for (uint64_t row = 0; row < rows; ++row) {
      ASSERT_TRUE(checkpoint_->tensors->ReadRows(info.name, row, 1, single.data() + row * size));
    }
    EXPECT_EQ(whole, single) << info.name;
  }
}

TEST_P(GgufModel, BytesAreGivenExactlyWhereTheyDecodeToTheRows) {
  ASSERT_TRUE(checkpoint_) << checkpoint_.error().message;
  size_t given = 0;
  for (const TensorInfo& info : checkpoint_->tensors->tensors()) {
    const auto bytes = checkpoint_->tensors->Bytes(info.name);
    if (!bytes) {
      EXPECT_EQ(bytes.error().code, ErrorCode::kUnsupported);
      continue;
    }
    ++given;
    std::vector<float> decoded(*ElementCount(info.shape)), rows(decoded.size());
    ASSERT_EQ(bytes->size(), decoded.size() * ByteSize(info.dtype));
    DecodeElements(info.dtype, bytes->data(), decoded.size(), decoded.data());
    ASSERT_TRUE(checkpoint_->tensors->ReadRows(info.name, 0, RowCount(info.shape), rows.data()));
    EXPECT_EQ(decoded, rows) << info.name;
  }
  EXPECT_GE(given, 3u);
}

TEST_P(GgufModel, EndOfTurnJoinsTheEndTokens) {
  ASSERT_TRUE(checkpoint_) << checkpoint_.error().message;
  EXPECT_EQ(checkpoint_->generation_config["eos_token_id"], Json({2, 3}));
  EXPECT_EQ(checkpoint_->generation_config["bos_token_id"], 1);
  EXPECT_EQ(checkpoint_->tokenizer_config["bos_token"], "<s>");
  EXPECT_EQ(checkpoint_->tokenizer_config["chat_template"], "{{ messages[0].content }}");
}

INSTANTIATE_TEST_SUITE_P(EveryArchitecture, GgufModel,
                         testing::Values("smollm", "llama3", "fused", "qwen2", "qwen3", "phi3", "gemma2", "gemma3",
                                         "blocks"),
                         [](const auto& model) { return std::string(model.param); });

// gemma2.gguf with an own scale of scores, and an entry that fills up 64 bytes so that tensors stay aligned.
std::string WithScale(float scale) {
  std::string bytes = *ReadTextFile(GoldenPath("gemma2.gguf"));
  std::string added;
  const auto add = [&](const auto& number) { added.append(reinterpret_cast<const char*>(&number), sizeof number); };
  const auto key = [&](std::string_view name, uint32_t type) {
    add(uint64_t{name.size()});
    added += name;
    add(type);
  };
  key("gemma2.attention.scale", /*F32=*/6);
  add(scale);
  key("general.empty", /*U8=*/0);
  add(uint8_t{0});
  EXPECT_EQ(added.size(), 64u);
  constexpr size_t kCountAt = 16, kEntriesAt = 24;
  bytes[kCountAt] = static_cast<char>(bytes[kCountAt] + 2);
  return bytes.insert(kEntriesAt, added);
}

TEST(GemmaScale, BecomesTheDivisorAndOneBeyondReasonIsRefused) {
  const TemporaryDirectory directory;
  const auto open = [&](float scale) { return Checkpoint::Open(directory.Write("g.gguf", WithScale(scale))); };
  EXPECT_EQ(open(0.125F)->config["query_pre_attn_scalar"], 64);
  for (const float scale : {1e-20F, 1e-40F}) {
    const Result<Checkpoint> checkpoint = open(scale);
    ASSERT_FALSE(checkpoint) << scale;
    EXPECT_EQ(checkpoint.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(checkpoint.error().message, HasSubstr("`gemma2.attention.scale` is 1e-"));
  }
}

// The divisors that llama3 scaling gives for a head of `dim` numbers.
std::vector<float> Divisors(size_t dim, double theta, double factor, double low, double high, double original) {
  std::vector<float> divisors;
  for (size_t i = 0; i < dim / 2; ++i) {
    const double wavelength =
        2 * 3.14159265358979 * std::pow(theta, 2.0 * static_cast<double>(i) / static_cast<double>(dim));
    const double smooth = (original / wavelength - low) / (high - low);
    const double kept = std::min(std::max(smooth, 0.0), 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - kept) / factor + kept)));
  }
  return divisors;
}

TEST(Llama3Scaling, ParametersOfReleasedModelsAreRecovered) {
  const Json llama31 = *RecoverLlama3Scaling(Divisors(128, 500000, 8, 1, 4, 8192), 500000, "x");
  EXPECT_EQ(llama31["factor"], 8.0);
  EXPECT_EQ(llama31["original_max_position_embeddings"], 8192);
  const Json llama32 = *RecoverLlama3Scaling(Divisors(64, 500000, 32, 1, 4, 8192), 500000, "x");
  EXPECT_EQ(llama32["factor"], 32.0);
  EXPECT_EQ(llama32["high_freq_factor"], 4.0);
}

TEST(Llama3Scaling, OtherParametersAreFittedToTheSameDivisors) {
  const std::vector<float> divisors = Divisors(128, 500000, 16, 1, 5, 6000);
  const Json fitted = *RecoverLlama3Scaling(divisors, 500000, "x");
  EXPECT_EQ(fitted["high_freq_factor"], 5.0);
  EXPECT_EQ(fitted["original_max_position_embeddings"], 6000);
}

TEST(Llama3Scaling, OnesAreNoScalingAndAnythingElseIsRefused) {
  EXPECT_TRUE(RecoverLlama3Scaling(std::vector<float>(64, 1.0f), 10000, "x")->is_null());
  const auto refused = RecoverLlama3Scaling(std::vector<float>{1, 7, 2, 9, 1, 1, 3, 8}, 10000, "x.gguf");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE(RecoverLlama3Scaling(std::vector<float>{1, std::nanf(""), 2}, 10000, "x"));
}

}  // namespace
}  // namespace octet
