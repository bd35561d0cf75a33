#include "engine/chat/conversation.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/mapped_file.h"

namespace octet {
namespace {

constexpr size_t kMostFileBytes = size_t{64} << 20;

// One past the last question, from the end.
std::vector<ChatMessage>::iterator BehindLastQuestion(std::vector<ChatMessage>& turns) {
  return std::find_if(turns.rbegin(), turns.rend(), [](const ChatMessage& turn) { return turn.role == "user"; }).base();
}

}  // namespace

bool Conversation::ReopenQuestion() {
  const auto behind = BehindLastQuestion(turns_);
  if (behind == turns_.begin()) return false;
  turns_.erase(behind, turns_.end());
  return true;
}

bool Conversation::Undo() {
  if (!ReopenQuestion()) return false;
  turns_.pop_back();
  return true;
}

size_t Conversation::questions() const {
  return static_cast<size_t>(
      std::count_if(turns_.begin(), turns_.end(), [](const ChatMessage& turn) { return turn.role == "user"; }));
}

std::string_view Conversation::last_answer() const {
  if (turns_.empty() || turns_.back().role != "assistant") return {};
  return turns_.back().content;
}

std::vector<ChatMessage> Conversation::messages() const {
  std::vector<ChatMessage> all;
  if (!system_.empty()) all.push_back({"system", system_});
  all.insert(all.end(), turns_.begin(), turns_.end());
  return all;
}

Status Conversation::Save(const std::filesystem::path& path) const {
  Json list = Json::array();
  for (const ChatMessage& message : messages()) list.push_back({{"role", message.role}, {"content", message.content}});
  const Json file = {{"messages", std::move(list)}};
  return WriteFileAtomically(path, Dump(file, 1) + "\n");
}

Result<Conversation> Conversation::Load(const std::filesystem::path& path) {
  const std::string where = path.string();
  const std::string text = OCTET_TRY(ReadTextFile(path, kMostFileBytes));
  const Json file = OCTET_TRY(ParseJson(text, where));
  const Json* list = file.is_array() ? &file : FindMember(file, "messages");
  if (list == nullptr || !list->is_array()) return Fail(ErrorCode::kCorrupt, where, ": a list of messages is expected");
  Conversation conversation;
  for (const Json& message : *list) {
    const std::string role = OCTET_TRY(GetString(message, "role", where));
    std::string content = OCTET_TRY(GetString(message, "content", where));
    if (role == "system" && conversation.empty()) {
      conversation.SetSystem(std::move(content));
    } else if (role == "user") {
      conversation.Ask(std::move(content));
    } else if (role == "assistant") {
      conversation.Answer(std::move(content));
    } else {
      return Fail(ErrorCode::kCorrupt, where, ": a chat has a system message first, then user and assistant; found `",
                  role, "`");
    }
  }
  return conversation;
}

}  // namespace octet
