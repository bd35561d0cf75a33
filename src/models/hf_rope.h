// The rope rule of a config.json, from either dialect's fields.
//
//   nn::RopeSpec rope = OCTET_TRY(ReadRope(fields, FindRopeParameters(fields), {.head_dim = 64, .default_theta =
//   10000}));
//
// What the rules compute: nn/rope.h.
#pragma once

#include "models/config_fields.h"
#include "nn/rope.h"

namespace octet {

struct RopeContext {
  size_t head_dim = 0;
  size_t max_positions = 0;
  double default_theta = 10000;
  bool partial_allowed = false;  // the family rotates only the first numbers of a head where told so
  bool su_is_longrope = false;   // Phi-3's older names for longrope
};

// `rope_scaling` where it is set, else `rope_parameters`, else null.
const Json* FindRopeParameters(const ConfigFields& fields);

// `parameters` may be null for the default rule. `rope_theta` and `partial_rotary_factor` are also looked for beside
// it. Fails with unsupported for a rule or parameter that isn't known, corrupt for missing or senseless numbers.
Result<nn::RopeSpec> ReadRope(const ConfigFields& fields, const Json* parameters, const RopeContext& context);

}  // namespace octet
