// Finds calls of tools in an answer, as it comes.
//
//   ToolCallParser parser({.format = ToolFormat::kHermes, .names = {"add"}});
//   for (const AnswerPiece& piece : parser.Push(text)) ...
//   for (const AnswerPiece& piece : parser.Finish()) ...
//
// A call is told when it is whole: JSON of the format, one of the tools' names, an object of arguments. What turns out
// to be none comes as text, byte for byte. White space beside a call belongs to the call, but for what keeps the texts
// before and behind it apart. Pieces joined are the same however the answer was cut. Formats: tool_format.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api/json_extent.h"
#include "serve/api/tool_format.h"

namespace octet::serve {

struct ToolCallRules {
  ToolFormat format = ToolFormat::kNone;
  std::vector<std::string> names = {};  // of the tools
  size_t most_calls = 128;              // what comes behind them is text
  bool begins_behind_mark = false;      // the prompt ended in CallMark(format)
};

// Text, or a call.
struct AnswerPiece {
  std::string text = {};
  std::string name = {};       // of a call; empty for text
  std::string arguments = {};  // a JSON object, as the model wrote it

  bool is_call() const { return !name.empty(); }
};

class ToolCallParser {
 public:
  explicit ToolCallParser(ToolCallRules rules);

  // What became certain; neighbouring texts may come as one. Work is linear in the text, but that up to 64 beginnings
  // of calls that turn out to be none are read again.
  std::vector<AnswerPiece> Push(std::string_view text);
  // The rest, at the answer's end. A call that lacks only its closing mark is taken.
  std::vector<AnswerPiece> Finish();

  size_t calls() const { return calls_; }

 private:
  enum class Reading { kText, kBefore, kName, kJson, kClosing };

  void Run(bool at_end);
  bool FindCall(bool at_end);
  std::optional<size_t> BareCall(bool at_end) const;
  bool OpenCall(size_t begin, size_t refused);
  void TakeCallByte(char byte);
  void BeginJson(size_t name_begin);
  void EndJson();
  void TakeCalls(size_t end);
  void GiveUp();
  void SayText(std::string_view text);

  const ToolCallRules rules_;
  const std::string_view mark_, close_;
  std::string input_;  // not decided: text that may open a call, or a call from its mark on
  Reading reading_ = Reading::kText;
  // Of a call that is being read, in input_.
  size_t at_ = 0, refused_ = 0, name_begin_ = 0, json_begin_ = 0, json_end_ = 0;
  size_t closing_ = 0;  // bytes of close_ that came
  JsonExtent extent_;
  std::vector<AnswerPiece> found_;
  std::string space_;         // white space that is text if text follows
  std::string space_behind_;  // white space that came behind the last call
  bool at_begin_ = true;      // nothing but white space so far
  bool behind_call_ = false;
  size_t calls_ = 0, broken_ = 0;
  std::vector<AnswerPiece> out_;
};

// All pieces of a whole answer, texts joined into one that is the first.
struct ParsedAnswer {
  std::string text = {};
  std::vector<AnswerPiece> calls = {};
};
ParsedAnswer ParseAnswer(const ToolCallRules& rules, std::string_view answer);

}  // namespace octet::serve
