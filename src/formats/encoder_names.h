// How checkpoints of encoders name their tensors.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace octet {

// What transformers calls the encoders of a model type.
struct EncoderNames {
  std::string_view model_type;  // of config.json
  std::string_view class_name;  // before "Model" and "ForSequenceClassification"
  std::string_view prefix;      // of the encoder's tensors where a head is around it
};

// By config.json's model_type; null where that is no encoder's.
const EncoderNames* FindEncoderNames(const Json& config);

// What stands before `embeddings.` and `encoder.`, by the class that config.json names: nothing for the base model
// (BertModel), the prefix ("bert.") for those with a head around it. formats/settle_tensors.h brings files to this
// form.
std::string EncoderPrefix(const Json& config);

// Whether the class that config.json names is the one of that ending, "Model" say.
bool IsEncoderClass(const Json& config, std::string_view ending);

}  // namespace octet
