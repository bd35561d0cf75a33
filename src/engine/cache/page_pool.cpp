#include "engine/cache/page_pool.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <new>
#include <optional>

#include "base/checked.h"
#include "base/counted.h"

namespace octet {
namespace {

constexpr size_t kAlignment = 64;  // of the kernels' loads

}  // namespace

void PagePool::Unmap::operator()(std::byte* memory) const { ::munmap(memory, size); }

Result<PagePool> PagePool::Create(size_t page_bytes, size_t pages) {
  if (page_bytes == 0 || page_bytes % kAlignment != 0) {
    return Fail(ErrorCode::kInvalidArgument, "a cache page of ", Counted(page_bytes, "byte"), " is not a multiple of ",
                kAlignment);
  }
  const std::optional<uint64_t> bytes = CheckedMultiply(page_bytes, pages);
  if (!bytes || *bytes > uint64_t{1} << 46 || pages == 0 || pages > std::numeric_limits<PageId>::max()) {
    return Fail(ErrorCode::kExhausted, "a key/value cache of ", Counted(pages, "page"), " of ",
                Counted(page_bytes, "byte"), " is beyond what this machine can address; use a smaller context");
  }
  void* memory = ::mmap(nullptr, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return Fail(ErrorCode::kExhausted, "a key/value cache of ", Counted(*bytes, "byte"), " (", Counted(pages, "page"),
                " of ", page_bytes, ") can't be reserved: ", std::strerror(errno), "; use a smaller context");
  }
  // Advice only. Each layer and head has a few kilobytes of a page, so that small pages of the system would cost a look
  // into its tables for every one of them.
  static_cast<void>(::madvise(memory, *bytes, MADV_HUGEPAGE));
  PagePool pool;
  pool.memory_ = {static_cast<std::byte*>(memory), Unmap{*bytes}};
  pool.page_bytes_ = page_bytes;
  try {
    pool.references_.resize(pages);
    pool.free_.reserve(pages);
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kExhausted, "the list of ", pages, " cache pages needs ", 2 * pages * sizeof(PageId),
                " bytes that the system doesn't give; use a smaller context");
  }
  return pool;
}

Result<PageId> PagePool::Take() {
  PageId page = static_cast<PageId>(touched_);
  if (!free_.empty()) {
    page = free_.back();
    free_.pop_back();
    // Attention multiplies slots that aren't seen by zero: NaN that an earlier owner left would come through.
    std::memset(Data(page), 0, page_bytes_);
  } else if (touched_ < pages()) {
    ++touched_;
  } else {
    return Fail(ErrorCode::kExhausted, "the key/value cache is full: ", pages(), " of ", pages(), " pages are in use");
  }
  references_[page] = 1;
  return page;
}

void PagePool::Release(PageId page) {
  OCTET_CHECK(references_[page] > 0);
  if (--references_[page] == 0) free_.push_back(page);
}

}  // namespace octet
