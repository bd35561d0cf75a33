// How models write the calls of tools into their answers.
//
//   ToolFormat format = ToolFormatOf(chat_template);                  // by the marks that the template itself writes
//   for (const AnswerPiece& piece : ToolCallParser(...)) ...          // tool_call_parser.h
//   GrammarSource source = CallGrammar(format, tools, /*most_calls=*/1)
//
//   hermes   <tool_call>{"name": "f", "arguments": {...}}</tool_call>, once for each call          (Hermes, Qwen)
//   llama3   {"name": "f", "parameters": {...}} as the whole answer, several with ; between them   (Llama 3.1 to 3.3)
//   mistral  [TOOL_CALLS][{"name": "f", "arguments": {...}}, ...], or [TOOL_CALLS]f{...} for each call
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "engine/grammar/grammar_source.h"
#include "text/chat_template.h"

namespace octet::serve {

enum class ToolFormat { kNone, kHermes, kLlama3, kMistral };

// The format with this name, as the option --tool-format has it; absent for `auto` and all others.
std::optional<ToolFormat> ToolFormatNamed(std::string_view name);

// By what the template writes around an assistant's calls; kNone where it shows no tools or is of another kind.
ToolFormat ToolFormatOf(const ChatTemplate& chat_template);

// What opens a call; a token of its own in most vocabularies. Empty for kNone. Of llama3 a call may do without.
std::string_view CallMark(ToolFormat format);

// A function that a model may call.
struct Tool {
  std::string name;
  Json parameters = nullptr;  // a JSON Schema; null: it takes none
};

// Calls in the format from behind the mark on, each by its tool's schema, one to most_calls of them. Requires a format,
// and tools with schemas whose type is object.
GrammarSource CallGrammar(ToolFormat format, std::span<const Tool> tools, size_t most_calls);

}  // namespace octet::serve
