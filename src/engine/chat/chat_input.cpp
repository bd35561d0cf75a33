#include "engine/chat/chat_input.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/nearest.h"

namespace octet {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

enum class Takes { kNothing, kText, kOptionalText };

struct CommandEntry {
  std::string_view name;
  std::string_view placeholder;
  ChatAction action;
  Takes takes;
  std::string_view help;
};

constexpr CommandEntry kCommands[] = {
    {"system", "[TEXT]", ChatAction::kSystem, Takes::kOptionalText,
     "sets the system message and begins anew; without TEXT: none"},
    {"retry", "", ChatAction::kRetry, Takes::kNothing, "answers the last question again, with another draw"},
    {"undo", "", ChatAction::kUndo, Takes::kNothing, "takes the last question and its answer back"},
    {"save", "FILE", ChatAction::kSave, Takes::kText, "writes the conversation as JSON"},
    {"load", "FILE", ChatAction::kLoad, Takes::kText, "goes on with a saved conversation"},
    {"stats", "", ChatAction::kStats, Takes::kNothing, "tokens and speed of the last answer, room in the context"},
    {"help", "", ChatAction::kHelp, Takes::kNothing, "this list"},
};

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

}  // namespace

void MessageReader::Clear() {
  text_.clear();
  in_block_ = continued_ = false;
}

TypedMessage MessageReader::Take() {
  TypedMessage message = {std::move(text_), in_block_};
  Clear();
  return message;
}

std::optional<TypedMessage> MessageReader::Push(std::string_view line) {
  if (!in_block_ && !continued_ && line.starts_with(kQuotes)) {
    in_block_ = true;
    line.remove_prefix(kQuotes.size());
    if (line.empty()) return std::nullopt;
  } else if (in_block_ && !text_.empty()) {
    text_ += '\n';
  }
  if (in_block_) {
    const bool ends = line.ends_with(kQuotes);
    if (ends) line.remove_suffix(kQuotes.size());
    text_ += line;
    // Closing quotes on a line of their own end the text before that line.
    if (ends && line.empty() && text_.ends_with('\n')) text_.pop_back();
    return ends ? std::optional(Take()) : std::nullopt;
  }
  continued_ = line.ends_with('\\');
  if (continued_) line.remove_suffix(1);
  text_ += line;
  if (!continued_) return Take();
  text_ += '\n';
  return std::nullopt;
}

bool IsBlank(const TypedMessage& message) {
  return message.is_block ? message.text.empty() : Trim(message.text).empty();
}

Result<std::optional<ChatCommand>> ParseChatCommand(const TypedMessage& message) {
  const std::string_view text = message.text;
  if (message.is_block || !text.starts_with('/') || text.starts_with("//")) return std::optional<ChatCommand>();
  const size_t end = std::min(text.find_first_of(" \t\n"), text.size());
  const std::string name(text.substr(1, end - 1));
  const std::string argument(Trim(text.substr(end)));
  const auto found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                  [&](const CommandEntry& entry) { return entry.name == name; });
  if (found == std::end(kCommands)) {
    std::vector<std::string> names;
    for (const CommandEntry& entry : kCommands) names.emplace_back(entry.name);
    const std::optional<std::string> meant = Nearest(name, names);
    return Fail(ErrorCode::kInvalidArgument, "no command `/", name, "`;",
                meant ? Cat(" did you mean `/", *meant, "`?") : "",
                " /help lists all; // begins a message with a slash");
  }
  if (found->takes == Takes::kText && argument.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "/", name, " needs the name of a file: /", name, " ", found->placeholder);
  }
  if (found->takes == Takes::kNothing && !argument.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "/", name, " takes nothing, got `", argument, "`");
  }
  return std::optional<ChatCommand>(ChatCommand{found->action, argument});
}

std::string_view MessageText(const TypedMessage& message) {
  const std::string_view text = message.text;
  return !message.is_block && text.starts_with("//") ? text.substr(1) : text;
}

std::string ChatHelp() {
  std::string help;
  for (const CommandEntry& entry : kCommands) {
    std::string left = Cat("/", entry.name, entry.placeholder.empty() ? "" : " ", entry.placeholder);
    left.resize(std::max<size_t>(left.size() + 1, 16), ' ');
    help += Cat(left, entry.help, "\n");
  }
  return help +
         "A line ending in \\ goes on in the next; \"\"\" begins and ends a block. Ctrl-C stops an answer, Ctrl-D "
         "leaves.\n";
}

}  // namespace octet
