// What a pack says of its weights is held against what it has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/pack/build_pack.h"
#include "engine/pack/pack_index.h"
#include "engine/pack/pack_weights.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PackIndex : public testing::Test {
 protected:
  // A pack with this index, a section of `bytes` zeros for the weight `w`, and scales of `scales` bytes if any.
  std::shared_ptr<const OctetPack> Make(std::string_view index, size_t bytes, size_t scales = 0) {
    const std::filesystem::path path = directory_ / "test.octet";
    Result<OctetPackWriter> writer = OctetPackWriter::Create(path);
    EXPECT_TRUE(writer->Add(kPackIndexSection, index).has_value());
    EXPECT_TRUE(writer->Add(DataSection("w"), std::string(bytes, '\0')).has_value());
    if (scales > 0) {
      EXPECT_TRUE(writer->Add(ScalesSection("w"), std::string(scales, '\0')).has_value());
    }
    EXPECT_TRUE(writer->Commit().has_value());
    Result<std::shared_ptr<const OctetPack>> pack = OctetPack::Open(path);
    EXPECT_TRUE(pack.has_value()) << pack.error().message;
    return *pack;
  }

  std::string Message(std::string_view index, size_t bytes, size_t scales = 0) {
    const auto entries = ReadPackIndex(*Make(index, bytes, scales));
    return entries ? "accepted" : std::string(ErrorCodeName(entries.error().code)) + ": " + entries.error().message;
  }

  TemporaryDirectory directory_;
  ThreadPool pool_{2};
};

TEST_F(PackIndex, MatrixAndVectorAreServedInPlace) {
  const auto pack = Make(R"({"layout":1,"weights":[{"name":"w","columns":33,"depth":5,"format":"e4m3"}]})",
                         kernels::PackedBytes(kernels::WeightFormat::kE4M3, 33, 5), 33 * 4);
  PackWeights weights(pack, *ReadPackIndex(*pack), LoadMode::kMap, pool_);
  const Result<PackedMatrix> matrix = weights.Matrix("w");
  ASSERT_TRUE(matrix.has_value()) << matrix.error().message;
  EXPECT_EQ(matrix->panels.data(), pack->Section(DataSection("w"))->data());
  EXPECT_EQ(matrix->column_scales.size(), 33u);
  EXPECT_TRUE(matrix->bias.empty());
  EXPECT_EQ(weights.Vector("w").error().code, ErrorCode::kNotFound);
}

TEST_F(PackIndex, SizesThatDontFitTheSectionAreCorrupt) {
  EXPECT_THAT(Message(R"({"layout":1,"weights":[{"name":"w","columns":33,"depth":5,"format":"bf16"}]})", 100),
              HasSubstr("corrupt"));
  EXPECT_THAT(Message(R"({"layout":1,"weights":[{"name":"w","columns":3}]})", 16),
              HasSubstr("has 16 bytes for 3 numbers of 4"));
  EXPECT_THAT(Message(R"({"layout":1,"weights":[{"name":"v","columns":3}]})", 12), HasSubstr("weights/v"));
  EXPECT_THAT(Message(R"({"layout":1,"weights":[{"name":"w","columns":32,"depth":1,"format":"f32"}]})", 128, 4),
              HasSubstr("has 4 bytes for 32 numbers"));
  using kernels::WeightFormat;
  for (const WeightFormat format : {WeightFormat::kE4M3, WeightFormat::kInt8, WeightFormat::kNvfp4}) {
    const PackEntry entry{.name = "w",
                          .is_matrix = true,
                          .format = format,
                          .columns = 1,
                          .depth = 1,
                          .data = {},
                          .scales = {},
                          .bias = {}};
    const std::string index = WritePackIndex({&entry, 1});
    const size_t bytes = kernels::PackedBytes(format, 1, 1);
    EXPECT_THAT(Message(index, bytes), AllOf(HasSubstr("corrupt"), HasSubstr("section scales/w is missing")));
    EXPECT_EQ(Message(index, bytes, 4), "accepted");
  }
  EXPECT_EQ(Message(R"({"layout":1,"weights":[{"name":"w","columns":3}]})", 12), "accepted");
}

TEST_F(PackIndex, CountsNearTheLimitsOverflowNothing) {
  for (const char* columns : {"0", "-1", "9223372036854775807", "1099511627777"}) {
    EXPECT_THAT(Message(Cat(R"({"layout":1,"weights":[{"name":"w","columns":)", columns, "}]}"), 12),
                HasSubstr("`columns` is"));
  }
  EXPECT_THAT(
      Message(R"({"layout":1,"weights":[{"name":"w","columns":1099511627776,"depth":1099511627776,"format":"f32"}]})",
              12),
      HasSubstr("more than 2^64"));
}

TEST_F(PackIndex, AStaticScaleOfInputsIsKeptExactly) {
  PackEntry entry;
  entry.name = "w";
  entry.is_matrix = true;
  entry.format = kernels::WeightFormat::kE4M3;
  entry.columns = 33;
  entry.depth = 5;
  entry.input_scale = 0.1F;  // needs all digits of a float
  const auto pack = Make(WritePackIndex({&entry, 1}), kernels::PackedBytes(entry.format, 33, 5), 33 * 4);
  PackWeights weights(pack, *ReadPackIndex(*pack), LoadMode::kCopy, pool_);
  EXPECT_EQ(weights.Matrix("w")->input_scale, 0.1F);
  EXPECT_THAT(
      Message(R"({"layout":1,"weights":[{"name":"w","columns":32,"depth":1,"format":"e4m3","input_scale":-1}]})", 128),
      HasSubstr("`input_scale` is -1, a number above 0 is expected"));
}

TEST_F(PackIndex, AnotherLayoutOrFormatSaysHowToMakeItAgain) {
  const std::string layout = Message(R"({"layout":2,"weights":[]})", 12);
  EXPECT_THAT(layout, HasSubstr("unsupported"));
  EXPECT_THAT(layout, HasSubstr("layout 2, this build reads layout 1; make the pack again with `octet build`"));
  EXPECT_THAT(Message(R"({"layout":1,"weights":[{"name":"w","columns":3,"depth":3,"format":"q9"}]})", 12),
              HasSubstr("weight format `q9`"));
}

TEST_F(PackIndex, TextsOfTheModelThatAreNotUtf8AreStoredWithReplacements) {
  ThreadPool pool(1);
  Progress progress;
  Result<ModelFiles> files = ModelFiles::Open(OCTET_SOURCE_DIR "/tests/golden/models/smollm2", {}, pool);
  ASSERT_TRUE(files.has_value()) << files.error().message;
  files->tokenizer_config["bos_token"] = "\xff<s>";  // as a .gguf may have it
  const std::filesystem::path path = directory_ / "model.octet";
  const Result<PackSummary> built = BuildPack(*files, path, progress, CancelFlag());
  ASSERT_TRUE(built.has_value()) << built.error().message;
  const Result<ModelFiles> read = OpenPack(path, LoadMode::kMap, pool);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->tokenizer_config["bos_token"], "\uFFFD<s>");
}

}  // namespace
}  // namespace octet
