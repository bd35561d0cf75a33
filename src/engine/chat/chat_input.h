// What a user types in a chat: lines that make messages, and commands.
//
//   MessageReader reader;
//   if (std::optional<TypedMessage> message = reader.Push(line)) {
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

struct TypedMessage {
  std::string text;
  bool is_block = false;  // between """: never a command, and sent as it stands
};

class MessageReader {
 public:
  // The message that the line ends, or nothing while more lines belong to it.
  std::optional<TypedMessage> Push(std::string_view line);
  // Whether the next line goes on with a message.
  bool waiting() const { return in_block_ || continued_; }
  // Forgets what has come of an unfinished message.
  void Clear();

 private:
  TypedMessage Take();

  std::string text_;
  bool in_block_ = false;   // behind an opening """
  bool continued_ = false;  // behind a backslash
};

// Whether there is nothing to send: no text, or white space alone outside of a block.
bool IsBlank(const TypedMessage& message);

enum class ChatAction { kSystem, kRetry, kUndo, kSave, kLoad, kStats, kHelp };

struct ChatCommand {
  ChatAction action = ChatAction::kHelp;
  std::string argument;  // what stands behind the name
};

// Nothing for a message that is no command: one that doesn't begin with a slash, or begins with two, or is a block.
// Fails with invalid_argument for an unknown name, naming the nearest, and for a missing or needless argument.
Result<std::optional<ChatCommand>> ParseChatCommand(const TypedMessage& message);

// A message as it is sent: `//` at its start stands for one slash, but for a block. A view of it.
std::string_view MessageText(const TypedMessage& message);

// The commands, a line each.
std::string ChatHelp();

}  // namespace octet
