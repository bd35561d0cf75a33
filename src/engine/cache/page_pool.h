// The memory of the key/value cache: pages of 32 positions (nn/kv_layout.h), handed out by number and counted by
// reference.
//
//   PagePool pool = OCTET_TRY(PagePool::Create(layout.page_bytes(), /*pages=*/256));
//   PageId page = OCTET_TRY(pool.Take());        // one reference
//   pool.AddReference(page);                     // a second sequence shares it
//   pool.Release(page);
//
// Addresses for all pages are reserved at once, memory comes with the first write to a page, so that what is resident
// follows what is used. One thread at a time uses a pool. A sequence's own list of pages: engine/cache/page_table.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"

namespace octet {

using PageId = uint32_t;

class PagePool {
 public:
  // Fails with exhausted where the system has no address room for so much, saying how much was asked for; with
  // invalid_argument where page_bytes is not a positive multiple of 64.
  static Result<PagePool> Create(size_t page_bytes, size_t pages);

  PagePool(PagePool&&) noexcept = default;
  PagePool& operator=(PagePool&&) noexcept = default;

  // A page of zeros that nobody refers to, the one released last if any. Fails with exhausted naming both numbers.
  // Allocates nothing.
  Result<PageId> Take();
  void AddReference(PageId page) { ++references_[page]; }
  void Release(PageId page);

  std::byte* Data(PageId page) const { return memory_.get() + static_cast<size_t>(page) * page_bytes_; }
  uint32_t references(PageId page) const { return references_[page]; }

  size_t page_bytes() const { return page_bytes_; }
  size_t pages() const { return references_.size(); }
  size_t pages_in_use() const { return touched_ - free_.size(); }
  // What was written at most so far, in bytes.
  size_t resident_bytes() const { return touched_ * page_bytes_; }

 private:
  struct Unmap {
    size_t size;
    void operator()(std::byte* memory) const;
  };

  PagePool() = default;

  std::unique_ptr<std::byte, Unmap> memory_;
  size_t page_bytes_ = 0;
  size_t touched_ = 0;  // pages 0 .. touched_ - 1 were handed out at least once
  std::vector<uint32_t> references_;
  std::vector<PageId> free_;  // released pages, the last one on top
};

}  // namespace octet
