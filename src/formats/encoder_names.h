// How checkpoints of BERT models name their tensors.
#pragma once

#include <string>

#include "base/json.h"

namespace octet {

// What stands before `embeddings.` and `encoder.`, by the class that config.json names: nothing for BertModel, "bert."
// for those with a head around it. formats/settle_tensors.h brings files to this form.
std::string BertPrefix(const Json& config);

}  // namespace octet
