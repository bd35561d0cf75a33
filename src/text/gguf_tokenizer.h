// The tokenizer inside a GGUF file, in tokenizer.json's terms: the same parts serve Tokenizer::FromGguf and `octet
// import`.
//
//   TokenizerParts parts = OCTET_TRY(ReadGgufTokenizer(file));
//   std::string json = OCTET_TRY(TokenizerJsonFromGguf(file));
//
// tokenizer.ggml.model `gpt2` and `gemma4` are BPE with the pre-tokenizer that tokenizer.ggml.pre names
// (text/gguf_pre.h); `llama` is SentencePiece BPE, its merges made from the scores; `bert` is WordPiece; `t5` is
// Unigram.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "text/tokenizer_parts.h"

namespace octet {

// Fails with corrupt where the metadata contradict themselves, unsupported naming an unknown model or pre-tokenizer.
Result<TokenizerParts> ReadGgufTokenizer(const GgufFile& file);

// Content of the tokenizer.json for an imported model.
Result<std::string> TokenizerJsonFromGguf(const GgufFile& file);

// Content of the tokenizer_config.json: class, special tokens and length limit. The chat template is a file of its own.
Json TokenizerConfigFromGguf(const GgufFile& file);

}  // namespace octet
