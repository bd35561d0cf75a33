// The type that a layer's keys and values have in the cache: what the checkpoint asks for, and what the user does.
//
//   OCTET_TRY(ReadKvScheme(config, "models/fp8/config.json", spec));      // as ReadHfConfig does
//   nn::KvLayout layout = OCTET_TRY(CacheLayout(spec.layers, /*wish=*/std::nullopt, CacheFormat::kBf16));
//
// A checkpoint names one type for all layers: `kv_cache_scheme` of compressed-tensors and ModelOpt, or ModelOpt's
// `kv_cache_quant_algo`. Octet writes beside it, at the top of config.json, the layers that stay BF16:
// "octet_kv_cache": {"bf16_layers": [23]}. Static scales (k_scale, v_scale) are for other readers; why:
// docs/decisions/kv-scales.md.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "models/model_spec.h"
#include "nn/kv_layout.h"

namespace octet {

inline constexpr const char* kKvLayersKey = "octet_kv_cache";
inline constexpr const char* kBf16LayersKey = "bf16_layers";

// Sets spec.kv_scheme and the layers' attn.cache. A type that the cache hasn't, such as NVFP4, leaves the layers as
// they are. Fails with corrupt where the scheme is no object or text, where two parts of the file name different
// types, and where a layer that is to stay BF16 doesn't exist.
Status ReadKvScheme(const Json& config, std::string_view where, ModelSpec& spec);

// The user's wish before the checkpoint's, before `usual`; but layers that the checkpoint keeps in BF16 aren't rounded
// by a wish for codes.
kernels::CacheFormat CacheFormatOf(const AttnSpec& attn, std::optional<kernels::CacheFormat> wish,
                                   kernels::CacheFormat usual);

// Fails as KvLayout::Make.
Result<nn::KvLayout> CacheLayout(std::span<const LayerSpec> layers, std::optional<kernels::CacheFormat> wish,
                                 kernels::CacheFormat usual);

}  // namespace octet
