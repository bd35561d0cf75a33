#include "formats/octet_pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/mapped_file.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::HasSubstr;

// A pack with two sections, as a string.
std::string SmallPack() {
  const TemporaryDirectory directory;
  auto writer = *OctetPackWriter::Create(directory / "m.octet");
  EXPECT_TRUE(writer.Add("config.json", "{}"));
  EXPECT_TRUE(writer.Add("a", "0123456789"));
  EXPECT_TRUE(writer.Commit());
  return *ReadTextFile(directory / "m.octet");
}

Result<std::vector<OctetPackSection>> ReadTable(const std::string& file) {
  return ReadOctetPackTable(std::as_bytes(std::span(file.data(), file.size())), "m.octet");
}

TEST(OctetPackFile, SectionsAreReadBackFromAlignedAddresses) {
  const TemporaryDirectory directory;
  auto writer = *OctetPackWriter::Create(directory / "m.octet");
  ASSERT_TRUE(writer.Add("config.json", "{}"));
  ASSERT_TRUE(writer.Begin("matrix"));
  const std::string half(5000, 'x');
  ASSERT_TRUE(writer.Write(std::as_bytes(std::span(half.data(), half.size()))));
  ASSERT_TRUE(writer.Write(std::as_bytes(std::span(half.data(), half.size()))));
  ASSERT_TRUE(writer.Add("empty", ""));
  EXPECT_FALSE(std::filesystem::exists(directory / "m.octet")) << "before Commit";
  ASSERT_TRUE(writer.Commit());

  const auto pack = *OctetPack::Open(directory / "m.octet");
  ASSERT_EQ(pack->sections().size(), 3u);
  EXPECT_EQ(*pack->Text("config.json"), "{}");
  EXPECT_EQ(*pack->Text("matrix"), std::string(10000, 'x'));
  EXPECT_EQ(*pack->Text("empty"), "");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(pack->Section("matrix")->data()) % kOctetPackAlignment, 0u);
  pack->Release(*pack->Section("matrix"));
  EXPECT_EQ(pack->Text("matrix")->back(), 'x') << "a released section is read again";
  EXPECT_EQ(pack->Section("nothing").error().code, ErrorCode::kNotFound);
}

TEST(OctetPackFile, EverySingleDamagedByteOfHeaderAndTableIsFound) {
  const std::string pack = SmallPack();
  ASSERT_TRUE(ReadTable(pack));
  uint64_t table_offset = 0;
  std::memcpy(&table_offset, pack.data() + 24, sizeof table_offset);
  for (size_t i = 0; i < pack.size(); ++i) {
    if (i == 64) i = table_offset;  // what lies between is the sections' own
    std::string damaged = pack;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(ReadTable(damaged)) << "byte " << i;
  }
}

TEST(OctetPackFile, EveryTruncationIsCorrupt) {
  const std::string pack = SmallPack();
  for (const size_t size : {size_t{0}, size_t{7}, size_t{8}, size_t{63}, size_t{64}, size_t{4096}, pack.size() - 1}) {
    const auto table = ReadTable(pack.substr(0, size));
    ASSERT_FALSE(table) << size;
    EXPECT_EQ(table.error().code, ErrorCode::kCorrupt) << size;
  }
  EXPECT_FALSE(ReadTable(pack + "x"));
}

TEST(OctetPackFile, AnotherVersionIsUnsupportedAndSaysWhatToDo) {
  std::string pack = SmallPack();
  pack[8] = 7;
  const auto table = ReadTable(pack);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(table.error().message, HasSubstr("pack version 7, this build reads version 1"));
  EXPECT_THAT(table.error().message, HasSubstr("octet build"));
}

TEST(OctetPackFile, NamesAreUniqueAndNotEmpty) {
  const TemporaryDirectory directory;
  auto writer = *OctetPackWriter::Create(directory / "m.octet");
  const std::byte byte{};
  EXPECT_FALSE(writer.Write(std::span(&byte, 1))) << "no section is open";
  ASSERT_TRUE(writer.Begin("a"));
  EXPECT_EQ(writer.Begin("a").error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(writer.Begin(""));
  EXPECT_FALSE(writer.Begin(std::string(5000, 'n')));
}

TEST(OctetPackFile, AWriterThatNeverCommitsLeavesNothing) {
  const TemporaryDirectory directory;
  {
    auto writer = *OctetPackWriter::Create(directory / "m.octet");
    ASSERT_TRUE(writer.Add("a", "x"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

}  // namespace
}  // namespace octet
