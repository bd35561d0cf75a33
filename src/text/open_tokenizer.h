// A tokenizer by the path of its model.
#pragma once

#include <filesystem>

#include "base/error.h"
#include "text/tokenizer.h"

namespace octet {

// `model` is a directory with tokenizer.json (tokenizer_config.json may stand beside it), a tokenizer.json, a .gguf
// file or a .octet pack. Weights and config.json are not needed. Fails with not_found saying what was looked for.
Result<Tokenizer> OpenTokenizer(const std::filesystem::path& model);

}  // namespace octet
