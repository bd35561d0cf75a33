#include "serve/api/anthropic.h"

#include <utility>

#include "base/cat.h"
#include "base/json_text.h"
#include "serve/api/chat.h"
#include "serve/api/fields.h"

namespace octet::serve {
namespace {

Json AnthropicErrorJson(const ApiError& error) {
  std::string_view type = error.type;
  if (error.status == 404) type = "not_found_error";
  if (error.status == 413) type = "request_too_large";
  if (error.status == 503) type = "overloaded_error";
  if (error.status == 500) type = "api_error";
  return {{"type", "error"}, {"error", {{"type", type}, {"message", error.message}}}};
}

class AnthropicShape : public ReplyShape {
 public:
  AnthropicShape(std::string id, std::string model, std::vector<std::string> stops, size_t prompt_tokens)
      : id_(std::move(id)), model_(std::move(model)), stops_(std::move(stops)), prompt_tokens_(prompt_tokens) {}

  Json Whole(std::span<const ChoiceState> answers) override {
    const ChoiceState& answer = answers[0];
    Json json = Message();
    json["content"].push_back({{"type", "text"}, {"text", answer.text}});
    json.update(Stop(answer));
    json["usage"] = Usage(answer);
    return json;
  }

  std::string Delta(const ChoiceDelta& delta) override {
    std::string frames;
    if (delta.first) {
      Json message = Message();
      message["usage"] = {{"input_tokens", prompt_tokens_}, {"output_tokens", delta.tokens.size()}};
      frames += NamedFrame("message_start", {{"type", "message_start"}, {"message", std::move(message)}});
      frames += NamedFrame(
          "content_block_start",
          {{"type", "content_block_start"}, {"index", 0}, {"content_block", {{"type", "text"}, {"text", ""}}}});
    }
    if (!delta.text.empty())
      frames += NamedFrame(
          "content_block_delta",
          {{"type", "content_block_delta"}, {"index", 0}, {"delta", {{"type", "text_delta"}, {"text", delta.text}}}});
    return frames;
  }

  std::string End(std::span<const ChoiceState> answers) override {
    return Cat(NamedFrame("content_block_stop", {{"type", "content_block_stop"}, {"index", 0}}),
               NamedFrame("message_delta",
                          {{"type", "message_delta"}, {"delta", Stop(answers[0])}, {"usage", Usage(answers[0])}}),
               NamedFrame("message_stop", {{"type", "message_stop"}}));
  }

  std::string Failure(const ApiError& error) override { return NamedFrame("error", AnthropicErrorJson(error)); }
  HttpReply Refusal(const ApiError& error) override { return AnthropicError(error); }

 private:
  Json Message() const {
    return {{"id", id_},
            {"type", "message"},
            {"role", "assistant"},
            {"model", model_},
            {"content", Json::array()},
            {"stop_reason", nullptr},
            {"stop_sequence", nullptr}};
  }

  Json Stop(const ChoiceState& answer) const {
    if (answer.finish == FinishReason::kLength) return {{"stop_reason", "max_tokens"}, {"stop_sequence", nullptr}};
    if (!answer.stop_string) return {{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}};
    return {{"stop_reason", "stop_sequence"}, {"stop_sequence", stops_[*answer.stop_string]}};
  }

  // Here a cached token doesn't count as input a second time.
  Json Usage(const ChoiceState& answer) const {
    const size_t cached = answer.usage.timings.cached_tokens;
    return {{"input_tokens", prompt_tokens_ - cached},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", cached},
            {"output_tokens", answer.tokens.size()}};
  }

  std::string id_, model_;
  std::vector<std::string> stops_;
  size_t prompt_tokens_;
};

// A text, or the texts of blocks.
ApiResult<Json> Content(const Json* content, const std::string& where) {
  if (content != nullptr && content->is_string()) return *content;
  if (content == nullptr || !content->is_array())
    return tl::unexpected(WrongField(where, Cat("`", where, "` is neither a text nor a list of blocks")));
  Json parts = Json::array();
  for (const Json& block : *content) {
    const Json* type = FindMember(block, "type");
    const Json* text = FindMember(block, "text");
    const std::string place = Cat(where, "[", parts.size(), "]");
    if (type == nullptr || *type != "text" || text == nullptr || !text->is_string())
      return tl::unexpected(
          WrongField(place, Cat("`", place, "` is no block of type `text`; others aren't supported")));
    parts.push_back({{"type", "text"}, {"text", *text}});
  }
  return parts;
}

ApiResult<Json> Messages(const Json* system, const Json& list) {
  Json messages = Json::array();
  if (system != nullptr) {
    Json content = OCTET_API_TRY(Content(system, "system"));
    messages.push_back({{"role", "system"}, {"content", std::move(content)}});
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = Cat("messages[", i, "]");
    const Json* role = FindMember(list[i], "role");
    if (role == nullptr || (*role != "user" && *role != "assistant"))
      return tl::unexpected(WrongField(where + ".role", Cat("`", where, ".role` is neither user nor assistant")));
    Json content = OCTET_API_TRY(Content(FindMember(list[i], "content"), where + ".content"));
    messages.push_back({{"role", *role}, {"content", std::move(content)}});
  }
  return messages;
}

// The request as the chat API has it. An answer that the client began is gone on with.
ApiResult<Json> AsChat(Fields& fields, const Json& body) {
  Json chat = Json::object();
  for (const char* same : {"model", "max_tokens", "temperature", "top_p", "top_k", "stream"}) {
    if (const Json* value = fields.Any(same)) chat[same] = *value;
  }
  if (const Json* stops = fields.List("stop_sequences")) chat["stop"] = *stops;
  fields.Ignore({"metadata", "service_tier", "cache_control", "container"});
  fields.RefuseUnlessOff({"tools", "mcp_servers"}, "isn't supported: answers are text");
  const Json* choice = fields.Any("tool_choice");
  if (choice != nullptr) fields.Refuse("tool_choice", "is given without `tools`");
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

HttpReply AnthropicError(const ApiError& error) {
  HttpReply reply = ErrorReply(error);
  reply.body = Dump(AnthropicErrorJson(error)) + "\n";
  return reply;
}

ApiResult<Generation> ReadAnthropicMessage(const Json& body, const ServedModel& model, std::string_view id) {
  Fields fields(body);
  const Json chat = OCTET_API_TRY(AsChat(fields, body));
  if (!chat.contains("max_tokens"))
    return tl::unexpected(WrongField("max_tokens", "`max_tokens` is missing, the most tokens of the answer"));
  Generation generation = OCTET_API_TRY(ReadChat(chat, model, id));
  generation.unknown_fields = fields.unknown();
  std::string name = OCTET_API_TRY(RequestedName(body, model));
  generation.shape = std::make_unique<AnthropicShape>(Cat("msg_", id), std::move(name), generation.options.stop,
                                                      generation.prompts[0].size());
  return generation;
}

ApiResult<Json> CountAnthropicTokens(const Json& body, const ServedModel& model) {
  Fields fields(body);
  const Json chat = OCTET_API_TRY(AsChat(fields, body));
  const Generation generation = OCTET_API_TRY(ReadChat(chat, model, ""));
  return Json{{"input_tokens", generation.prompts[0].size()}};
}

}  // namespace octet::serve
