#include "serve/load/answer_reader.h"

#include <algorithm>

#include "base/cat.h"

namespace octet::serve {
namespace {

constexpr size_t kMostRefusalBytes = 64 << 10, kShownBytes = 200;

std::string_view TextMember(const Json& object, std::string_view key) {
  const Json* member = FindMember(object, key);
  return member != nullptr && member->is_string() ? std::string_view(member->get_ref<const std::string&>())
                                                  : std::string_view();
}

// Whether a chat's delta brings something of the answer: text, reasoning, or a piece of a tool's call.
bool SaysSomething(const Json& delta) {
  for (const char* key : {"content", "reasoning_content", "reasoning", "refusal"}) {
    if (!TextMember(delta, key).empty()) return true;
  }
  const Json* calls = FindMember(delta, "tool_calls");
  return calls != nullptr && calls->is_array() && !calls->empty();
}

size_t CountOf(const Json& usage, std::string_view key, size_t otherwise) {
  const Json* count = FindMember(usage, key);
  return count != nullptr && count->is_number_unsigned() ? count->get<size_t>() : otherwise;
}

// {"error": {"message": ...}}, {"error": "..."} or {"message": ...}; else the text's beginning.
std::string MessageIn(std::string_view body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const Json* error = json.is_object() ? FindMember(json, "error") : nullptr;
  if (error != nullptr && error->is_string()) return error->get<std::string>();
  const Json* holder = error != nullptr && error->is_object() ? error : json.is_object() ? &json : nullptr;
  const std::string_view message = holder == nullptr ? std::string_view() : TextMember(*holder, "message");
  return std::string(message.empty() ? body.substr(0, kShownBytes) : message.substr(0, kShownBytes));
}

}  // namespace

void AnswerReader::Bytes(std::string_view bytes, double now) {
  if (status_ != 200) {
    body_.append(bytes.substr(0, kMostRefusalBytes - std::min(body_.size(), kMostRefusalBytes)));
    return;
  }
  const Status fed = events_.Feed(bytes, [&](std::string_view data) { Event(data, now); });
  if (!fed && record_.failure.empty()) record_.failure = fed.error().message;
}

void AnswerReader::Event(std::string_view data, double now) {
  if (data == "[DONE]") {
    finished_ = true;
    return;
  }
  const Json json = Json::parse(data, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    if (record_.failure.empty()) record_.failure = Cat("an event is no JSON object: ", data.substr(0, kShownBytes));
    return;
  }
  const Json* error = FindMember(json, "error");
  if (error != nullptr && record_.failure.empty()) record_.failure = Cat("in the stream: ", MessageIn(data));
  const Json* usage = FindMember(json, "usage");
  if (usage != nullptr && usage->is_object()) {
    has_usage_ = true;
    record_.prompt_tokens = CountOf(*usage, "prompt_tokens", record_.prompt_tokens);
    record_.answer_tokens = CountOf(*usage, "completion_tokens", record_.answer_tokens);
  }
  const Json* choices = FindMember(json, "choices");
  if (choices == nullptr || !choices->is_array()) return;
  for (const Json& choice : *choices) Choice(choice, now);
}

void AnswerReader::Choice(const Json& choice, double now) {
  if (!choice.is_object()) return;
  const Json* delta = FindMember(choice, "delta");
  const bool says =
      delta != nullptr && delta->is_object() ? SaysSomething(*delta) : !TextMember(choice, "text").empty();
  if (says) {
    record_.pieces.push_back(now);
    if (!has_usage_) ++record_.answer_tokens;  // what the server counts goes before
  }
  if (!TextMember(choice, "finish_reason").empty()) finished_ = true;
}

std::string AnswerReader::Refusal() const {
  const std::string message = MessageIn(body_);
  return Cat("HTTP ", status_, message.empty() ? "" : ": ", message);
}

void AnswerReader::End(std::string failure, double now) {
  record_.ended = now;
  if (!record_.failure.empty()) return;
  if (status_ != 0 && status_ != 200) {
    record_.failure = Refusal();
  } else if (!failure.empty()) {
    record_.failure = std::move(failure);
  } else if (!finished_) {
    record_.failure = "the stream broke off before the answer's end";
  } else if (record_.pieces.empty()) {
    record_.failure = "the answer is empty";
  }
}

}  // namespace octet::serve
