#include "engine/schedule/prefix_cache.h"

#include <openssl/sha.h>

#include <algorithm>
#include <iterator>

#include "kernels/layout.h"

namespace octet {
namespace {

static_assert(std::tuple_size_v<Digest> == SHA256_DIGEST_LENGTH);

Digest Sha256(std::span<const uint8_t> bytes) {
  Digest digest;
  OCTET_CHECK(SHA256(bytes.data(), bytes.size(), digest.data()) != nullptr);
  return digest;
}

}  // namespace

PrefixCache::~PrefixCache() {
  for (const Entry& entry : entries_) pool_.Release(entry.page);
}

Digest PrefixCache::Root(std::string_view salt, uint64_t adapter) {
  const Digest root = Sha256({reinterpret_cast<const uint8_t*>(salt.data()), salt.size()});
  if (adapter == 0) return root;
  std::array<uint8_t, sizeof root + sizeof adapter> bytes;
  std::copy(root.begin(), root.end(), bytes.begin());
  std::memcpy(bytes.data() + root.size(), &adapter, sizeof adapter);
  return Sha256(bytes);
}

Digest PrefixCache::Next(const Digest& parent, std::span<const int32_t> tokens) {
  OCTET_CHECK(tokens.size() == kernels::kPagePositions);
  std::array<uint8_t, sizeof(Digest) + kernels::kPagePositions * sizeof(int32_t)> bytes;
  std::copy(parent.begin(), parent.end(), bytes.begin());
  std::memcpy(bytes.data() + parent.size(), tokens.data(), tokens.size_bytes());
  return Sha256(bytes);
}

PrefixCache::Found PrefixCache::Find(const Digest& root, std::span<const int32_t> tokens, size_t angle_length) {
  const size_t most = tokens.empty() ? 0 : (tokens.size() - 1) / kernels::kPagePositions;
  Found found;
  if (most == 0) found.miss = CacheMiss::kShortPrompt;
  Digest digest = root;
  for (size_t i = 0; i < most; ++i) {
    digest = Next(digest, tokens.subspan(i * kernels::kPagePositions, kernels::kPagePositions));
    const auto place = by_digest_.find(digest);
    if (place == by_digest_.end()) {
      found.miss = ReasonOf(digest);
      break;
    }
    if (!nn::AnglesAreEqual(ropes_, place->second->angle_length, angle_length)) {
      found.miss = CacheMiss::kOtherAngles;
      break;
    }
    found.pages.push_back(place->second->page);
    found.digests.push_back(digest);
  }
  Touch(found.digests);
  return found;
}

void PrefixCache::Add(const Digest& digest, PageId page, size_t angle_length) {
  const auto [place, is_new] = by_digest_.try_emplace(digest);
  if (is_new) {
    place->second = entries_.insert(entries_.begin(), {digest, page, angle_length});
    pool_.AddReference(page);
    return;
  }
  // Of the two lengths' pages the later is kept.
  Entry& entry = *place->second;
  if (nn::AnglesAreEqual(ropes_, entry.angle_length, angle_length)) return;
  pool_.AddReference(page);
  pool_.Release(std::exchange(entry.page, page));
  entry.angle_length = angle_length;
}

void PrefixCache::Touch(std::span<const Digest> digests) {
  for (size_t i = digests.size(); i-- > 0;) {
    const auto place = by_digest_.find(digests[i]);
    if (place != by_digest_.end()) entries_.splice(entries_.begin(), entries_, place->second);
  }
}

bool PrefixCache::EvictOne() {
  const auto oldest = std::find_if(entries_.rbegin(), entries_.rend(),
                                   [&](const Entry& entry) { return pool_.references(entry.page) == 1; });
  if (oldest == entries_.rend()) return false;
  const Entry entry = *oldest;
  NoteEvicted(entry.digest);
  by_digest_.erase(entry.digest);
  entries_.erase(std::next(oldest).base());
  pool_.Release(entry.page);
  return true;
}

size_t PrefixCache::IdlePages() const {
  return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(),
                                           [&](const Entry& entry) { return pool_.references(entry.page) == 1; }));
}

CacheMiss PrefixCache::ReasonOf(const Digest& digest) const {
  return evicted_set_.contains(digest) ? CacheMiss::kEvicted : CacheMiss::kNew;
}

void PrefixCache::NoteEvicted(const Digest& digest) {
  if (!evicted_set_.insert(digest).second) return;
  evicted_.push_back(digest);
  if (evicted_.size() <= pool_.pages()) return;
  evicted_set_.erase(evicted_.front());
  evicted_.pop_front();
}

}  // namespace octet
