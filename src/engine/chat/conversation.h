// What was said in a chat: a system message and turns, with ways to take turns back, save and load them.
//
//   Conversation conversation;
//   conversation.Ask("What is the capital of France?");
//   conversation.Answer(result.text);
//   OCTET_TRY(conversation.Save("talk.json"));
//
// What a user types, commands included: engine/chat/chat_input.h.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "octet/session.h"

namespace octet {

class Conversation {
 public:
  // Goes before all turns; empty for none.
  void SetSystem(std::string text) { system_ = std::move(text); }
  const std::string& system() const { return system_; }

  // A question directly after another replaces nothing: both stand.
  void Ask(std::string question) { turns_.push_back({"user", std::move(question)}); }
  void Answer(std::string text) { turns_.push_back({"assistant", std::move(text)}); }

  // Takes back the last question and all that followed it. False where there is none.
  bool Undo();
  // Takes back what followed the last question, so that it can be answered anew. False where there is no question.
  bool ReopenQuestion();

  bool empty() const { return turns_.empty(); }
  // Questions asked.
  size_t questions() const;
  std::string_view last_answer() const;
  // The system message, where there is one, and the turns.
  std::vector<ChatMessage> messages() const;

  // A JSON object with `messages`, as `octet tokenize --chat` reads it too.
  Status Save(const std::filesystem::path& path) const;
  // Also takes a list of messages alone. Fails with corrupt for other roles and contents that are no text.
  static Result<Conversation> Load(const std::filesystem::path& path);

 private:
  std::string system_;
  std::vector<ChatMessage> turns_;
};

}  // namespace octet
