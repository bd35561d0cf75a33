#include "engine/cache/page_table.h"

#include <algorithm>
#include <cstring>
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

void PageTable::Append(PageId page) {
  pool_->AddReference(page);
  ids_.push_back(page);
  data_.push_back(pool_->Data(page));
}

PageTable PageTable::Share() const {
  PageTable shared(*pool_, most_positions_);
  for (const PageId page : ids_) shared.Append(page);
  return shared;
}

Status PageTable::MakeWritable(size_t first) {
  for (size_t i = first / kernels::kPagePositions; i < ids_.size(); ++i) {
    if (pool_->references(ids_[i]) == 1) continue;
    const PageId copy = OCTET_TRY(pool_->Take());
    std::memcpy(pool_->Data(copy), data_[i], pool_->page_bytes());
    pool_->Release(std::exchange(ids_[i], copy));
    data_[i] = pool_->Data(copy);
  }
  return {};
}

size_t PageTable::PagesToTake(size_t first, size_t positions) const {
  size_t pages = nn::KvLayout::PagesFor(positions) - std::min(nn::KvLayout::PagesFor(positions), ids_.size());
  for (size_t i = first / kernels::kPagePositions; i < ids_.size(); ++i) pages += pool_->references(ids_[i]) > 1;
  return pages;
}

size_t PageTable::covered() const { return ids_.size() * kernels::kPagePositions; }

}  // namespace octet
