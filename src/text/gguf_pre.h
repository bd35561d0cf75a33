// The pre-tokenizers that GGUF files name by `tokenizer.ggml.pre`, as tokenizer.json would have them.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace octet {

struct GgufPreTokenizer {
  Json pre_tokenizer;
  bool byte_level = true;       // words are spelled in the byte-level alphabet
  bool ignore_merges = false;   // a word that is a token needs no merges
  bool adds_bos = false;        // where the file doesn't say
  bool escapes_spaces = false;  // spaces become U+2581 first, as in SentencePiece
};

// An empty name is `default`. Fails with unsupported naming an unknown one.
Result<GgufPreTokenizer> FindGgufPreTokenizer(std::string_view name, std::string_view where);

}  // namespace octet
