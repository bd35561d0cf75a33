// The cache's types and static scales in a checkpoint, as its readers take them.
//
//   for (TensorSpec& tensor : KvTensors(plan)) ...       // "model.layers.3.self_attn.k_scale" and v_scale
//   AddKvScheme(*plan.kv, dialect, config);              // kv_cache_scheme, and the layers that stay BF16
//
// compressed-tensors: BF16 `self_attn.k_scale` and `v_scale`, [1] or, of each head, [heads, 1, 1]. ModelOpt: F32
// numbers `self_attn.k_proj.k_scale` and `v_proj.v_scale`. Layers that stay BF16 have scales too: readers that round
// every layer would take 1 for what is missing. Where every layer stays BF16 nothing is written. Who reads it here:
// models/kv_scheme.h.
#pragma once

#include <vector>

#include "base/json.h"
#include "formats/safetensors_writer.h"
#include "quantize/quantize.h"

namespace octet {

// Empty where the plan says nothing of the cache.
std::vector<TensorSpec> KvTensors(const QuantizePlan& plan);
Status WriteKvScales(const QuantizePlan& plan, ShardedSafetensorsWriter& writer);

// Into config.json, which has its quantization_config.
void AddKvScheme(const KvCheck& check, Dialect dialect, Json& config);
// Into ModelOpt's hf_quant_config.json.
void AddKvAlgorithm(const KvCheck& check, Json& file);

// "kv" of quantization_report.json.
Json KvReport(const KvCheck& check, Dialect dialect);

// Fails with unsupported where the dialect has no form for the scales, saying which has.
Status CheckKvLayout(const KvRounding& rounding, Dialect dialect);

}  // namespace octet
