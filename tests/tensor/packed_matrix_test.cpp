#include "tensor/packed_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "base/cat.h"
#include "base/memory.h"

namespace octet {
namespace {

TEST(AlignedBuffer, MemoryIsZeroAndBeginsOnA64ByteBoundary) {
  for (const size_t size : {size_t{1}, size_t{100}, (size_t{2} << 20) + 1}) {
    const Result<std::shared_ptr<AlignedBuffer>> buffer = AlignedBuffer::Allocate(size);
    ASSERT_TRUE(buffer.has_value());
    const std::span<const std::byte> bytes = (*buffer)->bytes();
    EXPECT_EQ(bytes.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 64, 0u);
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; }));
  }
}

TEST(AlignedBuffer, MoreThanTheMachineHasIsRefusedWithBothNumbers) {
  for (const size_t size : {size_t{1} << 60, ~size_t{0}}) {
    const Result<std::shared_ptr<AlignedBuffer>> buffer = AlignedBuffer::Allocate(size);
    ASSERT_FALSE(buffer.has_value());
    EXPECT_EQ(buffer.error().code, ErrorCode::kExhausted);
    EXPECT_EQ(buffer.error().message,
              Cat("can't allocate ", size, " bytes of memory, the machine has ", InstalledMemory()));
  }
}

}  // namespace
}  // namespace octet
