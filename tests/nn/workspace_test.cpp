#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "nn/execution_context.h"

namespace octet::nn {
namespace {

TEST(Workspace, PiecesAreAlignedAndApart) {
  Workspace workspace;
  auto* first = static_cast<std::byte*>(*workspace.Bytes(3));
  auto* second = static_cast<std::byte*>(*workspace.Bytes(5000000));
  std::memset(first, 1, 3);
  std::memset(second, 2, 5000000);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second) % 64, 0u);
  EXPECT_EQ(first[2], std::byte{1});
}

TEST(Workspace, AfterAResetTheSameStepFitsWithoutGrowing) {
  Workspace workspace;
  const auto step = [&] {
    ASSERT_TRUE(workspace.Reset().has_value());
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(workspace.Floats(400000).has_value());
  };
  step();
  step();
  const size_t capacity = workspace.capacity();
  for (int i = 0; i < 3; ++i) step();
  EXPECT_EQ(workspace.capacity(), capacity);
}

TEST(Workspace, AScopeGivesBackWhatWasTakenInIt) {
  Workspace workspace;
  void* outside = *workspace.Bytes(64);
  size_t capacity = 0;
  for (int layer = 0; layer < 30; ++layer) {
    const Workspace::Scope scope(workspace);
    auto* small = static_cast<std::byte*>(*workspace.Bytes(1000000));
    auto* large = static_cast<std::byte*>(*workspace.Bytes(3000000));
    std::memset(small, 1, 1000000);
    std::memset(large, 2, 3000000);
    ASSERT_EQ(small[999999], std::byte{1});
    if (layer == 0) capacity = workspace.capacity();
  }
  EXPECT_EQ(workspace.capacity(), capacity);
  EXPECT_EQ(static_cast<std::byte*>(*workspace.Bytes(64)), static_cast<std::byte*>(outside) + 64);
}

TEST(Workspace, MoreThanAMachineCanHaveIsRefusedWithBothNumbers) {
  Workspace workspace;
  const Result<void*> bytes = workspace.Bytes(size_t{1} << 50);
  ASSERT_FALSE(bytes.has_value());
  EXPECT_EQ(bytes.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(bytes.error().message,
            "a step wants 1125899906842624 x 1 bytes of scratch memory, beyond 70368744177664; use a smaller chunk or "
            "fewer sequences at a time");
  // A count whose bytes don't fit 64 bits, too.
  EXPECT_EQ(workspace.Floats(~size_t{0} / 2).error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(workspace.Floats(16).has_value());
}

}  // namespace
}  // namespace octet::nn
