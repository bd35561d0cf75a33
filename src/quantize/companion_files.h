// The files beside the tensors of a Hugging Face checkpoint: configuration, tokenizer, chat template.
//
//   OCTET_TRY(WriteCompanionFiles(checkpoint, config, directory));
#pragma once

#include <filesystem>

#include "formats/checkpoint.h"

namespace octet {

// Writes `config` as config.json, and brings over what else the checkpoint has: from a directory the tokenizer's and template's
// files byte for byte, from a GGUF what import makes of it.
Status WriteCompanionFiles(const Checkpoint& checkpoint, const Json& config, const std::filesystem::path& directory);

}  // namespace octet
