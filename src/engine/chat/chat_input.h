// What a user types in a chat: lines that make messages, and commands.
//
//   MessageReader reader;
//   if (std::optional<std::string> message = reader.Push(line)) {
//     std::optional<ChatCommand> command = OCTET_TRY(ParseChatCommand(*message));
//     ...
//   }
//
// A message is a line, lines that end in a backslash and the one behind them, or a block between lines of """.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace octet {

class MessageReader {
 public:
  // The message that the line ends, or nothing while more lines belong to it.
  std::optional<std::string> Push(std::string_view line);
  // Whether the next line goes on with a message.
  bool waiting() const { return in_block_ || continued_; }
  // Forgets what has come of an unfinished message.
  void Clear();

 private:
  std::optional<std::string> Take();

  std::string text_;
  bool in_block_ = false;   // behind an opening """
  bool continued_ = false;  // behind a backslash
};

enum class ChatAction { kSystem, kRetry, kUndo, kSave, kLoad, kStats, kHelp };

struct ChatCommand {
  ChatAction action = ChatAction::kHelp;
  std::string argument;  // what stands behind the name
};

// Nothing for a message that is no command: one that doesn't begin with a slash, or begins with two.
// Fails with invalid_argument for an unknown name, naming the nearest, and for a missing or needless argument.
Result<std::optional<ChatCommand>> ParseChatCommand(std::string_view message);

// A message as it is sent: `//` at its start stands for one slash.
std::string_view MessageText(std::string_view message);

// The commands, a line each.
std::string ChatHelp();

}  // namespace octet
