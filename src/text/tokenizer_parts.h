// What a tokenizer is made of, as tokenizer.json names it: read from a tokenizer.json or made from a GGUF vocabulary,
// then turned into a Tokenizer or written as a tokenizer.json.
//
//   TokenizerParts parts = OCTET_TRY(ReadTokenizerJson(text, config, "tokenizer.json"));
//   Tokenizer tokenizer = OCTET_TRY(Tokenizer::FromParts(std::move(parts), "tokenizer.json"));
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace octet {

// A token that is found in the text before any other step (`added_tokens` of tokenizer.json).
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // counts only where no letter or digit touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // searched after the normalizer, and itself normalized
  bool special = false;
};

enum class TokenizerModel { kBpe, kUnigram, kWordPiece };

struct MergePair {
  int32_t left = 0;
  int32_t right = 0;
};

struct TokenizerParts {
  TokenizerModel model = TokenizerModel::kBpe;
  std::vector<std::string>
      tokens;  // by id, empty where unused; added tokens may lie beyond. Tokenizer::FromParts takes them away
  std::vector<MergePair> merges;  // BPE, best first
  std::vector<double> scores;     // Unigram, by id
  std::vector<AddedToken> added_tokens;
  std::optional<int32_t> unknown;  // id of the model's unknown token
  std::string subword_prefix;      // BPE and WordPiece: before a piece that continues a word
  std::string word_suffix;         // BPE: after a piece that ends a word
  size_t longest_word = 100;       // WordPiece: longer words, in characters, are unknown
  bool byte_fallback = false;      // a character outside the vocabulary becomes tokens <0x00>..<0xFF>
  bool fuse_unknown = false;       // neighbouring unknown characters become one token
  bool ignore_merges = false;      // BPE: a word that is a token needs no merges
  Json normalizer;                 // these four as tokenizer.json has them, null where there is none
  Json pre_tokenizer;
  Json post_processor;
  Json decoder;
  std::optional<int32_t> bos;
  std::optional<int32_t> eos;
};

// Fails with corrupt where the file contradicts itself, unsupported for a model type that this build doesn't know.
// `config` is tokenizer_config.json or null; it tells BOS and EOS. Cost: 20 ms for 49k tokens and as many merges.
Result<TokenizerParts> ReadTokenizerJson(std::string_view text, const Json& config, std::string_view where);

// The parts as a tokenizer.json that Hugging Face's package reads.
std::string WriteTokenizerJson(const TokenizerParts& parts);

}  // namespace octet
