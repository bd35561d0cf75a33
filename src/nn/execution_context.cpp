#include "nn/execution_context.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked.h"

namespace octet::nn {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFirstBlock = size_t{1} << 20;
constexpr size_t kMostBytes = size_t{1} << 46;  // half of what a process can address

}  // namespace

Result<float*> Workspace::Floats(size_t count) { return static_cast<float*>(OCTET_TRY(Items(count, sizeof(float)))); }

Result<void*> Workspace::Items(size_t count, size_t item_bytes) {
  const std::optional<uint64_t> bytes = CheckedMultiply(count, item_bytes);
  if (!bytes || *bytes > kMostBytes) {
    return Fail(ErrorCode::kExhausted, "a step wants ", count, " x ", item_bytes, " bytes of scratch memory, beyond ",
                kMostBytes, "; use a smaller chunk or fewer sequences at a time");
  }
  const size_t rounded = RoundUp(*bytes, kAlignment);
  // After a scope the later blocks are free again.
  while (block_ < blocks_.size() && blocks_[block_]->size() - used_ < rounded) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) OCTET_TRY(AddBlock(rounded));
  std::byte* memory = blocks_[block_]->data() + used_;
  used_ += rounded;
  return memory;
}

Status Workspace::Reset() {
  block_ = used_ = 0;
  if (blocks_.size() <= 1) return {};
  const size_t total = capacity();
  blocks_.clear();
  return AddBlock(total);
}

size_t Workspace::capacity() const {
  size_t total = 0;
  for (const std::shared_ptr<AlignedBuffer>& block : blocks_) total += block->size();
  return total;
}

Status Workspace::AddBlock(size_t bytes) {
  const size_t size = RoundUp(std::max(bytes, kFirstBlock), kAlignment);
  Result<std::shared_ptr<AlignedBuffer>> block = AlignedBuffer::Allocate(size);
  if (!block) {
    return Fail(ErrorCode::kExhausted, "the system gives no ", size, " bytes of scratch memory beside the ", capacity(),
                " in use; use a smaller chunk or fewer sequences at a time");
  }
  blocks_.push_back(std::move(*block));
  return {};
}

}  // namespace octet::nn
