#include "formats/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/safetensors_writer.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::HasSubstr;

TEST(CheckpointOfADirectory, HoldsConfigurationAndTensors) {
  const TemporaryDirectory directory;
  directory.Write("config.json", R"({"model_type": "llama"})");
  auto writer = *SafetensorsWriter::Create(directory / "model.safetensors", {{"v", DType::kF32, {1}}}, {});
  const float value = 3;
  ASSERT_TRUE(writer.Write("v", std::as_bytes(std::span(&value, 1))));
  ASSERT_TRUE(writer.Commit());
  const auto checkpoint = Checkpoint::Open(directory.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->kind, "huggingface");
  EXPECT_EQ(checkpoint->config["model_type"], "llama");
  EXPECT_TRUE(checkpoint->generation_config.is_null());
  EXPECT_TRUE(checkpoint->tokenizer_config.is_null());
  EXPECT_EQ(checkpoint->gguf, nullptr);
  EXPECT_EQ(checkpoint->tensors->tensors().size(), 1u);
}

TEST(CheckpointOfADirectory, WithoutConfigSaysWhatWasLookedForAndFound) {
  const TemporaryDirectory directory;
  directory.Write("holiday.jpg", "x");
  const auto checkpoint = Checkpoint::Open(directory.path());
  ASSERT_FALSE(checkpoint);
  EXPECT_EQ(checkpoint.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(checkpoint.error().message, HasSubstr("config.json is missing, the directory holds holiday.jpg"));
}

TEST(CheckpointOfADirectory, WithAConfigThatIsNoObjectIsCorrupt) {
  const TemporaryDirectory directory;
  directory.Write("config.json", "[1]");
  EXPECT_EQ(Checkpoint::Open(directory.path()).error().code, ErrorCode::kCorrupt);
}

TEST(CheckpointOfAPath, ThatDoesNotExistIsNotFound) {
  const TemporaryDirectory directory;
  EXPECT_EQ(Checkpoint::Open(directory / "none").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace octet
