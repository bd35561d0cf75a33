#include "serve/api/chat_messages.h"

#include <algorithm>
#include <array>

#include "base/cat.h"

namespace octet::serve {
namespace {

constexpr size_t kMostMessages = 4096, kMostParts = 256;
constexpr std::array<std::string_view, 6> kRoles = {"system", "developer", "user", "assistant", "tool", "function"};
constexpr std::string_view kSpace = " \t\r\n";

tl::unexpected<ApiError> Wrong(const std::string& where, std::string_view why) {
  return tl::unexpected(WrongField(where, Cat("`", where, "` ", why)));
}

ApiResult<Json> ReadPart(const Json& part, const std::string& where) {
  if (part.is_string()) return Json{{"type", "text"}, {"text", part}};
  const Json* type = FindMember(part, "type");
  if (type == nullptr || !type->is_string()) return Wrong(where, "is no part with a `type`");
  const std::string& name = type->get_ref<const std::string&>();
  // The later names are those of the Responses API.
  if (name != "text" && name != "input_text" && name != "output_text" && name != "refusal")
    return Wrong(where, Cat("has the type `", name.substr(0, 40), "`; the model takes parts of type `text` alone"));
  const Json* text = FindMember(part, name == "refusal" ? "refusal" : "text");
  if (text == nullptr || !text->is_string()) return Wrong(where, "has no `text`");
  return Json{{"type", "text"}, {"text", *text}};
}

ApiResult<Json> ReadContent(const Json* content, bool may_be_absent, const std::string& where) {
  if (content == nullptr) {
    if (may_be_absent) return Json("");
    return Wrong(where, "is missing");
  }
  if (content->is_string()) return *content;
  if (!content->is_array()) return Wrong(where, "is neither a text nor a list of parts");
  if (content->size() > kMostParts)
    return Wrong(where, Cat("has ", content->size(), " parts, at most ", kMostParts, " are taken"));
  Json parts = Json::array();
  for (const Json& part : *content) parts.push_back(OCTET_API_TRY(ReadPart(part, Cat(where, "[", parts.size(), "]"))));
  return parts;
}

// Clients send a call's arguments as a text of JSON; templates want what the text says.
ApiResult<Json> ReadToolCalls(const Json& calls, const std::string& where) {
  if (!calls.is_array()) return Wrong(where, "is no list");
  Json out = Json::array();
  for (Json call : calls) {
    const Json* function = FindMember(call, "function");
    const Json* name = function == nullptr ? nullptr : FindMember(*function, "name");
    if (name == nullptr || !name->is_string())
      return Wrong(Cat(where, "[", out.size(), "]"), "is no call with a `function` that has a `name`");
    const Json* arguments = FindMember(*function, "arguments");
    if (arguments != nullptr && arguments->is_string()) {
      Result<Json> parsed = ParseJson(arguments->get_ref<const std::string&>(), "arguments");
      if (parsed && parsed->is_object()) call["function"]["arguments"] = std::move(*parsed);
    }
    out.push_back(std::move(call));
  }
  return out;
}

ApiResult<Json> ReadMessage(const Json& message, const std::string& where) {
  if (!message.is_object()) return Wrong(where, "is no object");
  const Json* role = FindMember(message, "role");
  if (role == nullptr || !role->is_string() ||
      std::find(kRoles.begin(), kRoles.end(), role->get_ref<const std::string&>()) == kRoles.end())
    return Wrong(where + ".role", "is none of system, developer, user, assistant and tool");
  const std::string& name = role->get_ref<const std::string&>();
  Json out = {{"role", name == "developer" ? "system" : name}};
  const Json* calls = FindMember(message, "tool_calls");
  out["content"] = OCTET_API_TRY(
      ReadContent(FindMember(message, "content"), name == "assistant" && calls != nullptr, where + ".content"));
  if (calls != nullptr) out["tool_calls"] = OCTET_API_TRY(ReadToolCalls(*calls, where + ".tool_calls"));
  for (const char* key : {"name", "tool_call_id", "reasoning_content", "reasoning"}) {
    const Json* value = FindMember(message, key);
    if (value == nullptr) continue;
    if (!value->is_string()) return Wrong(Cat(where, ".", key), "is no text");
    out[key] = *value;
  }
  return out;
}

std::string TextOf(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  for (const Json& part : content) text += part["text"].get_ref<const std::string&>();
  return text;
}

// Cuts what the template wrote behind the last message's text.
ApiResult<void> CutBehind(const std::string& message, std::vector<TextPiece>& pieces) {
  const size_t begin = message.find_first_not_of(kSpace);
  const std::string trimmed =
      begin == std::string::npos ? std::string() : message.substr(begin, message.find_last_not_of(kSpace) + 1 - begin);
  const std::string whole = JoinPieces(pieces);
  const size_t place = whole.rfind(trimmed);
  if (trimmed.empty() || place == std::string::npos)
    return Wrong("continue_final_message",
                 "can't be honoured: the template doesn't show the last message as it stands");
  // White space that ends the message counts, where the template kept it.
  size_t end = place + trimmed.size();
  const std::string tail = message.substr(begin + trimmed.size());
  if (whole.compare(end, tail.size(), tail) == 0) end += tail.size();
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].text.size() >= end) {
      pieces[i].text.resize(end);
      pieces.resize(i + 1);
      break;
    }
    end -= pieces[i].text.size();
  }
  return {};
}

// Tools that the model would never see, or whose calls nobody would find, can't be honoured.
ApiResult<void> CheckTools(const ServedModel& model) {
  if (!model.chat_template->abilities().tools)
    return Wrong("tools", "can't be honoured: the model's chat template shows no tools");
  if (model.tool_format == ToolFormat::kNone)
    return Wrong(
        "tools",
        "can't be honoured: how this model writes calls is not known; `octet serve --tool-format` can name it");
  return {};
}

}  // namespace

ApiResult<Json> ReadMessages(const Json& list, std::string_view where) {
  if (!list.is_array() || list.empty()) return Wrong(std::string(where), "is no list of one message or more");
  if (list.size() > kMostMessages)
    return Wrong(std::string(where), Cat("has ", list.size(), " messages, at most ", kMostMessages, " are taken"));
  Json messages = Json::array();
  for (const Json& message : list)
    messages.push_back(OCTET_API_TRY(ReadMessage(message, Cat(where, "[", messages.size(), "]"))));
  return messages;
}

ChatWish ReadChatWish(Fields& fields) {
  ChatWish wish;
  wish.tools = ReadTools(fields);
  const Json* list = fields.List("messages");
  if (list == nullptr) {
    fields.Refuse("messages", "is missing");
  } else if (ApiResult<Json> messages = ReadMessages(*list, "messages")) {
    wish.messages = std::move(*messages);
  } else {
    fields.Refuse(messages.error());
  }
  const std::optional<bool> generation_prompt = fields.Bool("add_generation_prompt");
  wish.continue_final_message = fields.Bool("continue_final_message").value_or(false);
  if (wish.continue_final_message && generation_prompt.value_or(false))
    fields.Refuse("continue_final_message", "and `add_generation_prompt` exclude each other");
  wish.add_generation_prompt = generation_prompt.value_or(!wish.continue_final_message);
  wish.add_special_tokens = fields.Bool("add_special_tokens").value_or(false);
  if (const Json* more = fields.Object("chat_template_kwargs")) wish.more = *more;
  if (const Json* documents = fields.List("documents")) wish.more["documents"] = *documents;
  for (const char* own : {"messages", "add_generation_prompt", "bos_token", "eos_token", "tools"}) {
    if (wish.more.contains(own)) fields.Refuse("chat_template_kwargs", Cat("can't set `", own, "`"));
  }
  fields.RefuseUnlessOff({"chat_template"}, "isn't taken from requests; the model's own template is used");
  return wish;
}

ApiResult<std::vector<TextPiece>> RenderChat(const ChatWish& wish, const ServedModel& model) {
  const Tokenizer* tokenizer = OCTET_API_TRY(RequireText(model));
  if (model.chat_template == nullptr)
    return tl::unexpected(WrongField(
        "messages", "the model has no chat template; it can go on from a plain `prompt` at /v1/completions"));
  Json inputs = wish.more;
  inputs["messages"] = wish.messages;
  inputs["add_generation_prompt"] = wish.add_generation_prompt;
  if (wish.tools.offered()) {
    OCTET_API_TRY(CheckTools(model));
    inputs["tools"] = wish.tools.list;
  }
  if (tokenizer->bos()) inputs["bos_token"] = tokenizer->TokenText(*tokenizer->bos());
  if (tokenizer->eos()) inputs["eos_token"] = tokenizer->TokenText(*tokenizer->eos());
  Result<std::vector<TextPiece>> pieces = model.chat_template->Render(inputs);
  if (!pieces) {
    ApiError error = FromError(pieces.error());
    error.param = "messages";
    return tl::unexpected(std::move(error));
  }
  if (wish.continue_final_message) OCTET_API_TRY(CutBehind(TextOf(wish.messages.back()["content"]), *pieces));
  if (wish.tools.forced() && model.tool_format != ToolFormat::kLlama3)
    pieces->push_back({.text = std::string(CallMark(model.tool_format)), .trusted = true});
  return std::move(*pieces);
}

ApiResult<std::vector<int32_t>> EncodeChat(const ChatWish& wish, const ServedModel& model) {
  const std::vector<TextPiece> pieces = OCTET_API_TRY(RenderChat(wish, model));
  return model.tokenizer->EncodeMarked(pieces, wish.add_special_tokens, model.chat_template->source());
}

ApiResult<std::vector<int32_t>> ChatIds(const ChatWish& wish, const ServedModel& model) {
  std::vector<int32_t> ids = OCTET_API_TRY(EncodeChat(wish, model));
  OCTET_API_TRY(CheckLength(model, ids.size()));
  if (ids.empty()) return Wrong("messages", "give an empty prompt");
  return ids;
}

}  // namespace octet::serve
