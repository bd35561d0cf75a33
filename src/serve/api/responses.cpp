#include "serve/api/responses.h"

#include <ctime>
#include <utility>

#include "base/cat.h"
#include "serve/api/chat.h"
#include "serve/api/constraint_fields.h"
#include "serve/api/fields.h"

namespace octet::serve {
namespace {

class ResponseShape : public ReplyShape {
 public:
  // `response` has what doesn't change while the answer is made.
  ResponseShape(Json response, std::string item_id) : response_(std::move(response)), item_id_(std::move(item_id)) {}

  Json Whole(std::span<const ChoiceState> answers) override {
    const ChoiceState& answer = answers[0];
    Json json = response_;
    const bool cut = answer.finish == FinishReason::kLength;
    json["status"] = cut ? "incomplete" : "completed";
    json["incomplete_details"] = cut ? Json{{"reason", "max_output_tokens"}} : Json(nullptr);
    json["output"] = Json::array({Item(answer)});
    const size_t generated = answer.tokens.size();
    json["usage"] = {{"input_tokens", answer.prompt_tokens},
                     {"input_tokens_details", {{"cached_tokens", answer.usage.timings.cached_tokens}}},
                     {"output_tokens", generated},
                     {"output_tokens_details", {{"reasoning_tokens", 0}}},
                     {"total_tokens", answer.prompt_tokens + generated}};
    return json;
  }

  std::string Begin() override {
    std::string frames = Event("response.created", {{"response", response_}});
    return frames += Event("response.in_progress", {{"response", response_}});  // each counts one up, in this order
  }

  std::string Delta(const ChoiceDelta& delta) override {
    std::string frames;
    if (delta.first) {
      Json item = Item({});
      item["status"] = "in_progress";
      item["content"] = Json::array();
      frames += Event("response.output_item.added", {{"output_index", 0}, {"item", std::move(item)}});
      frames += Event("response.content_part.added", Place({{"part", Part("")}}));
    }
    if (!delta.text.empty())
      frames += Event("response.output_text.delta", Place({{"delta", delta.text}, {"logprobs", Json::array()}}));
    return frames;
  }

  std::string End(std::span<const ChoiceState> answers) override {
    const ChoiceState& answer = answers[0];
    std::string frames =
        Event("response.output_text.done", Place({{"text", answer.text}, {"logprobs", Json::array()}}));
    frames += Event("response.content_part.done", Place({{"part", Part(answer.text)}}));
    frames += Event("response.output_item.done", {{"output_index", 0}, {"item", Item(answer)}});
    const bool cut = answer.finish == FinishReason::kLength;
    return frames + Event(cut ? "response.incomplete" : "response.completed", {{"response", Whole(answers)}});
  }

  std::string Failure(const ApiError& error) override {
    Json json = response_;
    json["status"] = "failed";
    json["error"] = {{"code", "server_error"}, {"message", error.message}};
    return Event("response.failed", {{"response", std::move(json)}});
  }

 private:
  static Json Part(const std::string& text) {
    return {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}, {"logprobs", Json::array()}};
  }

  Json Item(const ChoiceState& answer) const {
    return {{"type", "message"},
            {"id", item_id_},
            {"status", answer.finish == FinishReason::kLength ? "incomplete" : "completed"},
            {"role", "assistant"},
            {"content", Json::array({Part(answer.text)})}};
  }

  Json Place(Json more) const {
    Json json = {{"item_id", item_id_}, {"output_index", 0}, {"content_index", 0}};
    json.update(more);
    return json;
  }

  std::string Event(std::string_view type, Json members) {
    Json json = {{"type", type}, {"sequence_number", sequence_number_++}};
    json.update(members);
    return NamedFrame(type, json);
  }

  Json response_;
  std::string item_id_;
  size_t sequence_number_ = 0;
};

// `input` is the user's text, or a list of messages.
Json Messages(Fields& fields, const std::optional<std::string>& instructions) {
  Json messages = Json::array();
  if (instructions) messages.push_back({{"role", "system"}, {"content", *instructions}});
  const Json* input = fields.Any("input");
  if (input == nullptr) {
    fields.Refuse("input", "is missing");
  } else if (input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
  } else if (!input->is_array()) {
    fields.Refuse("input", "is neither a text nor a list of messages");
  } else {
    // Looked at here, so that errors name the places of this API.
    Json items = Json::array();
    for (const Json& item : *input) {
      const Json* type = FindMember(item, "type");
      if (type != nullptr && *type != "message")
        fields.Refuse(Cat("input[", items.size(), "]"), "is no message; other items aren't supported");
      items.push_back(item);
    }
    if (fields.failed()) return messages;
    const ApiResult<Json> read = ReadMessages(items, "input");
    if (!read) fields.Refuse(read.error());
    if (read) messages.insert(messages.end(), read->begin(), read->end());
  }
  return messages;
}

// The form that the answer must have: here the schema stands beside its type.
std::optional<Constraint> ReadTextFormat(Fields& fields) {
  const Json* text = fields.Object("text");
  const Json* format = text == nullptr ? nullptr : FindMember(*text, "format");
  if (format == nullptr) return std::nullopt;
  return ReadFormat(fields, *format, "text.format", /*schema_in=*/"");
}

void RefuseWhatIsntText(Fields& fields) {
  const std::string truncation = fields.Text("truncation").value_or("disabled");
  if (truncation != "disabled") fields.Refuse("truncation", "is supported as `disabled` alone: no prompt is ever cut");
  fields.RefuseUnlessOff({"previous_response_id", "conversation", "background", "prompt", "include", "tools",
                          "reasoning", "top_logprobs", "max_tool_calls", "context_management"},
                         "isn't supported; leave it out");
  const Json* choice = fields.Any("tool_choice");
  if (choice != nullptr && *choice != "none" && *choice != "auto")
    fields.Refuse("tool_choice", "is given without `tools`");
  fields.Ignore({"store", "user", "metadata", "service_tier", "parallel_tool_calls", "safety_identifier",
                 "prompt_cache_key", "prompt_cache_retention", "stream_options"});
}

// As it was asked for.
Json TextFormat(const Json& body) {
  const Json* text = FindMember(body, "text");
  const Json* format = text == nullptr ? nullptr : FindMember(*text, "format");
  return format == nullptr ? Json{{"type", "text"}} : *format;
}

Json Skeleton(const Json& body, const std::string& id, const std::string& model, const Generation& generation) {
  const auto as_given = [&](std::string_view name) {
    const Json* value = FindMember(body, name);
    return value == nullptr ? Json(nullptr) : *value;
  };
  const SamplingOptions& sampling = generation.options.sampling;
  return {{"id", id},
          {"object", "response"},
          {"created_at", std::time(nullptr)},
          {"status", "in_progress"},
          {"error", nullptr},
          {"incomplete_details", nullptr},
          {"instructions", as_given("instructions")},
          {"max_output_tokens", as_given("max_output_tokens")},
          {"metadata", body.contains("metadata") ? as_given("metadata") : Json::object()},
          {"model", model},
          {"output", Json::array()},
          {"parallel_tool_calls", false},
          {"previous_response_id", nullptr},
          {"store", false},
          {"temperature", sampling.temperature},
          {"text", {{"format", TextFormat(body)}}},
          {"tool_choice", "none"},
          {"tools", Json::array()},
          {"top_p", sampling.top_p},
          {"truncation", "disabled"},
          {"usage", nullptr}};
}

}  // namespace

ApiResult<Generation> ReadResponse(const Json& body, const ServedModel& model, std::string_view id) {
  Fields fields(body);
  Json chat = Json::object();
  for (const char* same : {"model", "temperature", "top_p", "stream", "seed"}) {
    if (const Json* value = fields.Any(same)) chat[same] = *value;
  }
  const std::optional<int64_t> most = fields.Integer("max_output_tokens", 1, INT32_MAX);
  if (most) chat["max_tokens"] = *most;
  RefuseWhatIsntText(fields);
  const std::optional<Constraint> constraint = ReadTextFormat(fields);
  chat["messages"] = Messages(fields, fields.Text("instructions"));
  if (fields.failed()) return tl::unexpected(fields.error());

  Generation generation = OCTET_API_TRY(ReadChat(chat, model, id));
  if (constraint) generation.grammar = OCTET_API_TRY(Compile(*constraint, model));
  generation.unknown_fields = fields.unknown();
  const std::string name = OCTET_API_TRY(RequestedName(body, model));
  generation.shape =
      std::make_unique<ResponseShape>(Skeleton(body, Cat("resp_", id), name, generation), Cat("msg_", id));
  return generation;
}

}  // namespace octet::serve
