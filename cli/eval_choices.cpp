// `octet eval choices`: multiple choice by the likelihood of each choice.
#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"
#include "cli/scoring_flags.h"
#include "cli/verb.h"
#include "eval/choices.h"

namespace octet::cli {
namespace {

struct ChoicesOptions {
  ItemFlags items;
  std::string delimiter = " ";
  ScoringFlags model;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ChoicesOptions::items);
    visit(&ChoicesOptions::delimiter, "delimiter", "between question and answer");
    visit(&ChoicesOptions::model);
  }
};

// The three ways to choose, by the names of lm-evaluation-harness.
struct ChoiceTotals {
  Accuracy acc, acc_norm, acc_bytes;
  size_t truncated = 0;
  Json items = Json::array();
};

Result<std::vector<EncodedItem>> EncodeItems(const std::vector<ChoiceItem>& items, const PromptFrame& frame,
                                             const DecoderModel& model) {
  const ChoiceEncoder encoder = OCTET_TRY(ChoiceEncoder::Make(model.tokenizer(), model.spec().max_positions));
  std::vector<EncodedItem> encoded;
  for (size_t i = 0; i < items.size(); ++i) {
    Result<EncodedItem> item = encoder.Encode(MakePrompt(frame, items[i].question), frame.delimiter, items[i].choices);
    if (!item) return Prefixed(std::move(item).error(), Cat("item ", i + 1, ": "));
    encoded.push_back(std::move(*item));
  }
  return encoded;
}

size_t LongestOf(const std::vector<EncodedItem>& items) {
  size_t longest = 1;
  for (const EncodedItem& item : items) {
    for (const EncodedChoice& choice : item.choices) longest = std::max(longest, choice.tokens.size());
  }
  return longest;
}

void AddItem(const ChoiceItem& item, const EncodedItem& encoded, const ChoiceScores& scores, ChoiceTotals& totals) {
  totals.acc.Add(scores.likeliest == item.answer);
  totals.acc_norm.Add(scores.per_character == item.answer);
  totals.acc_bytes.Add(scores.per_byte == item.answer);
  totals.truncated += encoded.is_truncated ? 1 : 0;
  totals.items.push_back({{"answer", item.answer},
                          {"acc", scores.likeliest},
                          {"acc_norm", scores.per_character},
                          {"acc_bytes", scores.per_byte},
                          {"log_likelihoods", scores.log_likelihoods}});
}

Status ShowChoices(const ChoicesOptions& options, ChoiceTotals totals, Invocation& call) {
  const std::pair<std::string_view, const Accuracy*> ways[] = {
      {"acc", &totals.acc}, {"acc_norm", &totals.acc_norm}, {"acc_bytes", &totals.acc_bytes}};
  Json json = Json::object();
  std::string text;
  for (const auto& [name, accuracy] : ways) {
    json[std::string(name)] = accuracy->Share();
    json[Cat(name, "_stderr")] = accuracy->Error();
    text += fmt::format("{:<10}{:.4f} +/- {:.4f}  {} of {}\n", name, accuracy->Share(), accuracy->Error(),
                        accuracy->right, accuracy->items);
  }
  json["items"] = totals.acc.items;
  json["truncated"] = totals.truncated;
  if (options.items.per_item) json["per_item"] = std::move(totals.items);
  if (totals.truncated != 0)
    call.Note(Cat("longer than the model's context, their beginning left out: ", Counted(totals.truncated, "item")));
  return call.json() ? call.PrintJson(json) : call.Print(text);
}

Status RunChoices(const ChoicesOptions& options, Invocation& call) {
  OCTET_TRY(CheckItemFlags(options.items, call));
  const std::vector<ChoiceItem> items = OCTET_TRY(LimitedItems(ReadChoiceItems(options.items.items), options.items));
  const PromptFrame frame = OCTET_TRY(FrameOf<ChoiceItem>(options.items, options.delimiter, ReadChoiceItems));
  const std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(ThreadsOf(options.model)));
  const std::unique_ptr<DecoderModel> model =
      OCTET_TRY(DecoderModel::Open(call.word(0), ToDecoderOptions(options.model, 1, call.cancel()), *pool));
  OCTET_TRY(model->SetActivations(ActivationsOf(options.model.activations)));
  const std::vector<EncodedItem> encoded = OCTET_TRY(EncodeItems(items, frame, *model));
  OCTET_TRY(model->Reserve(LongestOf(encoded)));
  const EvaluationRun run{*pool, call.progress(), call.cancel()};
  ChoiceTotals totals;
  call.progress().Begin("choices", items.size(), "items");
  for (size_t i = 0; i < items.size(); ++i) {
    AddItem(items[i], encoded[i], OCTET_TRY(ScoreChoices(*model, items[i], encoded[i], run)), totals);
    call.progress().Advance(1);
  }
  call.progress().End();
  return ShowChoices(options, std::move(totals), call);
}

const RegisterVerb kChoices(
    MakeVerb<ChoicesOptions>({.name = "eval choices",
                              .words = "MODEL",
                              .summary = "how often a model finds the right choice the likeliest",
                              .example = "octet eval choices build/models/fp8 --items examples/eval/choices.jsonl"},
                             RunChoices));

}  // namespace
}  // namespace octet::cli
