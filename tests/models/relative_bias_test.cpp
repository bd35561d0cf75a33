#include "models/relative_bias.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

// Where transformers' MPNetEncoder.relative_position_bucket goes on to the next bucket, over distances of 0 .. 299.
TEST(RelativeBias, BucketsWidenWithTheDistanceOnBothSides) {
  constexpr ptrdiff_t kFirsts[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
  size_t bucket = 0;
  for (ptrdiff_t places = 0; places < 300; ++places) {
    if (bucket + 1 < std::size(kFirsts) && places == kFirsts[bucket + 1]) ++bucket;
    EXPECT_EQ(RelativeBucket(-places), bucket) << places;
    EXPECT_EQ(RelativeBucket(places), (places == 0 ? 0 : 16) + bucket) << places;
  }
}

}  // namespace
}  // namespace octet
