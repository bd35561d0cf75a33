#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "nn/execution_context.h"

namespace octet::nn {
namespace {

TEST(Workspace, PiecesAreAlignedAndApart) {
  Workspace workspace;
  auto* first = static_cast<std::byte*>(workspace.Bytes(3));
  auto* second = static_cast<std::byte*>(workspace.Bytes(5000000));
  std::memset(first, 1, 3);
  std::memset(second, 2, 5000000);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second) % 64, 0u);
  EXPECT_EQ(first[2], std::byte{1});
}

TEST(Workspace, AfterAResetTheSameStepFitsWithoutGrowing) {
  Workspace workspace;
  const auto step = [&] {
    workspace.Reset();
    for (int i = 0; i < 5; ++i) workspace.Floats(400000);
  };
  step();
  step();
  const size_t capacity = workspace.capacity();
  for (int i = 0; i < 3; ++i) step();
  EXPECT_EQ(workspace.capacity(), capacity);
}

}  // namespace
}  // namespace octet::nn
