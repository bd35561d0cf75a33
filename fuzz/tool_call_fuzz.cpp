// Any bytes as a model's answer that may hold calls of tools: the same calls and texts wherever it is cut, arguments
// that are objects, and no byte lost where there is no call.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "serve/api/tool_call_parser.h"

namespace {

using namespace octet;
using namespace octet::serve;

// Texts that stand beside each other are one, whatever pieces they came in.
std::string Shown(std::vector<AnswerPiece> pieces) {
  std::string shown;
  for (const AnswerPiece& piece : pieces) {
    if (!piece.is_call()) {
      shown += piece.text;
      continue;
    }
    const Result<Json> arguments = ParseJson(piece.arguments, "arguments");
    if (!arguments || !arguments->is_object()) __builtin_trap();
    shown += '\x01' + piece.name + '\x02' + piece.arguments + '\x03';
  }
  return shown;
}

std::string Parse(const ToolCallRules& rules, std::string_view text, size_t step, size_t& calls) {
  ToolCallParser parser(rules);
  std::vector<AnswerPiece> all;
  const auto keep = [&](std::vector<AnswerPiece> pieces) { all.insert(all.end(), pieces.begin(), pieces.end()); };
  for (size_t at = 0; at < text.size(); at += step) keep(parser.Push(text.substr(at, step)));
  keep(parser.Finish());
  calls = parser.calls();
  return Shown(std::move(all));
}

}  // namespace

// The first byte says the format, how many calls may come and how the answer is cut.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  ToolCallRules rules{.format = static_cast<ToolFormat>(1 + data[0] % 3), .names = {"add", "f"}};
  if ((data[0] & 16) != 0) rules.most_calls = 1;
  size_t calls = 0, calls_cut = 0;
  const std::string whole = Parse(rules, text, text.size() + 1, calls);
  if (Parse(rules, text, 1 + (data[0] >> 5), calls_cut) != whole || calls != calls_cut) __builtin_trap();
  if (calls == 0 && whole != text) __builtin_trap();
  if (calls > rules.most_calls) __builtin_trap();
  return 0;
}
