// GGUF files that lie about themselves, and every type of metadata.
#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/checkpoint.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Builds a file piece by piece; every number little-endian, as x86 and ARM have it.
class Builder {
 public:
  template <class Number>
  Builder& Add(Number number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  Builder& Text(std::string_view text) {
    Add<uint64_t>(text.size());
    bytes_.append(text);
    return *this;
  }
  Builder& Start(uint64_t tensors, uint64_t metadata) {
    bytes_ = "GGUF";
    return Add<uint32_t>(3).Add<uint64_t>(tensors).Add<uint64_t>(metadata);
  }
  Builder& Tensor(std::string_view name, std::vector<uint64_t> axes, uint32_t type, uint64_t offset) {
    Text(name).Add<uint32_t>(static_cast<uint32_t>(axes.size()));
    for (const uint64_t axis : axes) Add(axis);
    return Add(type).Add(offset);
  }
  Builder& Data(size_t bytes) {
    bytes_.resize((bytes_.size() + 31) / 32 * 32 + bytes);
    return *this;
  }
  std::string bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

Result<GgufHeader> Read(const std::string& bytes) {
  return ReadGgufHeader(std::as_bytes(std::span(bytes.data(), bytes.size())), "m.gguf");
}

void ExpectError(const std::string& bytes, ErrorCode code, std::string_view part) {
  const auto header = Read(bytes);
  ASSERT_FALSE(header) << part;
  EXPECT_EQ(header.error().code, code) << header.error().message;
  EXPECT_THAT(header.error().message, HasSubstr(part));
  EXPECT_THAT(header.error().message, testing::StartsWith("m.gguf: "));
}

std::string SmallFile() {
  return Builder()
      .Start(2, 1)
      .Text("k")
      .Add<uint32_t>(8)
      .Text("v")
      .Tensor("a", {4, 2}, 0, 0)
      .Tensor("b", {32}, 2, 32)
      .Data(50)
      .bytes();
}

TEST(Gguf, TensorsComeWithShapesOutermostFirst) {
  const std::string bytes = SmallFile();
  const auto header = Read(bytes);
  ASSERT_TRUE(header) << header.error().message;
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_THAT(header->tensors[0].shape, ElementsAre(2, 4));
  EXPECT_EQ(header->tensors[0].bytes, 32u);
  EXPECT_EQ(header->tensors[1].type, "Q4_0");
  EXPECT_EQ(header->tensors[1].bytes, 18u);
}

TEST(Gguf, EveryTruncationIsCorrupt) {
  const std::string bytes = SmallFile();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto header = Read(bytes.substr(0, size));
    ASSERT_FALSE(header) << size;
    EXPECT_EQ(header.error().code, ErrorCode::kCorrupt) << size;
  }
}

TEST(Gguf, OtherMagicVersionsAndByteOrdersAreRefused) {
  ExpectError("GGML1234567890123456789012", ErrorCode::kCorrupt, "no GGUF file");
  ExpectError(Builder().Start(0, 0).bytes().replace(4, 1, "\x01"), ErrorCode::kUnsupported, "version 1,");
  ExpectError(Builder().Start(0, 0).bytes().replace(4, 1, "\x09"), ErrorCode::kUnsupported, "version 9,");
  ExpectError(Builder().Start(0, 0).bytes().replace(4, 4, std::string("\0\0\0\x03", 4)), ErrorCode::kUnsupported,
              "big-endian");
}

TEST(Gguf, CountsBeyondTheFileAreCorruptBeforeAnythingIsAllocated) {
  for (const uint64_t count : {uint64_t{100}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX}) {
    ExpectError(Builder().Start(count, 0).bytes(), ErrorCode::kCorrupt, "the number of tensors is");
    ExpectError(Builder().Start(0, count).bytes(), ErrorCode::kCorrupt, "the number of metadata entries is");
    ExpectError(Builder().Start(0, 1).Add(count).Add<uint64_t>(0).bytes(), ErrorCode::kCorrupt, "a metadata key");
    ExpectError(Builder().Start(0, 1).Text("k").Add<uint32_t>(8).Add(count).bytes(), ErrorCode::kCorrupt, "k at byte");
    ExpectError(Builder().Start(0, 1).Text("k").Add<uint32_t>(9).Add<uint32_t>(0).Add(count).bytes(),
                ErrorCode::kCorrupt, "the size of `k` is");
    ExpectError(Builder().Start(0, 1).Text("k").Add<uint32_t>(9).Add<uint32_t>(8).Add(count).bytes(),
                ErrorCode::kCorrupt, "the size of `k` is");
  }
}

TEST(Gguf, ArraysThatNestWithoutEndAreRefused) {
  Builder builder;
  builder.Start(0, 1).Text("k").Add<uint32_t>(9);
  for (int depth = 0; depth < 1000; ++depth) builder.Add<uint32_t>(9).Add<uint64_t>(1);
  builder.Add<uint32_t>(0).Add<uint64_t>(0);
  ExpectError(builder.bytes(), ErrorCode::kUnsupported, "nests arrays deeper than 4");
}

TEST(Gguf, ImpossibleTensorsAreCorrupt) {
  ExpectError(Builder().Start(1, 0).Tensor("t", {uint64_t{1} << 62, 8}, 0, 0).Data(64).bytes(), ErrorCode::kCorrupt,
              "64 bits");
  ExpectError(Builder().Start(1, 0).Tensor("t", {33}, 2, 0).Data(64).bytes(), ErrorCode::kCorrupt, "rows of 33");
  ExpectError(Builder().Start(1, 0).Tensor("t", {8}, 0, 32).Data(32).bytes(), ErrorCode::kCorrupt, "cut short");
  ExpectError(Builder().Start(1, 0).Tensor("t", {8}, 0, UINT64_MAX - 31).Data(32).bytes(), ErrorCode::kCorrupt,
              "cut short");
  ExpectError(Builder().Start(1, 0).Tensor("t", {4}, 0, 8).Data(64).bytes(), ErrorCode::kCorrupt, "alignment 32");
  ExpectError(Builder().Start(1, 0).Tensor("t", {}, 0, 0).Data(64).bytes(), ErrorCode::kCorrupt, "0 axes");
  ExpectError(Builder().Start(1, 0).Tensor("t", {1, 1, 1, 1, 1}, 0, 0).Data(64).bytes(), ErrorCode::kCorrupt, "5 axes");
  ExpectError(Builder().Start(2, 0).Tensor("t", {16}, 0, 0).Tensor("u", {16}, 0, 32).Data(96).bytes(),
              ErrorCode::kCorrupt, "inside the one before it");
  ExpectError(Builder().Start(2, 0).Tensor("t", {8}, 0, 0).Tensor("t", {8}, 0, 32).Data(64).bytes(),
              ErrorCode::kCorrupt, "there twice");
}

TEST(Gguf, UnknownTensorTypesAreUnsupportedByName) {
  ExpectError(Builder().Start(1, 0).Tensor("t", {256}, 23, 0).Data(512).bytes(), ErrorCode::kUnsupported, "IQ4_XS");
  ExpectError(Builder().Start(1, 0).Tensor("t", {256}, 999, 0).Data(512).bytes(), ErrorCode::kUnsupported,
              "number 999");
}

TEST(Gguf, AlignmentMustBeAPowerOfTwo) {
  for (const uint32_t alignment : {0u, 3u, 1u << 21}) {
    ExpectError(Builder().Start(0, 1).Text("general.alignment").Add<uint32_t>(4).Add(alignment).bytes(),
                ErrorCode::kCorrupt, "general.alignment");
  }
}

TEST(Gguf, AKeyTwiceOrOfAnUnknownTypeIsCorrupt) {
  ExpectError(Builder()
                  .Start(0, 2)
                  .Text("k")
                  .Add<uint32_t>(7)
                  .Add<uint8_t>(1)
                  .Text("k")
                  .Add<uint32_t>(7)
                  .Add<uint8_t>(1)
                  .bytes(),
              ErrorCode::kCorrupt, "`k` is there twice");
  ExpectError(Builder().Start(0, 1).Text("k").Add<uint32_t>(13).Add<uint64_t>(0).bytes(), ErrorCode::kCorrupt,
              "type 13");
}

TEST(Gguf, EveryTypeOfMetadataIsRead) {
  Builder builder;
  builder.Start(0, 14);
  builder.Text("u8").Add<uint32_t>(0).Add<uint8_t>(200).Text("i8").Add<uint32_t>(1).Add<int8_t>(-5);
  builder.Text("u16").Add<uint32_t>(2).Add<uint16_t>(60000).Text("i16").Add<uint32_t>(3).Add<int16_t>(-5);
  builder.Text("u32").Add<uint32_t>(4).Add<uint32_t>(4000000000u).Text("i32").Add<uint32_t>(5).Add<int32_t>(-5);
  builder.Text("f32").Add<uint32_t>(6).Add<float>(1.5f).Text("bool").Add<uint32_t>(7).Add<uint8_t>(1);
  builder.Text("text").Add<uint32_t>(8).Text("hi").Text("u64").Add<uint32_t>(10).Add<uint64_t>(UINT64_MAX);
  builder.Text("i64").Add<uint32_t>(11).Add<int64_t>(INT64_MIN).Text("f64").Add<uint32_t>(12).Add<double>(2.5);
  builder.Text("ids").Add<uint32_t>(9).Add<uint32_t>(3).Add<uint64_t>(2).Add<int16_t>(-1).Add<int16_t>(7);
  builder.Text("names").Add<uint32_t>(9).Add<uint32_t>(8).Add<uint64_t>(2).Text("a").Text("");

  const TemporaryDirectory directory;
  const auto file = GgufFile::Open(directory.Write("m.gguf", builder.bytes()));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*(*file)->GetInteger("u8"), 200);
  EXPECT_EQ(*(*file)->GetInteger("i8"), -5);
  EXPECT_EQ(*(*file)->GetInteger("u16"), 60000);
  EXPECT_EQ(*(*file)->GetInteger("i16"), -5);
  EXPECT_EQ(*(*file)->GetInteger("u32"), 4000000000);
  EXPECT_EQ(*(*file)->GetInteger("i32"), -5);
  EXPECT_EQ(*(*file)->GetNumber("f32"), 1.5);
  EXPECT_EQ(*(*file)->GetNumber("u8"), 200.0);
  EXPECT_EQ(*(*file)->GetBool("bool"), true);
  EXPECT_EQ(*(*file)->GetString("text"), "hi");
  EXPECT_EQ(*(*file)->GetInteger("i64"), INT64_MIN);
  EXPECT_EQ(*(*file)->GetNumber("f64"), 2.5);
  EXPECT_THAT(*(*file)->GetIntegers("ids"), ElementsAre(-1, 7));
  EXPECT_THAT(*(*file)->GetStrings("names"), ElementsAre("a", ""));
  EXPECT_EQ((*file)->GetInteger("u64").error().code, ErrorCode::kCorrupt) << "beyond 63 bits";
  EXPECT_THAT((*file)->GetString("u8").error().message, HasSubstr("`u8` is not a string"));
  EXPECT_THAT((*file)->GetNumbers("none").error().message, HasSubstr("`none` is missing"));
}

TEST(Gguf, AFileWithAVocabularyOnlyOpensAsACheckpointWithoutTensors) {
  Builder builder;
  builder.Start(0, 2).Text("general.architecture").Add<uint32_t>(8).Text("something-new");
  builder.Text("tokenizer.ggml.tokens").Add<uint32_t>(9).Add<uint32_t>(8).Add<uint64_t>(2).Text("a").Text("b");
  const TemporaryDirectory directory;
  const auto checkpoint = Checkpoint::Open(directory.Write("vocabulary.gguf", builder.bytes()));
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_TRUE(checkpoint->tensors->tensors().empty());
  EXPECT_EQ(checkpoint->config["vocab_size"], 2);
  EXPECT_THAT(*checkpoint->gguf->GetStrings("tokenizer.ggml.tokens"), ElementsAre("a", "b"));
}

TEST(Gguf, AnUnknownArchitectureWithTensorsIsUnsupportedByName) {
  Builder builder;
  builder.Start(1, 1).Text("general.architecture").Add<uint32_t>(8).Text("rwkv7").Tensor("t", {8}, 0, 0).Data(32);
  const TemporaryDirectory directory;
  const auto checkpoint = Checkpoint::Open(directory.Write("m.gguf", builder.bytes()));
  ASSERT_FALSE(checkpoint);
  EXPECT_EQ(checkpoint.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(checkpoint.error().message, HasSubstr("`rwkv7`"));
  EXPECT_THAT(checkpoint.error().message, HasSubstr("llama, qwen2, qwen3, phi3, gemma2, gemma3"));
}

TEST(Gguf, AFileThatIsNoModelSaysSo) {
  const TemporaryDirectory directory;
  EXPECT_EQ(Checkpoint::Open(directory.Write("x.bin", "hello")).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Checkpoint::Open(directory.Write("empty", "")).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace octet
