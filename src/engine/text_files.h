// The tokenizer and chat template of a checkpoint, as a pack keeps them.
#pragma once

#include "base/error.h"
#include "engine/model_files.h"
#include "formats/checkpoint.h"

namespace octet {

// Fills tokenizer, tokenizer_json and chat_template where the checkpoint has them; which template it is of several,
// text/find_template.h says. Fails as reading them does.
Status ReadTextFiles(const Checkpoint& checkpoint, ModelFiles& files);

}  // namespace octet
