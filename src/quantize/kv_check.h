// What a layer's keys and values reach on a text, and what rounding them in the cache does to its attention: scales for
// other readers, and the layers that must not be rounded.
//
//   KvCheck check = OCTET_TRY(CheckKv(checkpoint, windows, {.format = CacheFormat::kE4M3}, run));
//   for (const KvLayerCheck& layer : check.layers) Print(layer.error(), layer.stays_bf16());
//
// A head's error is that of its attention's output: sqrt(sum |o' - o|^2 / sum |o|^2), o' with rounded keys and values;
// the sums go over sampled queries, the lower one over the mean of the layer's heads, so that a head that adds next to
// nothing isn't held against itself. A key with a few huge numbers is rounded as well as any by its own measure, but
// what its rounding does to the logits grows with them (docs/decisions/kv-scales.md).
// Where the layers' formats go: quantize/kv_scales.h.
#pragma once

#include <cstddef>
#include <vector>

#include "models/decoder.h"
#include "quantize/calibration_text.h"
#include "quantize/kv_plan.h"
#include "quantize/quantize.h"

namespace octet {

inline constexpr size_t kKvSampledQueries = 16;   // of a window, evenly spaced, the last among them
inline constexpr size_t kKvSampledTokens = 4096;  // whose attention is compared; the ranges are of all tokens

// Measures one layer. The observer of a forward pass over sequences that each begin at position 0.
class KvCollector : public Decoder::Observer {
 public:
  KvCollector(const ModelSpec& spec, const KvRounding& rounding, ThreadPool& pool);

  void OnHidden(size_t, const float*, size_t) override {}
  void OnHeads(size_t layer, const float* qkv, size_t rows) override;

  bool has_seen_any() const { return !key_amax_.empty(); }
  // Of what came since the last call, which was one layer's. The same for any number of threads. Fails with corrupt
  // where a key or a value is no finite number, naming the layer.
  Result<KvLayerCheck> Take();

 private:
  // One sequence' keys and values, and the sampled queries.
  struct Sample {
    std::vector<size_t> positions;  // of the queries
    std::vector<float> queries;     // [positions, heads, key_dim]
    std::vector<float> keys;        // [kv_heads, tokens, key_dim]
    std::vector<float> values;      // [kv_heads, tokens, value_dim]
    size_t tokens = 0;
  };
  // Of one key head in one sample.
  struct Sums;

  void Keep(const AttnSpec& attn, const float* qkv, size_t rows);
  // The static scales and the heads' ranges.
  Result<KvLayerCheck> Ranges() const;
  void MeasureErrors(const AttnSpec& attn, KvLayerCheck& layer) const;
  Sums Measure(const AttnSpec& attn, const KvLayerCheck& layer, const Sample& sample, size_t head) const;

  const ModelSpec& spec_;
  KvRounding rounding_;
  ThreadPool& pool_;
  size_t layer_ = 0;
  std::vector<float> key_amax_, value_amax_;  // of each key head
  std::vector<Sample> samples_;
  size_t sampled_ = 0;  // tokens in them
};

// Runs the original over the windows, a layer at a time, and measures each. Fails as CalibrationPass and KvCollector
// do; requires rounding.format of codes.
Result<KvCheck> CheckKv(const Checkpoint& checkpoint, const CalibrationText& windows, const KvRounding& rounding,
                        const QuantizeRun& run, ComputeType compute = ComputeType::kAuto);

}  // namespace octet
