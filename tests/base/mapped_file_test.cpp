#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <string>
#include <utility>

#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

constexpr size_t kHugePage = size_t{1} << 21;

std::string Pattern(size_t bytes) {
  std::string text(bytes, ' ');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 2654435761u >> 13);
  return text;
}

// Where a file's huge pages could be mapped whole, a read would bring in 2 MB.
TEST(AMappedFile, LiesOffTheBoundariesOfHugePagesAndHoldsWhatTheFileHolds) {
  const TemporaryDirectory directory;
  for (const size_t bytes : {kHugePage - 1, kHugePage, kHugePage + 1, 2 * kHugePage + 4096, 5 * kHugePage + 12345}) {
    const std::string text = Pattern(bytes);
    const Result<MappedFile> file = MappedFile::Open(directory.Write("file", text));
    ASSERT_TRUE(file.has_value()) << file.error().message;
    EXPECT_EQ(file->size(), bytes);
    EXPECT_TRUE(file->text() == text) << bytes;
    if (bytes < kHugePage) continue;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file->bytes().data()) % kHugePage, 65536u) << bytes;
  }
}

TEST(AMappedFile, KeepsItsAddressWhenItMovesAndIsReadAgainAfterItsRelease) {
  const TemporaryDirectory directory;
  const std::string text = Pattern(3 * kHugePage + 17);
  MappedFile first = *MappedFile::Open(directory.Write("file", text));
  const std::byte* const data = first.bytes().data();
  MappedFile second = std::move(first);
  MappedFile third;
  third = std::move(second);
  EXPECT_EQ(third.bytes().data(), data);
  third.Release(0, third.size());
  third.Expect(kHugePage, kHugePage);
  EXPECT_TRUE(third.text() == text);
}

bool IsMapped(const std::byte* page) { return ::msync(const_cast<std::byte*>(page), 1, MS_ASYNC) == 0; }

// What was reserved to find the place is given back at once, the file with its last owner.
TEST(AMappedFile, LeavesNothingMappedAroundItNorBehindIt) {
  const TemporaryDirectory directory;
  const size_t size = 2 * kHugePage;
  const std::byte* data = nullptr;
  {
    const MappedFile file = *MappedFile::Open(directory.Write("file", Pattern(size)));
    data = file.bytes().data();
    EXPECT_TRUE(IsMapped(data));
    EXPECT_TRUE(IsMapped(data + size - 4096));
    EXPECT_FALSE(IsMapped(data + size));
  }
  EXPECT_FALSE(IsMapped(data));
  EXPECT_FALSE(IsMapped(data + size - 4096));
}

}  // namespace
}  // namespace octet
