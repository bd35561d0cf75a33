#include "serve/api/tool_format.h"

#include <array>

#include "base/cat.h"
#include "base/json_text.h"

namespace octet::serve {
namespace {

struct NamedFormat {
  std::string_view name;
  ToolFormat format;
};
constexpr std::array<NamedFormat, 4> kFormats = {{{"hermes", ToolFormat::kHermes},
                                                  {"llama3", ToolFormat::kLlama3},
                                                  {"mistral", ToolFormat::kMistral},
                                                  {"none", ToolFormat::kNone}}};

}  // namespace

std::optional<ToolFormat> ToolFormatNamed(std::string_view name) {
  for (const NamedFormat& entry : kFormats) {
    if (entry.name == name) return entry.format;
  }
  return std::nullopt;
}

ToolFormat ToolFormatOf(const ChatTemplate& chat_template) {
  if (!chat_template.abilities().tools) return ToolFormat::kNone;
  const std::string_view source = chat_template.source();
  const auto has = [&](std::string_view text) { return source.find(text) != source.npos; };
  // Of formats that share the mark but put no JSON behind it.
  if (has("<function=") || has("<arg_key>")) return ToolFormat::kNone;
  if (has("<tool_call>")) return ToolFormat::kHermes;
  if (has("[TOOL_CALLS]")) return ToolFormat::kMistral;
  if (has("<|python_tag|>") || has("\"parameters\": ")) return ToolFormat::kLlama3;
  return ToolFormat::kNone;
}

std::string_view CallMark(ToolFormat format) {
  switch (format) {
    case ToolFormat::kNone:
      break;
    case ToolFormat::kHermes:
      return "<tool_call>";
    case ToolFormat::kLlama3:
      return "<|python_tag|>";
    case ToolFormat::kMistral:
      return "[TOOL_CALLS]";
  }
  return "";
}

GrammarSource CallGrammar(ToolFormat format, std::span<const Tool> tools, size_t most_calls) {
  GrammarSource source{.kind = GrammarSource::Kind::kCalls};
  CallSource& calls = source.calls;
  calls.most_calls = static_cast<uint32_t>(most_calls);
  calls.close = "}";
  if (format == ToolFormat::kHermes) {
    calls.open = "\n";
    calls.close = "}\n</tool_call>";
    calls.between = "\n<tool_call>\n";
  } else if (format == ToolFormat::kLlama3) {
    calls.between = "; ";
  } else {
    calls.open = "[";
    calls.between = ", ";
    calls.end = "]";
  }
  const std::string_view key = format == ToolFormat::kLlama3 ? "parameters" : "arguments";
  for (const Tool& tool : tools) {
    // Nothing may be given to a function that takes nothing.
    const Json none = {{"type", "object"}, {"additionalProperties", false}};
    calls.tools.push_back({.head = Cat("{\"name\": ", Dump(tool.name), ", \"", key, "\": "),
                           .schema = Dump(tool.parameters.is_null() ? none : tool.parameters),
                           .where = Cat("the parameters of `", tool.name, "`")});
  }
  return source;
}

}  // namespace octet::serve
