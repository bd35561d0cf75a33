#include "base/nearest.h"

#include <gtest/gtest.h>

#include <vector>

namespace octet {
namespace {

const std::vector<std::string> kRecipes = {"fp8", "nvfp4", "int4-awq", "int8-smooth"};

TEST(Nearest, ASwapOfNeighboursIsOneEdit) {
  EXPECT_EQ(EditDistance("nvpf4", "nvfp4"), 1u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(Nearest, FindsTheMeantNameAndNothingForAStrangeOne) {
  EXPECT_EQ(Nearest("nvpf4", kRecipes), "nvfp4");
  EXPECT_EQ(Nearest("int8", kRecipes), "int8-smooth");
  EXPECT_EQ(Nearest("zstandard", kRecipes), std::nullopt);
  EXPECT_EQ(Nearest("", kRecipes), std::nullopt);
  EXPECT_EQ(DidYouMean("pf8", kRecipes), "; did you mean `fp8`?");
  EXPECT_EQ(DidYouMean("zstandard", kRecipes), "");
}

TEST(Nearest, AHugeWordIsNotCompared) { EXPECT_EQ(Nearest(std::string(1 << 20, 'f'), kRecipes), std::nullopt); }

}  // namespace
}  // namespace octet
