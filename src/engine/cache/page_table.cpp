#include "engine/cache/page_table.h"

#include <utility>

#include "nn/kv_layout.h"

namespace octet {

PageTable::PageTable(PagePool& pool, size_t most_positions) : pool_(&pool), most_positions_(most_positions) {
  ids_.reserve(nn::KvLayout::PagesFor(most_positions));
  data_.reserve(nn::KvLayout::PagesFor(most_positions));
}

PageTable::PageTable(PageTable&& other) noexcept
    : pool_(other.pool_),
      most_positions_(other.most_positions_),
      ids_(std::exchange(other.ids_, {})),
      data_(std::exchange(other.data_, {})) {}

PageTable& PageTable::operator=(PageTable&& other) noexcept {
  if (this == &other) return *this;
  Truncate(0);
  pool_ = other.pool_;
  most_positions_ = other.most_positions_;
  ids_ = std::exchange(other.ids_, {});
  data_ = std::exchange(other.data_, {});
  return *this;
}

Status PageTable::Cover(size_t positions) {
  if (positions > most_positions_) {
    return Fail(ErrorCode::kExhausted, positions, " tokens don't fit the context of ", most_positions_);
  }
  const size_t before = covered();
  while (covered() < positions) {
    const Result<PageId> page = pool_->Take();
    if (!page) {
      Truncate(before);
      return tl::unexpected(page.error());
    }
    ids_.push_back(*page);
    data_.push_back(pool_->Data(*page));
  }
  return {};
}

void PageTable::Truncate(size_t positions) {
  while (ids_.size() > nn::KvLayout::PagesFor(positions)) {
    pool_->Release(ids_.back());
    ids_.pop_back();
    data_.pop_back();
  }
}

size_t PageTable::covered() const { return ids_.size() * kernels::kPagePositions; }

}  // namespace octet
