// `octet eval generate`: questions with free answers, which must be exactly right.
#include <fmt/format.h>

#include "base/counted.h"
#include "cli/scoring_flags.h"
#include "cli/verb.h"
#include "eval/answers.h"
#include "eval/choices.h"
#include "eval/prompt_tokens.h"

namespace octet::cli {
namespace {

struct AnswersOptions {
  ItemFlags items;
  std::string delimiter = " ";
  std::vector<std::string> until;
  size_t max_tokens = 256;
  bool chat = false;
  bool ignore_case = false, ignore_punctuation = false, ignore_numbers = false;
  ScoringFlags model;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&AnswersOptions::items);
    visit(&AnswersOptions::delimiter, "delimiter", "between the questions of --examples and their answers");
    visit(&AnswersOptions::until, "until",
          "the answer ends before this text; may be repeated; not given: an empty line");
    visit(&AnswersOptions::max_tokens, "max-tokens", "most tokens of an answer", Between{1, 1 << 20});
    visit(&AnswersOptions::chat, "chat", "the prompt is a user's message in the model's chat template");
    visit(&AnswersOptions::ignore_case, "ignore-case", "capital and small letters are equal");
    visit(&AnswersOptions::ignore_punctuation, "ignore-punctuation", "punctuation of ASCII doesn't count");
    visit(&AnswersOptions::ignore_numbers, "ignore-numbers", "digits don't count");
    visit(&AnswersOptions::model);
  }
};

struct AskedItem {
  std::vector<int32_t> prompt;
  bool is_truncated = false;
};

// Prompts with room for the answer behind them: one that is too long loses its beginning, but a chat's, which would
// lose the template's.
Result<std::vector<AskedItem>> EncodePrompts(const std::vector<AnswerItem>& items, const PromptFrame& frame,
                                             const AnswersOptions& options, const Engine& engine) {
  if (options.max_tokens >= engine.context()) {
    return Fail(ErrorCode::kInvalidArgument, "--max-tokens ", options.max_tokens,
                " leaves no room for a question in the model's context of ", engine.context());
  }
  const size_t most = engine.context() - options.max_tokens;
  std::vector<AskedItem> asked;
  for (size_t i = 0; i < items.size(); ++i) {
    AskedItem item;
    Result<std::vector<int32_t>> prompt = AnswerPrompt(engine, MakePrompt(frame, items[i].question), options.chat);
    if (!prompt) return Prefixed(std::move(prompt).error(), Cat("item ", i + 1, ": "));
    item.prompt = std::move(*prompt);
    if (options.chat && item.prompt.size() > most) {
      return Fail(ErrorCode::kInvalidArgument, "item ", i + 1, ": the prompt has ",
                  Counted(item.prompt.size(), "token"), ", the model's context has room for ", most,
                  " beside an answer of ", options.max_tokens);
    }
    item.is_truncated = KeepLast(most, item.prompt);
    asked.push_back(std::move(item));
  }
  return asked;
}

struct AnswerTotals {
  Accuracy exact_match;
  size_t truncated = 0, tokens = 0;
  Json items = Json::array();
};

Status ShowAnswers(const AnswersOptions& options, AnswerTotals totals, Invocation& call) {
  const Accuracy& exact = totals.exact_match;
  if (totals.truncated != 0)
    call.Note(Cat("longer than the model's context, their beginning left out: ", Counted(totals.truncated, "item")));
  if (!call.json()) {
    return call.Print(fmt::format("exact_match {:.4f} +/- {:.4f}  {} of {}\n", exact.Share(), exact.Error(),
                                  exact.right, exact.items));
  }
  Json json = {{"exact_match", exact.Share()},
               {"exact_match_stderr", exact.Error()},
               {"items", exact.items},
               {"truncated", totals.truncated},
               {"tokens", totals.tokens}};
  if (options.items.per_item) json["per_item"] = std::move(totals.items);
  return call.PrintJson(json);
}

Result<AnswerTotals> AskAll(const std::vector<AnswerItem>& items, std::vector<AskedItem> asked,
                            const AnswersOptions& options, Engine& engine, Invocation& call) {
  const AnswerLimits limits{.until = options.until.empty() ? std::vector<std::string>{"\n\n"} : options.until,
                            .max_tokens = options.max_tokens};
  const AnswerMatching matching{.ignore_case = options.ignore_case,
                                .ignore_punctuation = options.ignore_punctuation,
                                .ignore_numbers = options.ignore_numbers};
  EngineSession session(engine);
  AnswerTotals totals;
  call.progress().Begin("generate", items.size(), "items");
  for (size_t i = 0; i < items.size(); ++i) {
    const GivenAnswer answer = OCTET_TRY(AskFor(session, std::move(asked[i].prompt), limits, call.cancel()));
    const bool is_right = IsRight(answer.text, items[i].answers, matching);
    totals.exact_match.Add(is_right);
    totals.tokens += answer.tokens;
    totals.truncated += asked[i].is_truncated ? 1 : 0;
    totals.items.push_back({{"text", answer.text}, {"answers", items[i].answers}, {"exact_match", is_right}});
    call.progress().Advance(1);
  }
  call.progress().End();
  return totals;
}

Status RunAnswers(const AnswersOptions& options, Invocation& call) {
  OCTET_TRY(CheckItemFlags(options.items, call));
  for (const std::string& until : options.until) {
    if (until.empty()) return Fail(ErrorCode::kInvalidArgument, "--until: an empty text would end every answer");
  }
  const std::vector<AnswerItem> items = OCTET_TRY(LimitedItems(ReadAnswerItems(options.items.items), options.items));
  const PromptFrame frame = OCTET_TRY(FrameOf<AnswerItem>(options.items, options.delimiter, ReadAnswerItems));
  const std::unique_ptr<Engine> engine = OCTET_TRY(Engine::Open(call.word(0), ToEngineOptions(options.model)));
  std::vector<AskedItem> asked = OCTET_TRY(EncodePrompts(items, frame, options, *engine));
  return ShowAnswers(options, OCTET_TRY(AskAll(items, std::move(asked), options, *engine, call)), call);
}

const RegisterVerb kGenerate(
    MakeVerb<AnswersOptions>({.name = "eval generate",
                              .words = "MODEL",
                              .summary = "how often a model's own answer is exactly the right one",
                              .example = "octet eval generate build/models/fp8 --items examples/eval/answers.jsonl"},
                             RunAnswers));

}  // namespace
}  // namespace octet::cli
