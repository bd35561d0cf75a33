// The files beside the tensors of a Hugging Face checkpoint that say how text becomes tokens: tokenizer and chat
// template.
//
//   std::vector<ExportFile> files = OCTET_TRY(CompanionFiles(checkpoint));
//   OCTET_TRY(ExportHuggingFace(checkpoint, files, directory, {}));
//
// config.json and generation_config.json are the exporter's: formats/hf_export.h.
#pragma once

#include <vector>

#include "formats/checkpoint.h"
#include "formats/hf_export.h"

namespace octet {

// Of a directory, the files byte for byte; of a GGUF, what its metadata say in the terms of those files. Fails as
// reading them does, and with unsupported for a GGUF tokenizer that isn't known.
Result<std::vector<ExportFile>> CompanionFiles(const Checkpoint& checkpoint);

}  // namespace octet
