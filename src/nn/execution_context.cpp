#include "nn/execution_context.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/checked.h"

namespace octet::nn {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFirstBlock = size_t{1} << 20;
constexpr size_t kMostBytes = size_t{1} << 46;  // half of what a process can address

}  // namespace

Workspace::~Workspace() {
  for (const Block& block : blocks_) std::free(block.data);
}

Result<float*> Workspace::Floats(size_t count) { return static_cast<float*>(OCTET_TRY(Items(count, sizeof(float)))); }

Result<void*> Workspace::Items(size_t count, size_t item_bytes) {
  const std::optional<uint64_t> bytes = CheckedMultiply(count, item_bytes);
  if (!bytes || *bytes > kMostBytes) {
    return Fail(ErrorCode::kExhausted, "a step wants ", count, " x ", item_bytes, " bytes of scratch memory, beyond ",
                kMostBytes, "; use a smaller chunk or fewer sequences at a time");
  }
  const size_t rounded = RoundUp(*bytes, kAlignment);
  if (blocks_.empty() || blocks_.back().size - used_ < rounded) OCTET_TRY(AddBlock(rounded));
  std::byte* memory = blocks_.back().data + used_;
  used_ += rounded;
  return memory;
}

Status Workspace::Reset() {
  used_ = 0;
  if (blocks_.size() <= 1) return {};
  const size_t total = capacity();
  for (const Block& block : blocks_) std::free(block.data);
  blocks_.clear();
  return AddBlock(total);
}

size_t Workspace::capacity() const {
  size_t total = 0;
  for (const Block& block : blocks_) total += block.size;
  return total;
}

Status Workspace::AddBlock(size_t bytes) {
  const size_t size = RoundUp(std::max(bytes, kFirstBlock), kAlignment);
  void* memory = std::aligned_alloc(kAlignment, size);
  if (memory == nullptr) {
    return Fail(ErrorCode::kExhausted, "the system gives no ", size, " bytes of scratch memory beside the ", capacity(),
                " in use; use a smaller chunk or fewer sequences at a time");
  }
  blocks_.push_back({static_cast<std::byte*>(memory), size});
  used_ = 0;
  return {};
}

}  // namespace octet::nn
