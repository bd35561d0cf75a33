// Reading a Hugging Face config.json, in the dialects of transformers 4 and 5, into a ModelSpec.
//
//   ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, "models/SmolLM2/config.json"));
//
// Fields that a file leaves out take the defaults of its model_type's configuration class in transformers. A
// model_type, rope rule or activation that isn't known, or a field that would change the computation, is an error that
// names it.
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "models/model_spec.h"

namespace octet {

// `where` opens every message. Fails with unsupported for what Octet doesn't compute, corrupt for values that can't be:
// every size is bounded before anything is allocated.
Result<ModelSpec> ReadHfConfig(const Json& config, std::string_view where);

// The model types that ReadHfConfig knows, sorted.
std::vector<std::string_view> KnownModelTypes();

}  // namespace octet
