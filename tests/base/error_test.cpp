#include "base/error.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return Fail(ErrorCode::kInvalidArgument, number, " is odd, an even number is expected");
  return number / 2;
}

Result<int> Quarter(int number) {
  const int half = OCTET_TRY(Half(number));
  return OCTET_TRY(Half(half));
}

TEST(Error, TryPassesTheFirstErrorOn) {
  EXPECT_EQ(*Quarter(8), 2);
  ASSERT_FALSE(Quarter(6).has_value());
  EXPECT_EQ(Quarter(6).error().message, "3 is odd, an even number is expected");
}

}  // namespace
}  // namespace octet
