// Whether sampling options can work for a vocabulary, checked once before a request starts.
//
//   OCTET_TRY(CheckSampling(options, vocab_size));
#pragma once

#include "base/error.h"
#include "octet/sampling.h"

namespace octet {

// Fails with invalid_argument naming the option, its value and what is allowed.
Status CheckSampling(const SamplingOptions& options, size_t vocab);

}  // namespace octet
