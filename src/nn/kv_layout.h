// Where a token's keys and values lie in the pages of the key/value cache.
//
//   KvLayout layout = OCTET_TRY(KvLayout::Make(layers));
//   std::byte* page = pool.Take(layout.page_bytes());                  // 32 positions of every layer
//   std::byte* keys = page + layout.KeyOffset(/*layer=*/3, /*head=*/1);
//
// A page holds positions 32p .. 32p + 31 of all layers and heads: one id per page and sequence is the whole page table.
// Pages are 64-byte aligned and must be zero or hold earlier values when first used (what a position holds before it is
// stored doesn't matter, but must be finite). Who owns pages and shares them between sequences: engine/cache.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/error.h"
#include "kernels/layout.h"

namespace octet::nn {

class KvLayout {
 public:
  // What a layer keeps of each token; widths and formats differ between layers and families.
  struct Layer {
    size_t kv_heads = 0;
    size_t key_dim = 0;
    size_t value_dim = 0;
    kernels::CacheFormat format = kernels::CacheFormat::kBf16;
  };

  KvLayout() = default;
  // Fails with invalid_argument where a width is zero or a page would pass 2^40 bytes.
  static Result<KvLayout> Make(std::span<const Layer> layers);

  size_t layers() const { return layers_.size(); }
  const Layer& layer(size_t index) const { return layers_[index].shape; }

  // Of 32 positions over all layers; a multiple of 64.
  size_t page_bytes() const { return page_bytes_; }
  // Of one position over all layers, rounded up: page_bytes() / 32.
  size_t bytes_per_token() const { return (page_bytes_ + kernels::kPagePositions - 1) / kernels::kPagePositions; }
  // Of 32 positions of one layer.
  size_t LayerBytes(size_t layer) const { return layers_[layer].shape.kv_heads * layers_[layer].head_bytes; }
  static size_t PagesFor(size_t positions) {
    return (positions + kernels::kPagePositions - 1) / kernels::kPagePositions;
  }

  // From a page's start to the keys, the values of one head.
  size_t KeyOffset(size_t layer, size_t head) const { return layers_[layer].offset + head * layers_[layer].head_bytes; }
  size_t ValueOffset(size_t layer, size_t head) const { return KeyOffset(layer, head) + layers_[layer].key_bytes; }

 private:
  struct Place {
    Layer shape;
    size_t offset = 0;
    size_t key_bytes = 0;
    size_t head_bytes = 0;  // keys and values of one head
  };

  std::vector<Place> layers_;
  size_t page_bytes_ = 0;
};

}  // namespace octet::nn
