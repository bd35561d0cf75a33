#include "base/scratch_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

TEST(ScratchMemory, IsZeroInMemoryAndInAFileThatNobodySees) {
  const TemporaryDirectory directory;
  for (const uint64_t limit : {uint64_t{4000}, uint64_t{3999}}) {
    ScratchMemory memory = ScratchMemory::Create(1000, limit, directory / "").value();
    EXPECT_EQ(memory.in_file(), limit == 3999);
    EXPECT_TRUE(std::all_of(memory.data(), memory.data() + 1000, [](float value) { return value == 0; }));
    memory.data()[999] = 1;
    const ScratchMemory moved = std::move(memory);
    EXPECT_EQ(moved.in_file(), limit == 3999);
    EXPECT_TRUE(std::filesystem::is_empty(directory / ""));
  }
}

TEST(ScratchMemory, ADirectoryThatTakesNoFileIsNamed) {
  const TemporaryDirectory directory;
  const Result<ScratchMemory> memory = ScratchMemory::Create(1000, 10, directory / "missing");
  ASSERT_FALSE(memory.has_value());
  EXPECT_EQ(memory.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(memory.error().message, testing::HasSubstr("missing: no file can be made there"));
}

TEST(ScratchMemory, MoreThanThereIsIsExhausted) {
  const TemporaryDirectory directory;
  for (const uint64_t floats : {uint64_t{1} << 62, uint64_t{1} << 59}) {
    const Result<ScratchMemory> memory = ScratchMemory::Create(floats, 10, directory / "");
    ASSERT_FALSE(memory.has_value());
    EXPECT_EQ(memory.error().code, ErrorCode::kExhausted);
  }
}

}  // namespace
}  // namespace octet
