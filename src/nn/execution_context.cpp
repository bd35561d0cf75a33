#include "nn/execution_context.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "base/checked.h"

namespace octet::nn {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFirstBlock = size_t{1} << 20;

}  // namespace

Workspace::~Workspace() {
  for (const Block& block : blocks_) std::free(block.data);
}

void* Workspace::Bytes(size_t bytes) {
  const size_t rounded = RoundUp(bytes, kAlignment);
  if (blocks_.empty() || blocks_.back().size - used_ < rounded) AddBlock(rounded);
  std::byte* memory = blocks_.back().data + used_;
  used_ += rounded;
  return memory;
}

void Workspace::Reset() {
  if (blocks_.size() > 1) {
    const size_t total = capacity();
    for (const Block& block : blocks_) std::free(block.data);
    blocks_.clear();
    AddBlock(total);
  }
  used_ = 0;
}

size_t Workspace::capacity() const {
  size_t total = 0;
  for (const Block& block : blocks_) total += block.size;
  return total;
}

void Workspace::AddBlock(size_t bytes) {
  const size_t size = RoundUp(std::max(bytes, kFirstBlock), kAlignment);
  void* memory = std::aligned_alloc(kAlignment, size);
  OCTET_CHECK(memory != nullptr);
  blocks_.push_back({static_cast<std::byte*>(memory), size});
  used_ = 0;
}

}  // namespace octet::nn
