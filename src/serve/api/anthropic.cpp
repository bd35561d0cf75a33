#include "serve/api/anthropic.h"

#include <utility>

#include "base/cat.h"
#include "base/json_text.h"
#include "serve/api/chat.h"
#include "serve/api/chat_messages.h"
#include "serve/api/fields.h"

namespace octet::serve {
namespace {

tl::unexpected<ApiError> WrongBlock(const std::string& where, std::string_view why) {
  return tl::unexpected(WrongField(where, Cat("`", where, "` ", why)));
}

// A block's member that is a text.
ApiResult<std::string> TextMember(const Json& block, const char* key, const std::string& where) {
  const Json* value = FindMember(block, key);
  if (value == nullptr || !value->is_string()) return WrongBlock(where, Cat("has no text `", key, "`"));
  return value->get<std::string>();
}

std::string TypeOf(const Json& block) {
  const Json* type = FindMember(block, "type");
  return type != nullptr && type->is_string() ? type->get<std::string>() : std::string();
}

// A text, or the texts of blocks.
ApiResult<Json> TextContent(const Json* content, const std::string& where) {
  if (content != nullptr && content->is_string()) return *content;
  if (content == nullptr || !content->is_array()) return WrongBlock(where, "is neither a text nor a list of blocks");
  Json parts = Json::array();
  for (const Json& block : *content) {
    const std::string place = Cat(where, "[", parts.size(), "]");
    if (TypeOf(block) != "text") return WrongBlock(place, "is no block of type `text`; others aren't supported");
    std::string text = OCTET_API_TRY(TextMember(block, "text", place));
    parts.push_back({{"type", "text"}, {"text", std::move(text)}});
  }
  return parts;
}

ApiResult<Json> ToolCall(const Json& block, const std::string& where) {
  std::string id = OCTET_API_TRY(TextMember(block, "id", where));
  std::string name = OCTET_API_TRY(TextMember(block, "name", where));
  const Json* input = FindMember(block, "input");
  if (input == nullptr || !input->is_object()) return WrongBlock(where, "has no object `input`");
  return Json{{"id", std::move(id)},
              {"type", "function"},
              {"function", {{"name", std::move(name)}, {"arguments", Dump(*input)}}}};
}

// What a tool said, as a message of its own.
ApiResult<Json> ToolMessage(const Json& block, const std::string& where) {
  std::string id = OCTET_API_TRY(TextMember(block, "tool_use_id", where));
  Json content = "";
  if (const Json* given = FindMember(block, "content")) content = OCTET_API_TRY(TextContent(given, where + ".content"));
  return Json{{"role", "tool"}, {"tool_call_id", std::move(id)}, {"content", std::move(content)}};
}

// A message of blocks becomes one, with a message before it for each result of a tool.
ApiResult<void> AddBlocks(const std::string& role, const Json& blocks, const std::string& where, Json& messages) {
  Json parts = Json::array(), calls = Json::array();
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string place = Cat(where, "[", i, "]");
    const std::string type = TypeOf(blocks[i]);
    if (type == "text") {
      std::string text = OCTET_API_TRY(TextMember(blocks[i], "text", place));
      parts.push_back({{"type", "text"}, {"text", std::move(text)}});
    } else if (type == "tool_use" && role == "assistant") {
      calls.push_back(OCTET_API_TRY(ToolCall(blocks[i], place)));
    } else if (type == "tool_result" && role == "user") {
      if (!parts.empty()) return WrongBlock(place, "stands behind a text; results of tools come first");
      messages.push_back(OCTET_API_TRY(ToolMessage(blocks[i], place)));
    } else {
      return WrongBlock(place, Cat("is of the type `", type.substr(0, 40), "`, which isn't supported from the ", role));
    }
  }
  const bool only_results = parts.empty() && calls.empty() && !blocks.empty() && role == "user";
  if (only_results) return {};
  Json message = {{"role", role}, {"content", std::move(parts)}};
  if (!calls.empty()) {
    if (message["content"].empty()) message["content"] = nullptr;
    message["tool_calls"] = std::move(calls);
  }
  messages.push_back(std::move(message));
  return {};
}

ApiResult<Json> Messages(const Json* system, const Json& list) {
  Json messages = Json::array();
  if (system != nullptr) {
    Json content = OCTET_API_TRY(TextContent(system, "system"));
    messages.push_back({{"role", "system"}, {"content", std::move(content)}});
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = Cat("messages[", i, "]");
    const Json* role = FindMember(list[i], "role");
    if (role == nullptr || (*role != "user" && *role != "assistant"))
      return WrongBlock(where + ".role", "is neither user nor assistant");
    const Json* content = FindMember(list[i], "content");
    if (content != nullptr && content->is_array()) {
      OCTET_API_TRY(AddBlocks(role->get<std::string>(), *content, where + ".content", messages));
      continue;
    }
    Json text = OCTET_API_TRY(TextContent(content, where + ".content"));
    messages.push_back({{"role", *role}, {"content", std::move(text)}});
  }
  return messages;
}

// As functions of the chat API.
Json ReadToolList(Fields& fields, const Json& list) {
  Json tools = Json::array();
  for (const Json& entry : list) {
    const std::string where = Cat("tools[", tools.size(), "]");
    const std::string type = TypeOf(entry);
    if (!type.empty() && type != "custom")
      fields.Refuse(where, Cat("is of the type `", type.substr(0, 40), "`; only tools that the client runs are known"));
    const Json* name = FindMember(entry, "name");
    const Json* schema = FindMember(entry, "input_schema");
    if (name == nullptr || schema == nullptr) fields.Refuse(where, "has no `name` and `input_schema`");
    if (fields.failed()) return tools;
    Json function = {{"name", *name}};
    if (const Json* description = FindMember(entry, "description")) function["description"] = *description;
    function["parameters"] = *schema;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

void ReadToolChoice(Fields& fields, const Json& choice, Json& chat) {
  const std::string type = TypeOf(choice);
  if (type == "auto" || type == "none") {
    chat["tool_choice"] = type;
  } else if (type == "any") {
    chat["tool_choice"] = "required";
  } else if (type == "tool" && FindMember(choice, "name") != nullptr) {
    chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", choice["name"]}}}};
  } else {
    return fields.Refuse("tool_choice", "is none of auto, any, none, and a tool with its `name`");
  }
  Fields inner(choice, "tool_choice.");
  inner.Ignore({"type", "name"});
  if (inner.Bool("disable_parallel_tool_use").value_or(false)) chat["parallel_tool_calls"] = false;
  if (inner.failed()) fields.Refuse(inner.error());
}

void ReadToolFields(Fields& fields, Json& chat) {
  if (const Json* list = fields.List("tools")) chat["tools"] = ReadToolList(fields, *list);
  if (const Json* choice = fields.Any("tool_choice")) ReadToolChoice(fields, *choice, chat);
}

// The request as the chat API has it. An answer that the client began is gone on with.
ApiResult<Json> AsChat(Fields& fields, const Json& body) {
  Json chat = Json::object();
  for (const char* same : {"model", "max_tokens", "temperature", "top_p", "top_k", "stream"}) {
    if (const Json* value = fields.Any(same)) chat[same] = *value;
  }
  if (const Json* stops = fields.List("stop_sequences")) chat["stop"] = *stops;
  fields.Ignore({"metadata", "service_tier", "cache_control", "container"});
  fields.RefuseUnlessOff({"mcp_servers"}, "isn't supported: only tools that the client runs are known");
  ReadToolFields(fields, chat);
  const Json* thinking = fields.Object("thinking");
  const Json* kind = thinking == nullptr ? nullptr : FindMember(*thinking, "type");
  if (kind != nullptr && *kind != "disabled") fields.Refuse("thinking", "isn't supported; leave it out");
  const Json* list = fields.List("messages");
  if (list == nullptr || list->empty()) fields.Refuse("messages", "is missing or empty");
  if (fields.failed()) return tl::unexpected(fields.error());
  chat["messages"] = OCTET_API_TRY(Messages(fields.Any("system"), *list));
  if (*FindMember(body["messages"].back(), "role") == "assistant") chat["continue_final_message"] = true;
  return chat;
}

}  // namespace

ApiResult<Generation> ReadAnthropicMessage(const Json& body, const ServedModel& model, std::string_view id) {
  Fields fields(body);
  const Json chat = OCTET_API_TRY(AsChat(fields, body));
  if (!chat.contains("max_tokens"))
    return tl::unexpected(WrongField("max_tokens", "`max_tokens` is missing, the most tokens of the answer"));
  Generation generation = OCTET_API_TRY(ReadChat(chat, model, id));
  generation.unknown_fields = fields.unknown();
  std::string name = OCTET_API_TRY(RequestedName(body, model));
  generation.shape = MakeAnthropicReply({.id = Cat("msg_", id),
                                         .model = std::move(name),
                                         .stops = generation.options.stop,
                                         .prompt_tokens = generation.prompts[0].size(),
                                         .calls = generation.calls});
  return generation;
}

ApiResult<Json> CountAnthropicTokens(const Json& body, const ServedModel& model) {
  Fields fields(body);
  const Json chat = OCTET_API_TRY(AsChat(fields, body));
  OCTET_API_TRY(RequestedName(body, model));
  Fields of_chat(chat);
  const ChatWish wish = ReadChatWish(of_chat);
  if (of_chat.failed()) return tl::unexpected(of_chat.error());
  const std::vector<int32_t> ids = OCTET_API_TRY(EncodeChat(wish, model));
  return Json{{"input_tokens", ids.size()}};
}

}  // namespace octet::serve
