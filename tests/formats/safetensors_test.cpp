#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/log.h"
#include "formats/safetensors_writer.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string FileOf(std::string_view header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file.append(header).append(std::string(data_bytes, '\0'));
}

// The error of opening a file with that header, followed by `data_bytes` of tensors.
Error ErrorOf(std::string_view header, size_t data_bytes) {
  const TemporaryDirectory directory;
  const auto file = SafetensorsFile::Open(directory.Write("bad.safetensors", FileOf(header, data_bytes)));
  if (file) return {ErrorCode::kInternal, "was opened"};
  EXPECT_THAT(file.error().message, HasSubstr("bad.safetensors: "));
  return file.error();
}

TEST(Safetensors, HeaderLongerThanFileIsCorruptAndNamesBothNumbers) {
  const TemporaryDirectory directory;
  std::string file = FileOf("{}", 0);
  file[0] = 100;
  const auto opened = SafetensorsFile::Open(directory.Write("short.safetensors", file));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().message,
              AllOf(HasSubstr("short.safetensors"), HasSubstr("100 bytes"), HasSubstr("has 2 ")));
}

TEST(Safetensors, FileShorterThanItsLengthFieldIsCorrupt) {
  const TemporaryDirectory directory;
  EXPECT_EQ(SafetensorsFile::Open(directory.Write("a", "")).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(SafetensorsFile::Open(directory.Write("b", "1234567")).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(SafetensorsFile::Open(directory.Write("c", std::string(8, '\xFF'))).error().code, ErrorCode::kCorrupt);
}

TEST(Safetensors, MissingFileIsNotFound) {
  const TemporaryDirectory directory;
  EXPECT_EQ(SafetensorsFile::Open(directory / "none").error().code, ErrorCode::kNotFound);
  const auto opened = OpenSafetensors(directory.path());
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(opened.error().message, HasSubstr("model.safetensors"));
}

TEST(Safetensors, HeaderThatIsNoJsonObjectIsCorrupt) {
  EXPECT_EQ(ErrorOf("[]", 0).code, ErrorCode::kCorrupt);
  EXPECT_EQ(ErrorOf("{\"a\":", 0).code, ErrorCode::kCorrupt);
  EXPECT_EQ(ErrorOf("{\"a\":3}", 0).code, ErrorCode::kCorrupt);
  EXPECT_EQ(ErrorOf("{\"\xFF\":{}}", 0).code, ErrorCode::kCorrupt) << "not UTF-8";
  EXPECT_EQ(ErrorOf(std::string(5000, '['), 0).code, ErrorCode::kCorrupt);
}

TEST(Safetensors, OffsetPastEndIsCorruptAndNamesTensorAndNumbers) {
  const Error error = ErrorOf(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, AllOf(HasSubstr("`w`"), HasSubstr("70"), HasSubstr("66"), HasSubstr("cut short")));
}

TEST(Safetensors, BytesBehindTheLastTensorAreCorrupt) {
  const Error error = ErrorOf(R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 3);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
}

TEST(Safetensors, OverlappingTensorsAreCorrupt) {
  const Error error = ErrorOf(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
      6);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, AllOf(HasSubstr("`b` begins at byte 2, inside the one before it, which ends at 4")));
}

TEST(Safetensors, AHoleBetweenTensorsIsCorrupt) {
  const Error error = ErrorOf(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}})",
      10);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("`b` begins at byte 6, behind a hole that begins at 4"));
}

TEST(Safetensors, ShapesNear2To63AreCorruptWithoutAnAllocation) {
  for (const char* shape : {"[9223372036854775807]", "[9223372036854775808]", "[18446744073709551615]",
                            "[4294967296,4294967296]", "[0,4294967296,4294967296]", "[3037000500,3037000500]"}) {
    const Error error = ErrorOf(Cat(R"({"w":{"dtype":"F32","shape":)", shape, R"(,"data_offsets":[0,8]}})"), 8);
    EXPECT_EQ(error.code, ErrorCode::kCorrupt) << shape;
    EXPECT_THAT(error.message, HasSubstr("`w`")) << shape;
  }
}

TEST(Safetensors, OffsetsNear2To64AreCorrupt) {
  for (const char* offsets :
       {"[18446744073709551608,18446744073709551615]", "[18446744073709551615,18446744073709551615]", "[8,0]", "[0]",
        "[0,8,8]", "[-1,7]", "[0,8.0]", "\"0,8\""}) {
    const Error error = ErrorOf(Cat(R"({"w":{"dtype":"U8","shape":[7],"data_offsets":)", offsets, "}}"), 8);
    EXPECT_EQ(error.code, ErrorCode::kCorrupt) << offsets;
  }
}

TEST(Safetensors, ShapeThatContradictsTheOffsetsIsCorruptAndNamesBoth) {
  const Error error = ErrorOf(R"({"w":{"dtype":"BF16","shape":[3,2],"data_offsets":[0,8]}})", 8);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("shape [3, 2] of BF16 needs 12 bytes, its offsets span 8"));
}

TEST(Safetensors, ATensorNamedTwiceIsCorrupt) {
  const Error error = ErrorOf(
      R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      2);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("`w` is there twice"));
}

TEST(Safetensors, AnUnknownElementTypeIsUnsupportedByName) {
  const Error error = ErrorOf(R"({"w":{"dtype":"F8_E3M4","shape":[1],"data_offsets":[0,1]}})", 1);
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("`F8_E3M4`"));
}

TEST(Safetensors, MetadataThatIsNoStringIsCorrupt) {
  EXPECT_EQ(ErrorOf(R"({"__metadata__":{"format":1}})", 0).code, ErrorCode::kCorrupt);
  EXPECT_EQ(ErrorOf(R"({"__metadata__":[]})", 0).code, ErrorCode::kCorrupt);
}

std::span<const std::byte> BytesOf(const std::vector<float>& values) { return std::as_bytes(std::span(values)); }

TEST(SafetensorsWriting, WhatIsWrittenInPiecesIsReadBack) {
  const TemporaryDirectory directory;
  const std::vector<float> matrix = {1, 2, 3, 4, 5, 6}, vector = {7, 8};
  auto writer = *SafetensorsWriter::Create(
      directory / "model.safetensors",
      {{"m", DType::kF32, {3, 2}}, {"empty", DType::kF32, {0, 4}}, {"v", DType::kF32, {2}}}, {{"format", "pt"}});
  ASSERT_TRUE(writer.Write("m", BytesOf(matrix).first(5)));
  ASSERT_TRUE(writer.Write("m", BytesOf(matrix).subspan(5)));
  ASSERT_TRUE(writer.Write("v", BytesOf(vector)));
  EXPECT_FALSE(std::filesystem::exists(directory / "model.safetensors")) << "before Commit";
  ASSERT_TRUE(writer.Commit());

  const auto source = *OpenSafetensors(directory.path());
  ASSERT_EQ(source->tensors().size(), 3u);
  EXPECT_EQ(source->tensors()[0].name, "empty");
  EXPECT_EQ(source->Find("m")->shape, (Shape{3, 2}));
  EXPECT_EQ(source->Find("m")->stored_type, "F32");
  EXPECT_EQ(source->Find("m")->stored_bytes, 24u);
  EXPECT_EQ(source->Find("nothing"), nullptr);
  float rows[4] = {};
  ASSERT_TRUE(source->ReadRows("m", 1, 2, rows));
  EXPECT_THAT(rows, testing::ElementsAre(3, 4, 5, 6));
  source->Release("m");
  EXPECT_EQ(std::memcmp(source->Bytes("m")->data(), matrix.data(), 24), 0);
  EXPECT_EQ(SafetensorsFile::Open(directory / "model.safetensors")->metadata().at("format"), "pt");
}

TEST(SafetensorsWriting, RowsOutsideATensorAreRefusedWithBothNumbers) {
  const TemporaryDirectory directory;
  auto writer = *SafetensorsWriter::Create(directory / "model.safetensors", {{"v", DType::kF32, {2}}}, {});
  ASSERT_TRUE(writer.Write("v", BytesOf({7, 8})));
  ASSERT_TRUE(writer.Commit());
  const auto source = *OpenSafetensors(directory.path());
  float rows[2] = {};
  const Status outside = source->ReadRows("v", 1, 1, rows);
  EXPECT_EQ(outside.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(outside.error().message, HasSubstr("it has 1"));
  EXPECT_FALSE(source->ReadRows("v", 0, UINT64_MAX, rows));
  EXPECT_EQ(source->ReadRows("x", 0, 1, rows).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(source->ReadRows("v", 0, 1, rows)) << "a vector is one row";
}

TEST(SafetensorsWriting, TensorsUnknownTooLongOrMissingAreRefusedAndLeaveNoFile) {
  const TemporaryDirectory directory;
  {
    auto writer = *SafetensorsWriter::Create(directory / "m", {{"a", DType::kF32, {1}}, {"b", DType::kF32, {1}}}, {});
    EXPECT_THAT(writer.Write("c", BytesOf({1})).error().message, HasSubstr("`c` was written, which the header"));
    EXPECT_THAT(writer.Write("a", BytesOf({1, 2})).error().message, HasSubstr("8 more bytes of tensor `a`"));
    ASSERT_TRUE(writer.Write("a", BytesOf({1})));
    EXPECT_THAT(writer.Commit().error().message, HasSubstr("4 bytes of tensor `b` are missing"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_FALSE(SafetensorsWriter::Create(directory / "m", {{"a", DType::kF32, {1}}, {"a", DType::kF32, {1}}}, {}));
  EXPECT_FALSE(SafetensorsWriter::Create(directory / "m", {{"a", DType::kF32, {uint64_t{1} << 62}}}, {}));
}

TEST(SafetensorsWriting, TensorsInAnyOrderAndInPiecesGiveTheSameFile) {
  const TemporaryDirectory directory;
  const std::vector<TensorSpec> specs = {{"a", DType::kF32, {2}}, {"b", DType::kF32, {2}}, {"c", DType::kF32, {2}}};
  for (const std::string order : {"aabbcc", "ccbbaa", "bacabc", "cbabca"}) {
    auto writer = *ShardedSafetensorsWriter::Create(directory / "", specs, {}, 16);
    std::map<char, float> next = {{'a', 1}, {'b', 3}, {'c', 5}};
    for (const char name : order) {
      ASSERT_TRUE(writer.Write(std::string(1, name), BytesOf({next[name]}))) << order;
      next[name] += 1;
    }
    EXPECT_THAT(writer.Write("a", BytesOf({1})).error().message, HasSubstr("`a` were written, which is complete"));
    EXPECT_THAT(writer.Write("x", BytesOf({1})).error().message, HasSubstr("`x` were written, which no file has"));
    ASSERT_TRUE(writer.Commit());
    const auto source = *OpenSafetensors(directory.path());
    for (const auto& [name, end] : next) {
      float row[2] = {};
      ASSERT_TRUE(source->ReadRows(std::string(1, name), 0, 1, row));
      EXPECT_THAT(row, testing::ElementsAre(end - 2, end - 1)) << order;
    }
  }
}

// Three tensors of 8 bytes in shards of at most 16.
void WriteShards(const TemporaryDirectory& directory) {
  auto writer = *ShardedSafetensorsWriter::Create(
      directory.path(), {{"a", DType::kF32, {2}}, {"b", DType::kF32, {2}}, {"c", DType::kF32, {2}}}, {{"format", "pt"}},
      16);
  ASSERT_TRUE(writer.Write("a", BytesOf({1, 2})));
  ASSERT_TRUE(writer.Write("b", BytesOf({3, 4})));
  ASSERT_TRUE(writer.Write("c", BytesOf({5, 6})));
  ASSERT_TRUE(writer.Commit());
}

TEST(SafetensorsShards, TensorsAreSplitBySizeAndReadThroughTheIndex) {
  const TemporaryDirectory directory;
  WriteShards(directory);
  EXPECT_TRUE(std::filesystem::exists(directory / "model-00001-of-00002.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(directory / "model-00002-of-00002.safetensors"));
  const auto source = *OpenSafetensors(directory.path());
  float row[2] = {};
  ASSERT_TRUE(source->ReadRows("c", 0, 1, row));
  EXPECT_THAT(row, testing::ElementsAre(5, 6));
  EXPECT_EQ(source->tensors().size(), 3u);
}

TEST(SafetensorsShards, ASingleFileBesideAnIndexIsReadAndSaidSo) {
  const TemporaryDirectory directory;
  WriteShards(directory);
  std::filesystem::rename(directory / "model-00001-of-00002.safetensors", directory / "model.safetensors");
  std::string logged;
  SetLogSink([&](LogLevel, std::string_view message) { logged = message; });
  const auto source = OpenSafetensors(directory.path());
  SetLogSink({});
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ((*source)->Find("c"), nullptr);
  EXPECT_THAT(logged, HasSubstr("holds model.safetensors and model.safetensors.index.json; the single file is read"));
}

TEST(SafetensorsShards, AMissingShardIsNotFoundByName) {
  const TemporaryDirectory directory;
  WriteShards(directory);
  std::filesystem::remove(directory / "model-00002-of-00002.safetensors");
  const auto source = OpenSafetensors(directory.path());
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(source.error().message, AllOf(HasSubstr("model-00002-of-00002.safetensors"), HasSubstr("`c`")));
}

TEST(SafetensorsShards, AnIndexCannotLeaveItsDirectory) {
  for (const char* name : {"../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\\u0000b"}) {
    const TemporaryDirectory directory;
    directory.Write("model.safetensors.index.json", Cat(R"({"weight_map":{"w":")", name, "\"}}"));
    const auto source = OpenSafetensors(directory.path());
    ASSERT_FALSE(source) << name;
    EXPECT_EQ(source.error().code, ErrorCode::kCorrupt) << name;
  }
}

TEST(SafetensorsShards, ATensorThatItsShardLacksIsCorrupt) {
  const TemporaryDirectory directory;
  WriteShards(directory);
  directory.Write("model.safetensors.index.json", R"({"weight_map":{"z":"model-00001-of-00002.safetensors"}})");
  const auto source = OpenSafetensors(directory.path());
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(source.error().message, HasSubstr("`z`"));
}

}  // namespace
}  // namespace octet
