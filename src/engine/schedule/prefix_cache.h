// Full pages of keys and values that outlive their sequences, found again by the tokens that lead up to them.
//
//   PrefixCache cache(pool, ropes);
//   Digest root = PrefixCache::Root(salt);
//   PrefixCache::Found found = cache.Find(root, prompt, /*angle_length=*/prompt.size());
//   cache.Add(PrefixCache::Next(parent, page_tokens), page, angle_length);   // a page that was filled
//
// A page is named by SHA-256 over the name before it and its own 32 tokens; the first name is that of the salt and the
// adapter. So equal names mean equal tokens from the start, under the same salt and adapter, and nobody can make up a
// prompt that meets another's pages. The cache holds one reference to each page; those that nobody else refers to go
// when the pool is short, the least recently used first. One thread at a time uses it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <list>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/cache/page_pool.h"
#include "engine/schedule/submission.h"
#include "nn/rope.h"

namespace octet {

using Digest = std::array<uint8_t, 32>;

class PrefixCache {
 public:
  struct Found {
    std::vector<PageId> pages = {};     // of positions 0 .. ; no reference is taken
    std::vector<Digest> digests = {};   // parallel to pages
    CacheMiss miss = CacheMiss::kNone;  // why no more
  };

  // Both outlive it; `ropes` are the model's.
  PrefixCache(PagePool& pool, std::span<const nn::RopeSpec> ropes) : pool_(pool), ropes_(ropes) {}
  ~PrefixCache();

  // `adapter`: the number of the one that computes the pages, 0 for none (models/adapter.h).
  static Digest Root(std::string_view salt, uint64_t adapter = 0);
  // Of the page that holds `tokens`, 32 of them, behind the one named `parent`.
  static Digest Next(const Digest& parent, std::span<const int32_t> tokens);

  // The longest row of pages that hold the first of `tokens`, for a sequence whose angles count angle_length tokens
  // (nn/rope.h). The last token is left out: its logits are wanted. What was found counts as used.
  Found Find(const Digest& root, std::span<const int32_t> tokens, size_t angle_length);

  // Keeps a page, if there is none of that name. The page's positions must not be written any more.
  void Add(const Digest& digest, PageId page, size_t angle_length);

  // A sequence of these pages, in order, has ended: later ones go before earlier ones.
  void Touch(std::span<const Digest> digests);

  // Gives up the least recently used page that nobody else refers to; false where there is none.
  bool EvictOne();

  size_t pages() const { return entries_.size(); }
  // Pages that nobody else refers to. Work: a look at each page kept.
  size_t IdlePages() const;

  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

 private:
  struct Entry {
    Digest digest;
    PageId page;
    size_t angle_length;
  };
  struct DigestHash {
    size_t operator()(const Digest& digest) const {
      size_t hash;
      std::memcpy(&hash, digest.data(), sizeof hash);
      return hash;
    }
  };
  using Entries = std::list<Entry>;

  CacheMiss ReasonOf(const Digest& digest) const;
  void NoteEvicted(const Digest& digest);

  PagePool& pool_;
  std::span<const nn::RopeSpec> ropes_;
  Entries entries_;  // the most recently used first
  std::unordered_map<Digest, Entries::iterator, DigestHash> by_digest_;
  // Names of pages that went, as many as the pool has pages: to tell what was forgotten from what is new.
  std::deque<Digest> evicted_;
  std::unordered_set<Digest, DigestHash> evicted_set_;
};

}  // namespace octet
