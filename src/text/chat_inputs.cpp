#include "text/chat_inputs.h"

#include <algorithm>

#include "base/json_text.h"
#include "text/jinja/characters.h"

namespace octet {
namespace {

using jinja::Budget;
using jinja::Value;

// Roles that may be a part of a special token, as in '<|' + message.role + '|>'. Others count as data.
constexpr std::string_view kRoles[] = {"system",    "user",    "assistant",  "tool",         "developer",
                                       "function",  "ipython", "model",      "tool_results", "observation",
                                       "documents", "control", "environment"};

Result<Value> ToValue(Budget& budget, const Json& json, bool trusted, int depth);

Result<Value> TextValue(Budget& budget, const std::string& text, bool trusted) {
  if (!jinja::IsUtf8(text)) return Fail(ErrorCode::kInvalidArgument, "a text of the conversation is not UTF-8");
  return jinja::MakeText(budget, text, trusted);
}

Result<Value> DictValue(Budget& budget, const Json& json, int depth) {
  auto dict = std::make_shared<jinja::Dict>();
  for (const auto& [key, member] : json.items()) {
    const bool known_role =
        key == "role" && member.is_string() &&
        std::find(std::begin(kRoles), std::end(kRoles), member.get_ref<const std::string&>()) != std::end(kRoles);
    Value name = OCTET_TRY(TextValue(budget, key, false));
    dict->Insert(std::move(name), OCTET_TRY(ToValue(budget, member, known_role, depth + 1)));
  }
  return FinishDict(budget, std::move(dict));
}

Result<Value> ToValue(Budget& budget, const Json& json, bool trusted, int depth) {
  if (depth > jinja::kMaximumValueDepth) {
    return Fail(ErrorCode::kInvalidArgument, "the conversation is nested deeper than ", jinja::kMaximumValueDepth,
                " levels");
  }
  OCTET_TRY(budget.Spend(1));
  switch (json.type()) {
    case Json::value_t::null:
      return Value::None(trusted);
    case Json::value_t::boolean:
      return Value::FromBool(json.get<bool>(), trusted);
    case Json::value_t::number_integer:
      return Value::FromInteger(json.get<int64_t>(), trusted);
    case Json::value_t::number_unsigned:
      return Value::FromInteger(static_cast<jinja::Integer>(json.get<uint64_t>()), trusted);
    case Json::value_t::number_float:
      return Value::FromFloat(json.get<double>(), trusted);
    case Json::value_t::string:
      return TextValue(budget, json.get_ref<const std::string&>(), trusted);
    case Json::value_t::object:
      return DictValue(budget, json, depth);
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(OCTET_TRY(ToValue(budget, item, false, depth + 1)));
      return MakeSequence(budget, jinja::SequenceKind::kList, std::move(items));
    }
    default:
      return Fail(ErrorCode::kInvalidArgument, "the conversation holds binary data");
  }
}

// transformers puts a message's reasoning under every name that a template may read.
Json WithReasoning(const Json& message) {
  if (!message.is_object()) return message;
  const Json* reasoning = nullptr;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    if (reasoning == nullptr) reasoning = FindMember(message, name);
  }
  if (reasoning == nullptr) return message;
  Json aliased = Json::object();
  aliased["thinking"] = *reasoning;
  for (const auto& [key, value] : message.items()) aliased[key] = value;
  aliased["reasoning_content"] = *reasoning;
  return aliased;
}

bool IsTyped(const Json& content) {
  return content.is_array() && !content.empty() && std::all_of(content.begin(), content.end(), [](const Json& part) {
           return part.is_object() && part.contains("type");
         });
}

Result<Json> JoinParts(const Json& parts) {
  std::string text;
  bool first = true;
  for (const Json& part : parts) {
    const Json* inner = FindMember(part, "text");
    if (inner == nullptr || !inner->is_string()) {
      return Fail(ErrorCode::kInvalidArgument, "a message has a part of the type ", Dump(part["type"]),
                  ", but the model's chat template takes text alone");
    }
    if (!first) text += "\n";
    first = false;
    text += inner->get_ref<const std::string&>();
  }
  return Json(text);
}

}  // namespace

Result<Json> FitContent(const Json& inputs, const TemplateAbilities& abilities) {
  if (!inputs.is_object())
    return Fail(ErrorCode::kInvalidArgument, "the template's inputs are ", inputs.type_name(),
                ", an object is expected");
  Json fitted = inputs;
  const auto messages = fitted.find("messages");
  if (messages == fitted.end() || !messages->is_array()) return fitted;
  for (Json& message : *messages) {
    if (!message.is_object())
      return Fail(ErrorCode::kInvalidArgument, "a message is ", message.type_name(), ", an object is expected");
    const auto content = message.find("content");
    if (content == message.end()) continue;
    if (IsTyped(*content) && !abilities.typed_content && abilities.text_content) {
      *content = OCTET_TRY(JoinParts(*content));
    } else if (content->is_string() && !abilities.text_content && abilities.typed_content) {
      *content = Json::array({{{"type", "text"}, {"text", *content}}});
    }
  }
  return fitted;
}

Result<jinja::Inputs> ChatVariables(Budget& budget, const Json& inputs) {
  jinja::Inputs variables;
  const Json none;
  const auto add = [&](const std::string& name, const Json& json) -> Status {
    const bool token = json.is_string() && name.ends_with("_token");
    variables.emplace_back(name, OCTET_TRY(ToValue(budget, json, token, 0)));
    return {};
  };
  Json messages = Json::array();
  if (const Json* given = FindMember(inputs, "messages")) {
    for (const Json& message : *given) messages.push_back(WithReasoning(message));
  }
  OCTET_TRY(add("messages", messages));
  for (const char* name : {"tools", "documents"}) {
    const Json* given = FindMember(inputs, name);
    OCTET_TRY(add(name, given == nullptr ? none : *given));
  }
  const Json* prompt = FindMember(inputs, "add_generation_prompt");
  OCTET_TRY(add("add_generation_prompt", prompt == nullptr ? Json(false) : *prompt));
  for (const auto& [name, value] : inputs.items()) {
    if (name == "messages" || name == "tools" || name == "documents" || name == "add_generation_prompt") continue;
    OCTET_TRY(add(name, value));
  }
  return variables;
}

}  // namespace octet
