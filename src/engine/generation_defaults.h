// What a model's own files say about generating: sampling where the caller leaves it open, and the tokens that end an
// answer.
//
//   GenerationDefaults defaults = OCTET_TRY(ReadGenerationDefaults(generation_config, spec, "generation_config.json"));
//
// Temperature is generation_config's, or 0 where it says none or `do_sample` is false. Its bad_words_ids are banned,
// those of one token and those of several. End tokens are those of
// generation_config and config together; the tokenizer's is added by engine/engine.h.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "models/model_spec.h"
#include "octet/sampling.h"

namespace octet {

struct GenerationDefaults {
  SamplingOptions sampling;
  std::vector<int32_t> end_tokens;  // each once
};

// `generation_config` may be null. `where` opens every message. Fails with corrupt for values of a wrong type or range.
Result<GenerationDefaults> ReadGenerationDefaults(const Json& generation_config, const ModelSpec& spec,
                                                  std::string_view where);

}  // namespace octet
