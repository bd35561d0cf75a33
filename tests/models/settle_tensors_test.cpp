// Checkpoints whose tensors say something else than config.json, or under other names, against what they stand for.
#include "formats/settle_tensors.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "editable_source.h"

namespace octet {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

// smollm2, whose head is tied, with tensors that a test changes.
class SettleTensorsTest : public testing::Test {
 protected:
  SettleTensorsTest() {
    checkpoint_ = Must(Checkpoint::Open(GoldenModel("smollm2")));
    source_ = std::make_shared<EditableSource>(*checkpoint_.tensors);
    checkpoint_.tensors = source_;
    SetLogSink([this](LogLevel, std::string_view message) { warnings_ += message; });
  }
  ~SettleTensorsTest() override { SetLogSink({}); }

  static std::vector<float> Logits(const Checkpoint& checkpoint) {
    TinyModel model(checkpoint, ComputeType::kF32, kernels::ActiveKernels());
    return model.Logits({5, 9, 77, 3}, 4);
  }
  void SetHead(float factor) {
    const TensorInfo info = *source_->Find(kEmbedding);
    std::vector<float> values = ReadTensor(*source_, kEmbedding);
    values.back() *= factor;
    source_->Set(kHead, info.dtype, info.shape, std::move(values));
  }

  Checkpoint checkpoint_;
  std::shared_ptr<EditableSource> source_;
  std::string warnings_;
};

TEST_F(SettleTensorsTest, AHeadThatDiffersFromTheEmbeddingIsUsedInsteadAndToldOf) {
  const std::vector<float> tied = Logits(checkpoint_);
  SetHead(-3);
  Checkpoint untied = checkpoint_;
  untied.config["tie_word_embeddings"] = false;
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.config["tie_word_embeddings"], false);
  EXPECT_EQ(Logits(checkpoint_), Logits(untied));
  EXPECT_NE(Logits(checkpoint_), tied);
  EXPECT_NE(warnings_.find("lm_head.weight differs from model.embed_tokens.weight"), std::string::npos);
}

TEST_F(SettleTensorsTest, AHeadInCodesIsUsedInsteadAndToldOf) {
  source_->Set("lm_head.weight_packed", DType::kI32, {1, 1}, {0});
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.config["tie_word_embeddings"], false);
  EXPECT_NE(warnings_.find("lm_head.weight_packed is there; it is used as the head"), std::string::npos) << warnings_;
}

TEST_F(SettleTensorsTest, NoRowsOfAnyWidthAskForNoMemory) {
  source_->Set(kEmbedding, DType::kF32, {0, uint64_t{1} << 50}, {});
  source_->Set(kHead, DType::kBf16, {0, uint64_t{1} << 50}, {});
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.config["tie_word_embeddings"], true);
}

TEST_F(SettleTensorsTest, AHeadEqualToTheEmbeddingStaysTied) {
  const std::vector<float> tied = Logits(checkpoint_);
  SetHead(1);
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.config["tie_word_embeddings"], true);
  EXPECT_EQ(Logits(checkpoint_), tied);
  EXPECT_EQ(warnings_, "");
}

TEST_F(SettleTensorsTest, AHeadInAnotherTypeIsComparedByItsValues) {
  SetHead(1);
  source_->Set(kHead, DType::kF32, source_->Find(kHead)->shape, ReadTensor(*source_, kHead));
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.config["tie_word_embeddings"], true);
}

// Gemma's files leave the field out and mean that it is tied.
TEST_F(SettleTensorsTest, WithoutAWordOfTheConfigADifferingHeadIsUntied) {
  checkpoint_.config.erase("tie_word_embeddings");
  SetHead(-3);
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.config["tie_word_embeddings"], false);
}

TEST_F(SettleTensorsTest, AHeadWithoutAnEmbeddingServesAsBoth) {
  const std::vector<float> tied = Logits(checkpoint_);
  SetHead(1);
  source_->Remove(kEmbedding);
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.tensors->Find(kHead), nullptr);
  EXPECT_EQ(checkpoint_.tensors->ReadRows(kHead, 0, 1, nullptr).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Logits(checkpoint_), tied);
}

// Its scale comes along.
TEST_F(SettleTensorsTest, AHeadInFp8WithoutAnEmbeddingServesAsBoth) {
  source_->Quantise(kEmbedding);
  const std::vector<float> logits = Logits(checkpoint_);
  for (const char* part : {"", "_scale"}) source_->Rename(std::string(kEmbedding) + part, std::string(kHead) + part);
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_NE(checkpoint_.tensors->Find(kEmbedding), nullptr);
  EXPECT_EQ(checkpoint_.tensors->Find("lm_head.weight_scale"), nullptr);
  EXPECT_EQ(Logits(checkpoint_), logits);
}

TEST_F(SettleTensorsTest, AHeadInCodesWithoutAnEmbeddingServesAsBoth) {
  source_->QuantiseIntegers(kEmbedding, 4, 72);
  const std::vector<float> logits = Logits(checkpoint_);
  for (const char* part : {".weight_packed", ".weight_scale", ".weight_shape"})
    source_->Rename(std::string("model.embed_tokens") + part, std::string("lm_head") + part);
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.config["tie_word_embeddings"], true);
  EXPECT_EQ(Logits(checkpoint_), logits);
}

// A tensor of codes is an embedding, too.
TEST_F(SettleTensorsTest, AHeadBesideAnEmbeddingInCodesStaysTheHead) {
  SetHead(1);
  source_->QuantiseIntegers(kEmbedding, 4, 72);
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.config["tie_word_embeddings"], false);
  EXPECT_EQ(Logits(checkpoint_).size(), 4U * 277);
}

TEST_F(SettleTensorsTest, TheBaseModelAloneGetsThePrefixOfItsNames) {
  const std::vector<float> tied = Logits(checkpoint_);
  auto base = std::make_shared<EditableSource>(*source_);
  for (const TensorInfo& info : source_->tensors()) {
    base->Remove(info.name);
    base->Set(info.name.substr(6), info.dtype, info.shape, ReadTensor(*source_, info.name));
  }
  checkpoint_.tensors = base;
  ASSERT_TRUE(SettleTensors(checkpoint_).has_value());
  EXPECT_EQ(checkpoint_.tensors->tensors().size(), source_->tensors().size());
  EXPECT_EQ(Logits(checkpoint_), tied);
}

}  // namespace
}  // namespace octet
