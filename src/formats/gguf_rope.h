// The llama3 rope scaling that a GGUF's frequency divisors came from.
//
//   Json scaling = OCTET_TRY(RecoverLlama3Scaling(divisors, /*theta=*/500000, "model.gguf"));
//
// A GGUF doesn't keep the four parameters of llama3 scaling, only what they do to each frequency (rope_freqs.weight).
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace octet {

// `divisors` are what theta^(-2i/d) is divided by, i < d/2. Returns config.json's rope_scaling object, or null where
// all are 1. The parameters are those of Llama 3 wherever these give the divisors; otherwise fitted, with a low
// frequency factor of 1 (scaling all of low, high and original length together changes nothing). Fails with unsupported
// where no parameters give the divisors to 1e-4.
Result<Json> RecoverLlama3Scaling(std::span<const float> divisors, double theta, std::string_view where);

}  // namespace octet
