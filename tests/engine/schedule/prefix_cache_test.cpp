// Pages found again by the tokens before them.
#include "engine/schedule/prefix_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "engine/cache/page_table.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr size_t kPage = 32;

class PrefixCacheTest : public testing::Test {
 protected:
  static std::vector<int32_t> Tokens(size_t count, int32_t first = 0) {
    std::vector<int32_t> tokens(count);
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
  }

  // As a sequence of these tokens leaves its full pages.
  std::vector<PageId> Keep(PrefixCache& cache, std::string_view salt, const std::vector<int32_t>& tokens,
                           size_t angle_length = 0) {
    std::vector<PageId> pages;
    Digest digest = PrefixCache::Root(salt);
    for (size_t begin = 0; begin + kPage <= tokens.size(); begin += kPage) {
      digest = PrefixCache::Next(digest, std::span(tokens).subspan(begin, kPage));
      pages.push_back(*pool_.Take());
      cache.Add(digest, pages.back(), angle_length == 0 ? tokens.size() : angle_length);
      pool_.Release(pages.back());
    }
    return pages;
  }

  PrefixCache::Found Find(PrefixCache& cache, const std::vector<int32_t>& tokens, std::string_view salt = "") {
    return cache.Find(PrefixCache::Root(salt), tokens, tokens.size());
  }

  PagePool pool_ = *PagePool::Create(64, 8);
};

TEST_F(PrefixCacheTest, FindsFullPagesUpToTheLastToken) {
  PrefixCache cache(pool_, {});
  const std::vector<PageId> pages = Keep(cache, "", Tokens(100));
  ASSERT_EQ(pages.size(), 3u);
  EXPECT_EQ(Find(cache, Tokens(100)).pages, pages);
  EXPECT_EQ(Find(cache, Tokens(100)).miss, CacheMiss::kNone);
  EXPECT_EQ(Find(cache, Tokens(97)).pages, pages);
  // The last token's logits are wanted, so its page is not taken though it is there.
  EXPECT_THAT(Find(cache, Tokens(96)).pages, ElementsAre(pages[0], pages[1]));
  EXPECT_EQ(Find(cache, Tokens(96)).miss, CacheMiss::kNone);
  EXPECT_THAT(Find(cache, Tokens(32)).pages, IsEmpty());
  EXPECT_EQ(Find(cache, Tokens(32)).miss, CacheMiss::kShortPrompt);
}

TEST_F(PrefixCacheTest, APageIsFoundBehindItsOwnBeginningAlone) {
  PrefixCache cache(pool_, {});
  const std::vector<PageId> pages = Keep(cache, "", Tokens(96));
  std::vector<int32_t> other = Tokens(100);
  other[40] = 7;
  EXPECT_THAT(Find(cache, other).pages, ElementsAre(pages[0]));
  EXPECT_EQ(Find(cache, other).miss, CacheMiss::kNew);
  other[0] = 7;
  EXPECT_THAT(Find(cache, other).pages, IsEmpty());
}

TEST_F(PrefixCacheTest, AdaptersDontSeeEachOther) {
  const Digest plain = PrefixCache::Root("one"), first = PrefixCache::Root("one", 1);
  EXPECT_NE(first, plain);
  EXPECT_NE(first, PrefixCache::Root("one", 2));
  EXPECT_NE(first, PrefixCache::Root("two", 1));
  EXPECT_EQ(first, PrefixCache::Root("one", 1));
  EXPECT_EQ(plain, PrefixCache::Root("one", 0));
}

TEST_F(PrefixCacheTest, SaltsDontSeeEachOther) {
  PrefixCache cache(pool_, {});
  Keep(cache, "one", Tokens(64));
  EXPECT_EQ(Find(cache, Tokens(70), "one").pages.size(), 2u);
  for (const char* salt : {"", "two", "One"}) {
    EXPECT_THAT(Find(cache, Tokens(70), salt).pages, IsEmpty()) << salt;
    EXPECT_EQ(Find(cache, Tokens(70), salt).miss, CacheMiss::kNew) << salt;
  }
}

TEST_F(PrefixCacheTest, TheLeastRecentlyUsedPageGoesFirstAndLaterPagesBeforeEarlierOnes) {
  PrefixCache cache(pool_, {});
  Keep(cache, "", Tokens(64));
  Keep(cache, "", Tokens(64, 1000));
  Find(cache, Tokens(65));
  EXPECT_EQ(cache.IdlePages(), 4u);
  ASSERT_TRUE(cache.EvictOne() && cache.EvictOne());
  EXPECT_THAT(Find(cache, Tokens(65, 1000)).pages, IsEmpty());
  EXPECT_EQ(Find(cache, Tokens(65, 1000)).miss, CacheMiss::kEvicted);
  ASSERT_TRUE(cache.EvictOne());
  EXPECT_EQ(Find(cache, Tokens(65)).pages.size(), 1u);
  EXPECT_EQ(Find(cache, Tokens(65)).miss, CacheMiss::kEvicted);
  ASSERT_TRUE(cache.EvictOne());
  EXPECT_FALSE(cache.EvictOne());
  EXPECT_EQ(pool_.pages_in_use(), 0u);
}

TEST_F(PrefixCacheTest, PagesInUseStay) {
  PrefixCache cache(pool_, {});
  const std::vector<PageId> pages = Keep(cache, "", Tokens(64));
  PageTable table(pool_, 64);
  table.Append(pages[1]);
  EXPECT_EQ(cache.IdlePages(), 1u);
  EXPECT_TRUE(cache.EvictOne());
  EXPECT_FALSE(cache.EvictOne());
  EXPECT_EQ(pool_.references(pages[1]), 2u);
  table.Truncate(0);
  EXPECT_TRUE(cache.EvictOne());
}

TEST_F(PrefixCacheTest, WhatItHoldsGoesBackWithIt) {
  {
    PrefixCache cache(pool_, {});
    Keep(cache, "", Tokens(64));
    EXPECT_EQ(pool_.pages_in_use(), 2u);
  }
  EXPECT_EQ(pool_.pages_in_use(), 0u);
}

TEST_F(PrefixCacheTest, KeysOfOtherAnglesAreNoHit) {
  nn::RopeSpec rope{.kind = nn::RopeKind::kLongrope, .original_max = 80};
  PrefixCache cache(pool_, {&rope, 1});
  const std::vector<PageId> as_short = Keep(cache, "", Tokens(64));
  EXPECT_EQ(Find(cache, Tokens(70)).pages, as_short);
  EXPECT_THAT(Find(cache, Tokens(90)).pages, IsEmpty());
  EXPECT_EQ(Find(cache, Tokens(90)).miss, CacheMiss::kOtherAngles);
  // The later ones take the place of the earlier.
  const std::vector<PageId> as_long = Keep(cache, "", Tokens(64), 90);
  EXPECT_EQ(Find(cache, Tokens(90)).pages, as_long);
  EXPECT_EQ(Find(cache, Tokens(70)).miss, CacheMiss::kOtherAngles);
  EXPECT_EQ(pool_.pages_in_use(), 2u);
}

TEST_F(PrefixCacheTest, NamesAreSha256OfTheParentAndTheTokensInLittleEndian) {
  // python3: hashlib.sha256(hashlib.sha256(b"salt").digest() + struct.pack("<32i", *range(32))).hexdigest()
  const Digest digest = PrefixCache::Next(PrefixCache::Root("salt"), Tokens(kPage));
  std::string text;
  for (const uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  EXPECT_EQ(text, "279e544b45d002183c92f61a8a4bf954220c296d764bc2705121504f8f345a17");
}

}  // namespace
}  // namespace octet
