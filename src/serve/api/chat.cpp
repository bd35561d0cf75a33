#include "serve/api/chat.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/cat.h"
#include "serve/api/sampling_fields.h"
#include "serve/api/token_texts.h"

namespace octet::serve {
namespace {

constexpr int64_t kMostTopLogprobs = 20;

struct ChatReplyWish {
  ReplyContext context;
  size_t choices = 1;
  bool logprobs = false;
  StreamOptions stream;
};

class ChatShape : public ReplyShape {
 public:
  explicit ChatShape(ChatReplyWish wish) : wish_(std::move(wish)) {}

  Json Whole(std::span<const ChoiceState> answers) override {
    Json json = Envelope("chat.completion");
    for (size_t i = 0; i < answers.size(); ++i) {
      json["choices"].push_back({{"index", i},
                                 {"message", {{"role", "assistant"}, {"content", answers[i].text}}},
                                 {"logprobs", Logprobs(answers[i].tokens)},
                                 {"finish_reason", FinishName(answers[i])}});
    }
    json["usage"] = UsageJson(answers, wish_.choices);
    json["timings"] = TimingsJson(answers[0]);
    json["seed"] = wish_.context.seed;
    return json;
  }

  // The role goes with the first token, not before: clients take the first chunk for it.
  std::string Delta(const ChoiceDelta& delta) override {
    std::string frames;
    if (delta.first) frames += Chunk(delta, {{"role", "assistant"}, {"content", ""}}, {}, false);
    if (!delta.text.empty() || (wish_.logprobs && !delta.tokens.empty()))
      frames += Chunk(delta, {{"content", delta.text}}, delta.tokens, false);
    if (delta.state.finished) frames += Chunk(delta, Json::object(), {}, true);
    return frames;
  }

  std::string End(std::span<const ChoiceState> answers) override {
    if (!wish_.stream.include_usage) return std::string(kDoneFrame);
    Json json = Envelope("chat.completion.chunk");
    json["usage"] = UsageJson(answers, wish_.choices);
    json["timings"] = TimingsJson(answers[0]);
    json["seed"] = wish_.context.seed;
    return Cat(Frame(json), kDoneFrame);
  }

 private:
  Json Envelope(std::string_view object) const {
    return {{"id", wish_.context.id},
            {"object", object},
            {"created", wish_.context.created},
            {"model", wish_.context.model},
            {"choices", Json::array()}};
  }

  Json Logprobs(std::span<const GeneratedToken> tokens) const {
    if (!wish_.logprobs) return nullptr;
    Json content = Json::array();
    for (const GeneratedToken& token : tokens) content.push_back(ChatLogprob(wish_.context.tokenizer, token));
    return {{"content", std::move(content)}};
  }

  std::string Chunk(const ChoiceDelta& delta, Json message, std::span<const GeneratedToken> tokens, bool last) const {
    Json json = Envelope("chat.completion.chunk");
    json["choices"].push_back({{"index", delta.index},
                               {"delta", std::move(message)},
                               {"logprobs", tokens.empty() ? Json(nullptr) : Logprobs(tokens)},
                               {"finish_reason", last ? Json(FinishName(delta.state)) : Json(nullptr)}});
    if (wish_.stream.continuous_usage)
      json["usage"] = UsageJson(std::span(&delta.state, 1), 1);
    else if (wish_.stream.include_usage)
      json["usage"] = nullptr;
    return Frame(json);
  }

  ChatReplyWish wish_;
};

void ReadChatLogprobs(Fields& fields, GenerateOptions& options) {
  const bool wanted = fields.Bool("logprobs").value_or(false);
  const std::optional<int64_t> top = fields.Integer("top_logprobs", 0, kMostTopLogprobs);
  if (top.value_or(0) > 0 && !wanted) fields.Refuse("top_logprobs", "is given without `logprobs`: true");
  if (wanted) options.sampling.logprobs = static_cast<int32_t>(top.value_or(0));
}

void RefuseTools(Fields& fields) {
  const Json* tools = fields.List("tools");
  if (tools != nullptr)
    fields.Refuse("tools", tools->empty() ? "is empty; leave it out" : "isn't supported: answers are text");
  const Json* choice = fields.Any("tool_choice");
  if (choice != nullptr && *choice != "none") fields.Refuse("tool_choice", "is given without `tools`");
  fields.RefuseUnlessOff({"functions", "function_call", "audio", "prediction", "web_search_options"},
                         "isn't supported; leave it out");
  const Json* modalities = fields.List("modalities");
  if (modalities != nullptr && *modalities != Json::array({"text"}))
    fields.Refuse("modalities", "is not [\"text\"], which is all that the model writes");
  fields.Ignore({"parallel_tool_calls"});
}

}  // namespace

size_t RoomForAnswer(const ServedModel& model, size_t prompt_tokens) { return model.context - prompt_tokens; }

ApiResult<Generation> ReadChat(const Json& body, const ServedModel& model, std::string_view id) {
  Fields fields(body);
  fields.Ignore({"model"});
  Generation generation;
  ChatReplyWish wish;
  std::string name = OCTET_API_TRY(RequestedName(body, model));
  wish.context = {.id = Cat("chatcmpl-", id),
                  .model = std::move(name),
                  .created = std::time(nullptr),
                  .tokenizer = model.tokenizer};
  ReadSampling(fields, model, generation);
  RefuseConstraints(fields);
  RefuseTools(fields);
  fields.RefuseUnlessOff({"echo", "reasoning_effort"}, "isn't supported; leave it out");
  wish.stream = ReadStreamOptions(fields, generation.stream);
  ReadChatLogprobs(fields, generation.options);
  const ChatWish chat = ReadChatWish(fields);
  const std::optional<int64_t> newer = fields.Integer("max_completion_tokens", 1, INT32_MAX);
  const std::optional<int64_t> older = fields.Integer("max_tokens", 1, INT32_MAX);
  if (fields.failed()) return tl::unexpected(fields.error());

  generation.prompts.push_back(OCTET_API_TRY(ChatIds(chat, model)));
  const size_t room = RoomForAnswer(model, generation.prompts[0].size());
  const std::optional<int64_t> wanted = newer ? newer : older;
  generation.options.max_tokens = wanted ? std::min(static_cast<size_t>(*wanted), room) : room;
  wish.choices = generation.choices;
  wish.logprobs = generation.options.sampling.logprobs >= 0;
  wish.context.seed = generation.options.sampling.seed;
  generation.unknown_fields = fields.unknown();
  generation.shape = std::make_unique<ChatShape>(std::move(wish));
  return generation;
}

}  // namespace octet::serve
