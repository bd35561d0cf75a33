// How a text becomes one vector: what sentence-transformers' files beside an encoder say.
//
//   SentenceConfig config = OCTET_TRY(ReadSentenceConfig("models/all-MiniLM-L6-v2", files));
//
// Of a cross-encoder, which has none of these, the activation that its config.json names.
// modules.json, the pooling's config.json, sentence_bert_config.json and config_sentence_transformers.json. A directory
// without modules.json is what sentence-transformers makes of one: the mean of all tokens, not normalised.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "engine/model_files.h"

namespace octet {

enum class Pooling { kMean, kCls };  // of all tokens' hidden states, special ones among them, or of the first alone

struct SentenceConfig {
  Pooling pooling = Pooling::kMean;
  bool normalizes = false;        // to length 1
  size_t max_tokens = 0;          // of a text with its special tokens; what is beyond is cut off
  bool score_is_logistic = true;  // a cross-encoder's one label goes through 1 / (1 + exp(-x))
  std::string prompt;             // what the model was trained to read before every text; mostly empty
};

// Fails with unsupported for a module, a way of pooling or a setting that Octet doesn't know, naming it; with not_found
// and corrupt for files that are missing or contradict themselves.
Result<SentenceConfig> ReadSentenceConfig(const std::filesystem::path& directory, const ModelFiles& files);

}  // namespace octet
