// The weights of an encoder, as models/model_spec.h lists them; private to this folder.
#pragma once

#include <vector>

#include "models/model_spec.h"

namespace octet {

// In the order of the forward pass, by the names of transformers' BertModel, RobertaModel or MPNetModel. Requires
// spec.encoder.
std::vector<WeightSlot> EncoderSlots(const ModelSpec& spec);

}  // namespace octet
