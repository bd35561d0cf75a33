#include "nn/kv_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace octet::nn {
namespace {

TEST(KvLayout, HeadsAndLayersFollowEachOtherWithoutOverlap) {
  const KvLayout::Layer layers[] = {{.kv_heads = 2, .key_dim = 64, .value_dim = 64},
                                    {.kv_heads = 1, .key_dim = 24, .value_dim = 40}};
  const Result<KvLayout> layout = KvLayout::Make(layers);
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->KeyOffset(0, 0), 0u);
  EXPECT_EQ(layout->ValueOffset(0, 0), 32u * 64 * 2);
  EXPECT_EQ(layout->KeyOffset(0, 1), 2u * 32 * 64 * 2);
  EXPECT_EQ(layout->KeyOffset(1, 0), 4u * 32 * 64 * 2);
  // Values of 40 numbers take two panels of 32 columns.
  EXPECT_EQ(layout->page_bytes(), 4u * 32 * 64 * 2 + 32 * 24 * 2 + 64 * 32 * 2);
  EXPECT_EQ(layout->page_bytes() % 64, 0u);
}

TEST(KvLayout, CodesTakeAByteEachAndAScaleForEachPositionAndHead) {
  for (const kernels::CacheFormat format : {kernels::CacheFormat::kE4M3, kernels::CacheFormat::kInt8}) {
    const KvLayout::Layer layers[] = {{.kv_heads = 3, .key_dim = 64, .value_dim = 64, .format = format},
                                      {.kv_heads = 1, .key_dim = 18, .value_dim = 40, .format = format}};
    const Result<KvLayout> layout = KvLayout::Make(layers);
    ASSERT_TRUE(layout.has_value());
    EXPECT_EQ(layout->ValueOffset(0, 0), 32u * 64 + 32 * 4);
    EXPECT_EQ(layout->KeyOffset(0, 1), 2u * (32 * 64 + 32 * 4));
    // Keys of 18 numbers are padded to 20, values of 40 to two panels of 32.
    EXPECT_EQ(layout->page_bytes(), 6u * (32 * 64 + 32 * 4) + 32 * 20 + 32 * 4 + 32 * 64 + 32 * 4);
    EXPECT_EQ(layout->page_bytes() % 64, 0u);
  }
}

TEST(KvLayout, LayersOfDifferentFormatsLieBesideEachOther) {
  const KvLayout::Layer codes{.kv_heads = 1, .key_dim = 64, .value_dim = 64, .format = kernels::CacheFormat::kE4M3};
  KvLayout::Layer bf16 = codes;
  bf16.format = kernels::CacheFormat::kBf16;
  const KvLayout::Layer layers[] = {codes, bf16, codes};
  const Result<KvLayout> layout = KvLayout::Make(layers);
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->KeyOffset(1, 0), 2u * (32 * 64 + 32 * 4));
  EXPECT_EQ(layout->ValueOffset(1, 0), layout->KeyOffset(1, 0) + 32 * 64 * 2);
  EXPECT_EQ(layout->KeyOffset(2, 0), layout->KeyOffset(1, 0) + 2u * 32 * 64 * 2);
  EXPECT_EQ(layout->page_bytes(), 2u * 2 * (32 * 64 + 32 * 4) + 2u * 32 * 64 * 2);
}

TEST(KvLayout, PagesCoverPositions) {
  EXPECT_EQ(KvLayout::PagesFor(0), 0u);
  EXPECT_EQ(KvLayout::PagesFor(32), 1u);
  EXPECT_EQ(KvLayout::PagesFor(33), 2u);
}

TEST(KvLayout, WidthsThatCannotBeAreRefused) {
  const KvLayout::Layer none[] = {{.kv_heads = 0, .key_dim = 64, .value_dim = 64}};
  const Result<KvLayout> layout = KvLayout::Make(none);
  EXPECT_THAT(layout.error().message, testing::HasSubstr("layer 0: a cache of 0 heads"));
  const KvLayout::Layer huge[] = {{.kv_heads = size_t{1} << 20, .key_dim = size_t{1} << 20, .value_dim = 1}};
  EXPECT_FALSE(KvLayout::Make(huge).has_value());
}

TEST(KvLayout, EachNumberOfAShapeMayBeTheWidestButNotNothing) {
  const auto is_taken = [](const KvLayout::Layer& layer) { return KvLayout::Make({&layer, 1}).has_value(); };
  for (size_t KvLayout::Layer::*number :
       {&KvLayout::Layer::kv_heads, &KvLayout::Layer::key_dim, &KvLayout::Layer::value_dim}) {
    KvLayout::Layer layer{.kv_heads = 1, .key_dim = 64, .value_dim = 64};
    layer.*number = 0;
    EXPECT_FALSE(is_taken(layer));
    layer.*number = size_t{1} << 20;
    EXPECT_TRUE(is_taken(layer));
    layer.*number += 1;
    EXPECT_FALSE(is_taken(layer));
  }
}

}  // namespace
}  // namespace octet::nn
