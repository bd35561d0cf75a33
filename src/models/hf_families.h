// What each model type's config.json means beyond the fields that all share; private to models/hf_*.cpp.
//
//   for (const Family& family : KnownFamilies()) ...
//   OCTET_TRY(family.adapt(fields, sizes, spec));
//
// The shared fields: models/hf_config.cpp. What the families compute: docs/models.md.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/error.h"
#include "models/config_fields.h"
#include "models/model_spec.h"

namespace octet {

inline constexpr size_t kMaxLayers = 1024;
inline constexpr size_t kMaxPositions = size_t{1} << 31;

// Sizes that all layers share.
struct Sizes {
  size_t layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
};

struct Family {
  std::string_view model_type;
  const char* defaults;  // of transformers' configuration class, as JSON
  // Completes a spec whose layers hold the shared fields: norms, biases, windows, scales, activation, ropes.
  Status (*adapt)(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec);
  const char* norm_eps = "rms_norm_eps";  // the field of its norms' eps
};

// Of encoders (models/hf_encoders.cpp).
Status AdaptBert(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec);
Status AdaptRoberta(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec);
Status AdaptMpnet(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec);

// silu, gelu and its tanh form by their names in transformers; fails with unsupported for others.
Result<ActivationKind> ReadActivation(const ConfigFields& fields, std::string_view key);

// Sorted by model type.
std::span<const Family> KnownFamilies();

}  // namespace octet
