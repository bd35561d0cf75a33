// The cache pages of one sequence, from position 0 on.
//
//   PageTable table(pool, /*most_positions=*/context);
//   OCTET_TRY(table.Cover(position + 1));                 // before the forward pass writes that position
//   run.pages = table.pages();
//
// Tables may share pages: one that two refer to is copied before either writes (MakeWritable), so that sequences that
// begin the same keep their beginning once.
//
// Pages go back to the pool with the table. The pool must outlive it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/cache/page_pool.h"

namespace octet {

class PageTable {
 public:
  // Room for most_positions is set aside for the list itself, so that growing allocates nothing.
  PageTable(PagePool& pool, size_t most_positions);
  PageTable(PageTable&& other) noexcept;
  PageTable& operator=(PageTable&& other) noexcept;
  ~PageTable() { Truncate(0); }

  // Takes pages until positions 0 .. positions - 1 have one. Fails with exhausted, keeping what it had, where the pool
  // is empty and where most_positions would be passed; the message has both numbers.
  Status Cover(size_t positions);
  // Gives back the pages that hold no position below `positions`.
  void Truncate(size_t positions);
  // Adds a page that is in use elsewhere, behind the last one.
  void Append(PageId page);
  // Another table of the same pages.
  PageTable Share() const;
  // Copies the pages from position `first` on that others refer to as well. Fails with exhausted where the pool is
  // empty; copying goes on there with the next call. Work: a page's bytes for each copy, nothing where there is none.
  Status MakeWritable(size_t first);
  // Pages that Cover(positions) and MakeWritable(first) would take from the pool.
  size_t PagesToTake(size_t first, size_t positions) const;

  std::span<std::byte* const> pages() const { return data_; }
  std::span<const PageId> ids() const { return ids_; }
  // Positions that have a page.
  size_t covered() const;

 private:
  PagePool* pool_;
  size_t most_positions_;
  std::vector<PageId> ids_;
  std::vector<std::byte*> data_;  // parallel to ids_
};

}  // namespace octet
