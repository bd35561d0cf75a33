// Pages, their references, and the page table of a sequence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "engine/cache/page_pool.h"
#include "engine/cache/page_table.h"
#include "kernels/layout.h"

namespace octet {
namespace {

using testing::HasSubstr;

constexpr size_t kPageBytes = 4096;

TEST(PagePool, PagesAreAlignedAndZeroWhoeverHadThemBefore) {
  Result<PagePool> pool = PagePool::Create(kPageBytes, 3);
  for (int i = 0; i < 6; ++i) {
    if (i >= 3) pool->Release(static_cast<PageId>(i - 3));
    const Result<PageId> page = pool->Take();
    ASSERT_TRUE(page.has_value());
    std::byte* data = pool->Data(*page);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
    EXPECT_TRUE(std::all_of(data, data + kPageBytes, [](std::byte byte) { return byte == std::byte{0}; }));
    std::fill(data, data + kPageBytes, std::byte{1});
  }
}

TEST(PagePool, EmptyPoolIsExhaustedWithBothNumbersUntilAPageComesBack) {
  Result<PagePool> pool = PagePool::Create(kPageBytes, 2);
  const PageId first = *pool->Take();
  ASSERT_TRUE(pool->Take().has_value());
  const Result<PageId> third = pool->Take();
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(third.error().message, HasSubstr("2 of 2 pages"));
  pool->Release(first);
  EXPECT_EQ(*pool->Take(), first);
}

TEST(PagePool, ASharedPageIsFreeAfterItsLastReference) {
  Result<PagePool> pool = PagePool::Create(kPageBytes, 1);
  const PageId page = *pool->Take();
  pool->AddReference(page);
  pool->Release(page);
  EXPECT_EQ(pool->pages_in_use(), 1u);
  EXPECT_FALSE(pool->Take().has_value());
  pool->Release(page);
  EXPECT_EQ(pool->pages_in_use(), 0u);
}

TEST(PagePool, MemoryFollowsUse) {
  // 64 GB of addresses: only what is taken counts.
  Result<PagePool> pool = PagePool::Create(size_t{1} << 26, 1024);
  ASSERT_TRUE(pool.has_value()) << pool.error().message;
  EXPECT_EQ(pool->resident_bytes(), 0u);
  const PageId page = *pool->Take();
  *pool->Data(page) = std::byte{1};
  EXPECT_EQ(pool->resident_bytes(), size_t{1} << 26);
}

TEST(PagePool, SizesThatCantBeAreRefused) {
  EXPECT_EQ(PagePool::Create(100, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(PagePool::Create(0, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(PagePool::Create(size_t{1} << 40, size_t{1} << 40).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(PagePool::Create(64, 0).error().code, ErrorCode::kExhausted);
}

TEST(PageTable, TakesAPageForEvery32PositionsAndGivesThemBack) {
  Result<PagePool> pool = PagePool::Create(kPageBytes, 8);
  {
    PageTable table(*pool, 200);
    ASSERT_TRUE(table.Cover(1).has_value());
    EXPECT_EQ(table.pages().size(), 1u);
    ASSERT_TRUE(table.Cover(kernels::kPagePositions).has_value());
    EXPECT_EQ(table.pages().size(), 1u);
    ASSERT_TRUE(table.Cover(kernels::kPagePositions + 1).has_value());
    EXPECT_EQ(table.pages().size(), 2u);
    ASSERT_TRUE(table.Cover(200).has_value());
    EXPECT_EQ(pool->pages_in_use(), 7u);
    table.Truncate(33);
    EXPECT_EQ(pool->pages_in_use(), 2u);
    PageTable moved = std::move(table);
    EXPECT_EQ(moved.covered(), 64u);
    EXPECT_EQ(pool->pages_in_use(), 2u);
  }
  EXPECT_EQ(pool->pages_in_use(), 0u);
}

TEST(PageTable, BeyondTheContextIsExhaustedWithBothNumbers) {
  Result<PagePool> pool = PagePool::Create(kPageBytes, 8);
  PageTable table(*pool, 100);
  const Status status = table.Cover(101);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(status.error().message, HasSubstr("101 tokens don't fit the context of 100"));
}

TEST(PageTable, AFullPoolLeavesTheTableAsItWas) {
  Result<PagePool> pool = PagePool::Create(kPageBytes, 3);
  PageTable one(*pool, 1000), two(*pool, 1000);
  ASSERT_TRUE(one.Cover(32).has_value());
  ASSERT_TRUE(two.Cover(10).has_value());
  EXPECT_FALSE(two.Cover(100).has_value());
  EXPECT_EQ(two.covered(), 32u);
  EXPECT_TRUE(two.Cover(64).has_value());
}

TEST(PageTable, ASharedPageIsCopiedBeforeItIsWrittenAndByAllButTheLastHolder) {
  Result<PagePool> pool = PagePool::Create(kPageBytes, 5);
  PageTable one(*pool, 200);
  ASSERT_TRUE(one.Cover(70).has_value());
  std::fill_n(one.pages()[2], kPageBytes, std::byte{7});
  PageTable two = one.Share(), three = one.Share();
  EXPECT_EQ(pool->pages_in_use(), 3u);
  EXPECT_EQ(two.PagesToTake(70, 97), 2u);  // a copy of the third page, and a fourth
  ASSERT_TRUE(two.MakeWritable(70).has_value());
  EXPECT_EQ(two.pages()[1], one.pages()[1]);  // before position 70 nothing is written
  ASSERT_NE(two.pages()[2], one.pages()[2]);
  EXPECT_EQ(two.pages()[2][kPageBytes - 1], std::byte{7});
  two.pages()[2][0] = std::byte{9};
  EXPECT_EQ(one.pages()[2][0], std::byte{7});
  ASSERT_TRUE(three.MakeWritable(70).has_value());
  EXPECT_EQ(pool->pages_in_use(), 5u);
  EXPECT_EQ(one.PagesToTake(70, 96), 0u);  // nobody else has it now
  const PageTable four = one.Share();
  EXPECT_EQ(one.MakeWritable(0).error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace octet
