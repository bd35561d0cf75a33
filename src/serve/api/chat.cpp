#include "serve/api/chat.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/cat.h"
#include "serve/api/constraint_fields.h"
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
  std::optional<ToolCallRules> calls;  // where the model may call tools
};

Json CallJson(const AnswerPiece& call, const std::string& id) {
  return {{"id", id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

class ChatShape : public ReplyShape {
 public:
  explicit ChatShape(ChatReplyWish wish) : wish_(std::move(wish)) {}

  Json Whole(std::span<const ChoiceState> answers) override {
    Json json = Envelope("chat.completion");
    for (size_t i = 0; i < answers.size(); ++i) {
      Json message = Message(answers[i]);
      const std::string_view finish = Finish(answers[i], message.contains("tool_calls"));
      json["choices"].push_back({{"index", i},
                                 {"message", std::move(message)},
                                 {"logprobs", Logprobs(answers[i].tokens)},
                                 {"finish_reason", finish},
                                 {"stop_reason", StopReason(wish_.context, answers[i])}});
    }
    json["usage"] = UsageJson(answers, wish_.choices);
    json["timings"] = TimingsJson(answers[0]);
    json["seed"] = wish_.context.seed;
    return json;
  }

  // The role goes with the first token, not before: clients take the first chunk for it.
  std::string Delta(const ChoiceDelta& delta) override {
    std::string frames;
    if (delta.first) frames += Chunk(delta, {{"role", "assistant"}, {"content", ""}}, {});
    bool calls = false;
    if (wish_.calls) {
      frames += Pieces(delta, calls);
    } else if (!delta.text.empty() || (wish_.logprobs && !delta.tokens.empty())) {
      frames += Chunk(delta, {{"content", delta.text}}, delta.tokens);
    }
    if (delta.state.finished) frames += Chunk(delta, Json::object(), {}, Finish(delta.state, calls));
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

  static std::string_view Finish(const ChoiceState& answer, bool calls) {
    return calls && answer.finish == FinishReason::kStop ? "tool_calls" : FinishName(answer);
  }

  Json Message(const ChoiceState& answer) const {
    Json message = {{"role", "assistant"}, {"content", answer.text}};
    if (!wish_.calls) return message;
    const ParsedAnswer parsed = ParseAnswer(*wish_.calls, answer.text);
    message["content"] = parsed.text;
    if (parsed.calls.empty()) return message;
    if (parsed.text.empty()) message["content"] = nullptr;
    for (const AnswerPiece& call : parsed.calls)
      message["tool_calls"].push_back(CallJson(call, MakeCallId(wish_.calls->format, "call_")));
    return message;
  }

  // What is certain of an answer that may hold calls. Of a call the first chunk has all but the arguments.
  std::string Pieces(const ChoiceDelta& delta, bool& calls) {
    while (parsers_.size() <= delta.index) parsers_.emplace_back(*wish_.calls);
    ToolCallParser& parser = parsers_[delta.index];
    size_t index = parser.calls();
    std::vector<AnswerPiece> pieces = parser.Push(delta.text);
    if (delta.state.finished) {
      for (AnswerPiece& piece : parser.Finish()) pieces.push_back(std::move(piece));
    }
    calls = parser.calls() > 0;
    std::string frames;
    if (wish_.logprobs && !delta.tokens.empty()) frames += Chunk(delta, {{"content", ""}}, delta.tokens);
    for (const AnswerPiece& piece : pieces) {
      if (!piece.is_call()) {
        frames += Chunk(delta, {{"content", piece.text}}, {});
        continue;
      }
      Json call = CallJson({.name = piece.name}, MakeCallId(wish_.calls->format, "call_"));
      call["index"] = index;
      frames += Chunk(delta, {{"tool_calls", Json::array({std::move(call)})}}, {});
      Json rest = {{"index", index++}, {"function", {{"arguments", piece.arguments}}}};
      frames += Chunk(delta, {{"tool_calls", Json::array({std::move(rest)})}}, {});
    }
    return frames;
  }

  std::string Chunk(const ChoiceDelta& delta, Json message, std::span<const GeneratedToken> tokens,
                    std::string_view finish = {}) const {
    Json json = Envelope("chat.completion.chunk");
    json["choices"].push_back({{"index", delta.index},
                               {"delta", std::move(message)},
                               {"logprobs", tokens.empty() ? Json(nullptr) : Logprobs(tokens)},
                               {"finish_reason", finish.empty() ? Json(nullptr) : Json(finish)}});
    if (!finish.empty()) json["choices"][0]["stop_reason"] = StopReason(wish_.context, delta.state);
    if (wish_.stream.continuous_usage)
      json["usage"] = UsageJson(std::span(&delta.state, 1), 1);
    else if (wish_.stream.include_usage)
      json["usage"] = nullptr;
    return Frame(json);
  }

  ChatReplyWish wish_;
  std::vector<ToolCallParser> parsers_;  // of each answer, where calls are looked for
};

void ReadChatLogprobs(Fields& fields, GenerateOptions& options) {
  const bool wanted = fields.Bool("logprobs").value_or(false);
  const std::optional<int64_t> top = fields.Integer("top_logprobs", 0, kMostTopLogprobs);
  if (top.value_or(0) > 0 && !wanted) fields.Refuse("top_logprobs", "is given without `logprobs`: true");
  if (wanted) options.sampling.logprobs = static_cast<int32_t>(top.value_or(0));
}

void RefuseWhatIsntThere(Fields& fields) {
  fields.RefuseUnlessOff({"functions", "function_call", "audio", "prediction", "web_search_options"},
                         "isn't supported; leave it out");
  const Json* modalities = fields.List("modalities");
  if (modalities != nullptr && *modalities != Json::array({"text"}))
    fields.Refuse("modalities", "is not [\"text\"], which is all that the model writes");
}

// What the answer must look like, and which calls it may hold.
ApiResult<void> Guide(const std::optional<Constraint>& constraint, const ToolWish& tools, const ServedModel& model,
                      Generation& generation) {
  if (constraint && tools.offered())
    return tl::unexpected(
        WrongField(constraint->field, Cat("`", constraint->field,
                                          "` and `tools` exclude each other; `tool_choice`: \"none\" lets "
                                          "the tools rest")));
  if (constraint) generation.grammar = OCTET_API_TRY(Compile(*constraint, model));
  if (!tools.offered()) return {};
  generation.calls = RulesOf(tools, model.tool_format);
  // The mark may be a special token, which wouldn't show in the text.
  const std::optional<int32_t> mark = model.tokenizer->TokenId(CallMark(model.tool_format));
  if (mark && model.tokenizer->IsSpecial(*mark)) generation.options.show_special = true;
  if (!tools.forced()) return {};
  Constraint calls{.field = "tools"};
  calls.source = OCTET_API_TRY(ForcedCalls(tools, model.tool_format));
  generation.grammar = OCTET_API_TRY(Compile(calls, model));
  return {};
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
  const std::optional<Constraint> constraint = ReadConstraint(fields);
  RefuseWhatIsntThere(fields);
  fields.RefuseUnlessOff({"echo", "reasoning_effort"}, "isn't supported; leave it out");
  wish.stream = ReadStreamOptions(fields, generation.stream);
  ReadChatLogprobs(fields, generation.options);
  const ChatWish chat = ReadChatWish(fields);
  const std::optional<int64_t> newer = fields.Integer("max_completion_tokens", 1, INT32_MAX);
  const std::optional<int64_t> older = fields.Integer("max_tokens", 1, INT32_MAX);
  if (fields.failed()) return tl::unexpected(fields.error());

  std::vector<int32_t> prompt = OCTET_API_TRY(ChatIds(chat, model));
  OCTET_API_TRY(Guide(constraint, chat.tools, model, generation));
  generation.prompts.push_back(std::move(prompt));
  const size_t room = RoomForAnswer(model, generation.prompts[0].size());
  const std::optional<int64_t> wanted = newer ? newer : older;
  generation.options.max_tokens = wanted ? std::min(static_cast<size_t>(*wanted), room) : room;
  if (const std::optional<ApiError> error = CheckMinTokens(generation.options)) return tl::unexpected(*error);
  wish.choices = generation.choices;
  wish.logprobs = generation.options.sampling.logprobs >= 0;
  wish.context.seed = generation.options.sampling.seed;
  wish.context.stops = generation.options.stop;
  wish.context.stop_tokens = generation.options.stop_tokens;
  wish.calls = generation.calls;
  generation.unknown_fields = fields.unknown();
  generation.shape = std::make_unique<ChatShape>(std::move(wish));
  return generation;
}

}  // namespace octet::serve
