// The cache's part of a quantisation: which type keys and values are to have, and what a text said about it.
//
// Who measures: quantize/kv_check.h. Who writes it down: quantize/kv_scales.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/layout.h"

namespace octet {

struct KvRounding {
  kernels::CacheFormat format = kernels::CacheFormat::kE4M3;  // or kInt8
  bool per_head = false;                                      // static scales of each key head, else of a layer
};

constexpr std::string_view KvName(kernels::CacheFormat format) {
  return format == kernels::CacheFormat::kE4M3 ? "fp8" : "int8";
}

// A head whose attention is further off keeps its layer in BF16; what is measured: quantize/kv_check.h. By experience:
// docs/decisions/kv-scales.md.
inline constexpr double kMostKvError = 0.08;

// One key head, with the query heads that read it.
struct KvHeadCheck {
  float key_amax = 0, value_amax = 0;
  double dynamic_error = 0;  // with a scale for each token, as Octet's cache has
  double static_error = 0;   // with the scales in the file, as other readers have
  double attention_kl = 0;   // mean divergence of the attention's weights, nats, the larger of both

  double error() const { return std::max(dynamic_error, static_error); }
  // Keeps its layer in BF16; also where all keys or values are zeros, of which no range is known.
  bool is_outlier() const { return !(error() <= kMostKvError) || key_amax == 0 || value_amax == 0; }
};

struct KvLayerCheck {
  std::string module;  // "model.layers.3.self_attn"
  std::vector<KvHeadCheck> heads;
  std::vector<float> key_scales, value_scales;  // static: of each head, or one

  double error() const {
    double worst = 0;
    for (const KvHeadCheck& head : heads) worst = std::max(worst, head.error());
    return worst;
  }
  bool stays_bf16() const {
    return std::any_of(heads.begin(), heads.end(), [](const KvHeadCheck& head) { return head.is_outlier(); });
  }
};

struct KvCheck {
  KvRounding rounding;
  size_t tokens = 0;  // measured on
  std::vector<KvLayerCheck> layers;

  std::vector<size_t> Bf16Layers() const {
    std::vector<size_t> kept;
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      if (layers[layer].stays_bf16()) kept.push_back(layer);
    }
    return kept;
  }
  // Whether a layer is rounded at all; else the checkpoint says nothing of the cache.
  bool rounds_any() const { return Bf16Layers().size() < layers.size(); }
};

}  // namespace octet
