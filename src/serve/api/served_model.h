// What the APIs know of the model that answers: its name, its tokenizer and template, and its limits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/generation_defaults.h"
#include "engine/grammar/grammar_source.h"
#include "serve/api/api_error.h"
#include "serve/api/tool_format.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace octet::serve {

// What an encoder takes and gives; absent of a model that writes text.
struct ServedEncoder {
  size_t width = 0;         // of a text's vector
  size_t labels = 0;        // what it gives for a pair of texts; 0: it gives vectors of texts
  size_t type_vocab = 0;    // types of tokens: below 2 it reads no pairs of two types
  std::string prompt = {};  // what it reads before every text
};

struct ServedModel {
  std::string name;
  std::vector<std::string> aliases = {};  // further names that requests may call it by
  // Names of adapters: a request that calls the model by one of them is answered with it.
  std::vector<std::string> adapters = {};
  int64_t created = 0;                   // seconds since 1970: when it was opened
  const Tokenizer* tokenizer = nullptr;  // null: token ids alone go in and out
  const ChatTemplate* chat_template = nullptr;
  GrammarCompiler* grammars = nullptr;         // null: answers are free text
  ToolFormat tool_format = ToolFormat::kNone;  // kNone: no tools
  GenerationDefaults defaults = {};
  size_t vocab = 0;
  size_t context = 0;  // tokens of prompt and answer; of an encoder, of a text
  std::optional<ServedEncoder> encoder = {};
  size_t most_choices = 64;   // `n`
  size_t most_answers = 512;  // of one request: prompts times choices
};

// Fails with 404 for a name that is neither the model's nor an adapter's of it; no name at all is right.
ApiResult<std::string> RequestedName(const Json& body, const ServedModel& model);

// Fails where the model has no tokenizer.
ApiResult<const Tokenizer*> RequireText(const ServedModel& model);

// A text's ids. Fails where the model has no tokenizer.
ApiResult<std::vector<int32_t>> EncodeText(const ServedModel& model, std::string_view text, bool add_special);

// Fails with 400 and the code context_length_exceeded, with both numbers, unless there is room for one more token.
ApiResult<void> CheckLength(const ServedModel& model, size_t prompt_tokens);

// One entry of GET /v1/models.
Json ModelJson(const ServedModel& model, std::string_view name);

}  // namespace octet::serve
