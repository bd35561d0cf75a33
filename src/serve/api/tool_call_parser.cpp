#include "serve/api/tool_call_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.h"

namespace octet::serve {
namespace {

// Each is read again as text, which an answer made for that could else ask for at every byte.
constexpr size_t kMostBroken = 64;
constexpr size_t kLongestName = 256;
constexpr std::string_view kCallSpace = " \t\r\n";
constexpr std::string_view kMistralArguments = "[ARGS]", kMistralId = "[CALL_ID]";

bool IsSpace(char byte) { return kCallSpace.find(byte) != kCallSpace.npos; }
bool IsNameByte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
         byte == '-' || byte == '.';
}

// Bytes at the text's end that could be the beginning of the mark.
size_t BegunMark(std::string_view text, std::string_view mark) {
  for (size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size) {
    if (text.ends_with(mark.substr(0, size))) return size;
  }
  return 0;
}

// The arguments of a call, `value` as it is written: some models quote them a second time.
std::optional<std::string> ArgumentsOf(std::string_view value) {
  const Result<Json> json = ParseJson(value, "arguments");
  if (!json) return std::nullopt;
  if (json->is_null()) return "{}";
  if (json->is_object()) return std::string(value);
  if (!json->is_string()) return std::nullopt;
  const std::string& text = json->get_ref<const std::string&>();
  const Result<Json> inner = ParseJson(text, "arguments");
  return inner && inner->is_object() ? std::optional(text) : std::nullopt;
}

// {"name": ..., "arguments" or "parameters": ...}, whole JSON of an object.
std::optional<AnswerPiece> CallOf(std::string_view object) {
  AnswerPiece call{.arguments = "{}"};
  for (const RawValue& member : RawValues(object)) {
    if (member.key == "\"name\"") {
      const Result<Json> name = ParseJson(member.text, "name");
      if (!name || !name->is_string()) return std::nullopt;
      call.name = name->get<std::string>();
    } else if (member.key == "\"arguments\"" || member.key == "\"parameters\"") {
      std::optional<std::string> arguments = ArgumentsOf(member.text);
      if (!arguments) return std::nullopt;
      call.arguments = std::move(*arguments);
    }
  }
  return call;
}

// What the JSON of one call, or of a list of them, says; empty where it is none.
std::vector<AnswerPiece> CallsOf(std::string_view text) {
  const Result<Json> json = ParseJson(text, "call");
  if (!json || (!json->is_array() && !json->is_object())) return {};
  std::vector<RawValue> objects = {{.key = {}, .text = text}};
  if (json->is_array()) objects = RawValues(text);
  std::vector<AnswerPiece> calls;
  for (const RawValue& object : objects) {
    if (!object.text.starts_with('{')) return {};
    std::optional<AnswerPiece> call = CallOf(object.text);
    if (!call) return {};
    calls.push_back(std::move(*call));
  }
  return calls;
}

std::string_view NameBefore(std::string_view text) {
  text = text.substr(0, std::min(text.find(kMistralArguments), text.find(kMistralId)));
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

ToolCallParser::ToolCallParser(ToolCallRules rules)
    : rules_(std::move(rules)),
      mark_(CallMark(rules_.format)),
      close_(rules_.format == ToolFormat::kHermes ? "</tool_call>" : ""),
      input_(rules_.begins_behind_mark ? mark_ : std::string_view()) {}

std::vector<AnswerPiece> ToolCallParser::Push(std::string_view text) {
  input_ += text;
  Run(/*at_end=*/false);
  return std::exchange(out_, {});
}

std::vector<AnswerPiece> ToolCallParser::Finish() {
  Run(/*at_end=*/true);
  if (!behind_call_ && !space_.empty()) out_.push_back({.text = std::move(space_)});
  return std::exchange(out_, {});
}

void ToolCallParser::Run(bool at_end) {
  while (true) {
    if (reading_ == Reading::kText && !FindCall(at_end)) return;
    while (reading_ != Reading::kText && at_ < input_.size()) TakeCallByte(input_[at_]);
    if (reading_ == Reading::kText) continue;
    if (!at_end) return;
    reading_ == Reading::kClosing ? TakeCalls(input_.size()) : GiveUp();  // what came of the closing mark goes with it
  }
}

// Says the text before the next call, and what can't open one. True where a call was opened.
bool ToolCallParser::FindCall(bool at_end) {
  size_t text = input_.size();
  if (calls_ < rules_.most_calls && broken_ < kMostBroken && !mark_.empty()) {
    const std::optional<size_t> bare = BareCall(at_end);
    if (bare && *bare == input_.size()) return false;
    if (bare) return OpenCall(*bare, *bare + 1);
    const size_t mark = input_.find(mark_);
    text = std::min(mark, input_.size() - (at_end ? 0 : BegunMark(input_, mark_)));
  }
  SayText(std::string_view(input_).substr(0, text));
  const bool is_mark = std::string_view(input_).substr(text).starts_with(mark_) && text < input_.size();
  input_.erase(0, text);
  return is_mark && OpenCall(mark_.size(), mark_.size());
}

// Where a call of Llama 3 opens without a mark: at the answer's beginning, or behind another call. The input's size
// where it may still come.
std::optional<size_t> ToolCallParser::BareCall(bool at_end) const {
  if (rules_.format != ToolFormat::kLlama3 || !(at_begin_ || behind_call_)) return std::nullopt;
  size_t first = input_.find_first_not_of(kCallSpace);
  if (behind_call_ && first != input_.npos && (input_[first] == ';' || input_[first] == ','))
    first = input_.find_first_not_of(kCallSpace, first + 1);
  if (first == input_.npos) return at_end ? std::nullopt : std::optional(input_.size());
  return input_[first] == '{' ? std::optional(first) : std::nullopt;
}

// `refused`: the bytes that are text if this is no call.
bool ToolCallParser::OpenCall(size_t begin, size_t refused) {
  reading_ = Reading::kBefore;
  at_ = begin;
  refused_ = refused;
  return true;
}

void ToolCallParser::TakeCallByte(char byte) {
  const bool is_list = byte == '[' && rules_.format == ToolFormat::kMistral;
  switch (reading_) {
    case Reading::kText:
      return;
    case Reading::kBefore:
      if (byte == '{' || is_list) return BeginJson(/*name_begin=*/at_);
      if (rules_.format == ToolFormat::kMistral && IsNameByte(byte)) {
        name_begin_ = at_;
        reading_ = Reading::kName;
      } else if (!IsSpace(byte)) {
        return GiveUp();
      }
      break;
    case Reading::kName:
      if (byte == '{') return BeginJson(name_begin_);
      if (at_ - name_begin_ > kLongestName || byte == '\n') return GiveUp();
      break;
    case Reading::kJson:
      if (extent_.Push(byte)) return EndJson();
      break;
    case Reading::kClosing:
      if (closing_ == 0 && IsSpace(byte)) break;
      if (byte != close_[closing_]) return TakeCalls(json_end_);
      if (++closing_ == close_.size()) return TakeCalls(at_ + 1);
      break;
  }
  ++at_;
}

void ToolCallParser::BeginJson(size_t name_begin) {
  name_begin_ = name_begin;
  json_begin_ = at_++;
  reading_ = Reading::kJson;
  extent_ = {};
  extent_.Push(input_[json_begin_]);
}

// Behind the bracket that closes the JSON: this is a call, or it never was one.
void ToolCallParser::EndJson() {
  json_end_ = ++at_;
  const std::string_view json = std::string_view(input_).substr(json_begin_, json_end_ - json_begin_);
  if (name_begin_ == json_begin_) {
    found_ = CallsOf(json);
  } else if (ParseJson(json, "arguments")) {
    const std::string_view name = std::string_view(input_).substr(name_begin_, json_begin_ - name_begin_);
    found_ = {{.name = std::string(NameBefore(name)), .arguments = std::string(json)}};
  }
  const auto is_known = [&](const AnswerPiece& call) {
    return std::find(rules_.names.begin(), rules_.names.end(), call.name) != rules_.names.end();
  };
  const bool fits = !found_.empty() && std::all_of(found_.begin(), found_.end(), is_known) &&
                    found_.size() <= rules_.most_calls - calls_;
  if (!fits) return GiveUp();
  if (close_.empty()) return TakeCalls(json_end_);
  closing_ = 0;
  reading_ = Reading::kClosing;
}

// The calls that were found, up to `end` of the input.
void ToolCallParser::TakeCalls(size_t end) {
  calls_ += found_.size();
  out_.insert(out_.end(), std::make_move_iterator(found_.begin()), std::make_move_iterator(found_.end()));
  found_.clear();
  if (at_begin_) space_.clear();
  space_behind_.clear();
  behind_call_ = true;
  input_.erase(0, end);
  reading_ = Reading::kText;
}

// This is no call; what stands behind its beginning may be one.
void ToolCallParser::GiveUp() {
  ++broken_;
  found_.clear();
  SayText(std::string_view(input_).substr(0, refused_));
  input_.erase(0, refused_);
  reading_ = Reading::kText;
}

void ToolCallParser::SayText(std::string_view text) {
  if (behind_call_) {
    const size_t first = std::min(text.find_first_not_of(kCallSpace), text.size());
    space_behind_ += text.substr(0, first);
    text.remove_prefix(first);
  }
  const size_t end = text.find_last_not_of(kCallSpace);
  if (end == text.npos) {
    space_ += text;
    return;
  }
  if (behind_call_ && !at_begin_ && space_.empty()) space_ = space_behind_;
  at_begin_ = behind_call_ = false;
  if (out_.empty() || out_.back().is_call()) out_.emplace_back();
  out_.back().text += std::exchange(space_, std::string(text.substr(end + 1)));
  out_.back().text += text.substr(0, end + 1);
}

ParsedAnswer ParseAnswer(const ToolCallRules& rules, std::string_view answer) {
  ToolCallParser parser(rules);
  std::vector<AnswerPiece> pieces = parser.Push(answer);
  for (AnswerPiece& piece : parser.Finish()) pieces.push_back(std::move(piece));
  ParsedAnswer parsed;
  for (AnswerPiece& piece : pieces) {
    if (piece.is_call())
      parsed.calls.push_back(std::move(piece));
    else
      parsed.text += piece.text;
  }
  return parsed;
}

}  // namespace octet::serve
