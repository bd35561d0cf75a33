// The JSON files of a Hugging Face model, made from a GGUF's metadata.
//
//   const GgufConfig made = OCTET_TRY(MakeGgufConfig(*file));
//   made.config["hidden_size"];
//
// Part of opening a GGUF as a checkpoint: formats/checkpoint.h. Which key becomes which field: docs/formats/gguf.md.
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_architecture.h"

namespace octet {

struct GgufConfig {
  Json config;
  Json generation_config;
  Json tokenizer_config;
};

// Fails with corrupt for metadata that is missing or of a wrong type, with unsupported for what Octet can't express:
// experts, heads that differ by layer, unknown rope scaling. A file without tensors needs no hyperparameters.
Result<GgufConfig> MakeGgufConfig(const GgufFile& file, const GgufArchitecture* architecture);

// What tokenizer_config.json would have as `chat_template`: null, a text, or the list of named ones where the file has
// another for requests with tools.
Result<Json> GgufChatTemplate(const GgufFile& file);

}  // namespace octet
