#include "serve/api/completions.h"

#include <ctime>
#include <utility>

#include "base/cat.h"
#include "serve/api/constraint_fields.h"
#include "serve/api/fields.h"
#include "serve/api/sampling_fields.h"
#include "serve/api/token_texts.h"

namespace octet::serve {
namespace {

constexpr int64_t kMostLogprobs = 100;
constexpr int64_t kUsualLength = 16;  // OpenAI's default of max_tokens

struct CompletionWish {
  ReplyContext context;
  size_t choices = 1;
  bool logprobs = false;
  std::vector<std::string> echoes;  // of each prompt, where they are echoed
  StreamOptions stream;
};

class CompletionShape : public ReplyShape {
 public:
  explicit CompletionShape(CompletionWish wish) : wish_(std::move(wish)) {}

  Json Whole(std::span<const ChoiceState> answers) override {
    Json json = Envelope();
    for (size_t i = 0; i < answers.size(); ++i) {
      CompletionLogprobs logprobs(wish_.context.tokenizer, 0);
      if (wish_.logprobs && answers[i].prompt) logprobs.Add(*answers[i].prompt);
      if (wish_.logprobs) logprobs.Add(answers[i].tokens);
      json["choices"].push_back(
          Choice(i, Echo(i) + answers[i].text, wish_.logprobs ? logprobs.json() : Json(nullptr), &answers[i]));
    }
    json["usage"] = UsageJson(answers, wish_.choices);
    if (!answers.empty()) json["timings"] = TimingsJson(answers[0]);
    json["seed"] = wish_.context.seed;
    return json;
  }

  std::string Delta(const ChoiceDelta& delta) override {
    if (offsets_.size() <= delta.index) offsets_.resize(delta.index + 1, 0);
    CompletionLogprobs logprobs(wish_.context.tokenizer, offsets_[delta.index]);
    if (wish_.logprobs && delta.first && delta.state.prompt) logprobs.Add(*delta.state.prompt);
    if (wish_.logprobs) logprobs.Add(delta.tokens);
    offsets_[delta.index] = logprobs.offset();
    const std::string text = (delta.first ? Echo(delta.index) : std::string()) + std::string(delta.text);
    if (text.empty() && !delta.state.finished && !wish_.logprobs) return {};
    Json json = Envelope();
    json["choices"].push_back(Choice(delta.index, text, wish_.logprobs ? logprobs.json() : Json(nullptr),
                                     delta.state.finished ? &delta.state : nullptr));
    if (wish_.stream.continuous_usage)
      json["usage"] = UsageJson(std::span(&delta.state, 1), 1);
    else if (wish_.stream.include_usage)
      json["usage"] = nullptr;
    return Frame(json);
  }

  std::string End(std::span<const ChoiceState> answers) override {
    if (!wish_.stream.include_usage) return std::string(kDoneFrame);
    Json json = Envelope();
    json["usage"] = UsageJson(answers, wish_.choices);
    if (!answers.empty()) json["timings"] = TimingsJson(answers[0]);
    return Cat(Frame(json), kDoneFrame);
  }

 private:
  Json Envelope() const {
    return {{"id", wish_.context.id},
            {"object", "text_completion"},
            {"created", wish_.context.created},
            {"model", wish_.context.model},
            {"choices", Json::array()}};
  }

  std::string Echo(size_t index) const {
    return wish_.echoes.empty() ? std::string() : wish_.echoes[index / wish_.choices];
  }

  Json Choice(size_t index, const std::string& text, Json logprobs, const ChoiceState* finished) const {
    Json json = {{"index", index}, {"text", text}, {"logprobs", std::move(logprobs)}, {"finish_reason", nullptr}};
    if (finished == nullptr) return json;
    json["finish_reason"] = FinishName(*finished);
    json["stop_reason"] = StopReason(wish_.context, *finished);
    return json;
  }

  CompletionWish wish_;
  std::vector<size_t> offsets_;  // characters sent of each answer
};

// One prompt is a text or a list of ids; several are a list of these.
ApiResult<std::vector<std::vector<int32_t>>> ReadPrompts(const Json& prompt, const ServedModel& model,
                                                         bool add_special) {
  const bool one = prompt.is_string() || (prompt.is_array() && !prompt.empty() && prompt[0].is_number());
  const Json list = one ? Json::array({prompt}) : prompt;
  if (!list.is_array() || list.empty())
    return tl::unexpected(WrongField("prompt", "`prompt` is a text, a list of token ids, or a list of these"));
  if (list.size() > model.most_answers)
    return tl::unexpected(WrongField(
        "prompt", Cat("`prompt` has ", list.size(), " prompts, at most ", model.most_answers, " are taken at once")));
  std::vector<std::vector<int32_t>> prompts;
  for (const Json& entry : list) {
    const std::string where = one ? "prompt" : Cat("prompt[", prompts.size(), "]");
    if (entry.is_string()) {
      prompts.push_back(OCTET_API_TRY(EncodeText(model, entry.get_ref<const std::string&>(), add_special)));
    } else if (entry.is_array()) {
      prompts.push_back(OCTET_API_TRY(TokenIds(entry, model.vocab, where)));
    } else {
      return tl::unexpected(WrongField(where, Cat("`", where, "` is neither a text nor a list of token ids")));
    }
    if (prompts.back().empty()) return tl::unexpected(WrongField(where, Cat("`", where, "` has no tokens")));
    OCTET_API_TRY(CheckLength(model, prompts.back().size()));
  }
  return prompts;
}

std::string EchoText(const Json& prompt, size_t index, const std::vector<int32_t>& ids, const ServedModel& model) {
  if (prompt.is_string()) return prompt.get<std::string>();
  if (prompt[index].is_string()) return prompt[index].get<std::string>();
  return model.tokenizer == nullptr ? std::string() : model.tokenizer->Decode(ids, /*skip_special=*/false);
}

void ReadLength(Fields& fields, const ServedModel& model, bool echo, Generation& generation) {
  const int64_t context = static_cast<int64_t>(model.context);
  const std::optional<int64_t> newer = fields.Integer("max_completion_tokens", echo ? 0 : 1, INT32_MAX);
  const int64_t older = fields.Integer("max_tokens", echo ? 0 : 1, INT32_MAX).value_or(kUsualLength);
  generation.options.max_tokens = static_cast<size_t>(std::min(newer.value_or(older), context));
  if (const std::optional<ApiError> error = CheckMinTokens(generation.options)) fields.Refuse(*error);
}

}  // namespace

ApiResult<Generation> ReadCompletion(const Json& body, const ServedModel& model, std::string_view id) {
  Fields fields(body);
  fields.Ignore({"model"});
  Generation generation;
  CompletionWish wish;
  std::string name = OCTET_API_TRY(RequestedName(body, model));
  wish.context = {
      .id = Cat("cmpl-", id), .model = std::move(name), .created = std::time(nullptr), .tokenizer = model.tokenizer};
  ReadSampling(fields, model, generation);
  const std::optional<Constraint> constraint = ReadConstraint(fields);
  fields.RefuseUnlessOff({"suffix", "prompt_embeds"}, "isn't supported; leave it out");
  wish.stream = ReadStreamOptions(fields, generation.stream);
  const bool echo = fields.Bool("echo").value_or(false);
  ReadLength(fields, model, echo, generation);
  const std::optional<int64_t> logprobs = fields.Integer("logprobs", 0, kMostLogprobs);
  const bool add_special = fields.Bool("add_special_tokens").value_or(true);
  const Json* prompt = fields.Any("prompt");
  if (prompt == nullptr) fields.Refuse("prompt", "is missing");
  if (fields.failed()) return tl::unexpected(fields.error());

  if (constraint) generation.grammar = OCTET_API_TRY(Compile(*constraint, model));
  generation.prompts = OCTET_API_TRY(ReadPrompts(*prompt, model, add_special));
  if (generation.prompts.size() * generation.choices > model.most_answers)
    return tl::unexpected(
        WrongField("n", Cat(generation.prompts.size(), " prompts with ", generation.choices,
                            " answers each are more than the ", model.most_answers, " that are taken at once")));
  wish.choices = generation.choices;
  wish.logprobs = logprobs.has_value();
  if (logprobs) generation.options.sampling.logprobs = static_cast<int32_t>(*logprobs);
  if (echo) {
    for (size_t i = 0; i < generation.prompts.size(); ++i)
      wish.echoes.push_back(EchoText(*prompt, i, generation.prompts[i], model));
  }
  // Without an answer there is only the prompt to compute, which scoring it asks for.
  if (echo && (logprobs || generation.options.max_tokens == 0))
    generation.prompt_logprobs = static_cast<int32_t>(logprobs.value_or(0));
  wish.context.seed = generation.options.sampling.seed;
  wish.context.stops = generation.options.stop;
  wish.context.stop_tokens = generation.options.stop_tokens;
  generation.unknown_fields = fields.unknown();
  generation.shape = std::make_unique<CompletionShape>(std::move(wish));
  return generation;
}

}  // namespace octet::serve
