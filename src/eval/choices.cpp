#include "eval/choices.h"

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "eval/prompt_tokens.h"
#include "eval/window_scores.h"
#include "text/jinja/characters.h"

namespace octet {
namespace {

// Where the white space begins that ends the text, as Python's rstrip sees it. Requires valid UTF-8.
size_t EndOfWords(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    if (!jinja::IsSpace(jinja::DecodeCharacter(text, at))) end = at;
  }
  return end;
}

// The first of the largest.
size_t Largest(std::span<const double> values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

Result<double> LogLikelihood(ScoringModel& model, const EncodedChoice& choice, const EvaluationRun& run) {
  const std::span<const int32_t> tokens = choice.tokens;
  const size_t vocab = model.vocab_size();
  const size_t first_scored = tokens.size() - choice.scored;
  OCTET_TRY(model.Read(tokens.first(tokens.size() - 1), first_scored - 1));
  std::vector<float> logits(std::min(kScoredRows, choice.scored) * vocab);
  std::vector<double> scores(kScoredRows);
  double sum = 0;
  for (size_t at = first_scored; at < tokens.size(); at += kScoredRows) {
    const size_t count = std::min(kScoredRows, tokens.size() - at);
    OCTET_TRY(model.Logits(at - 1, count, logits.data()));
    ScoreRows(std::span(logits).first(count * vocab), tokens.subspan(at, count), run.pool, scores.data());
    for (size_t row = 0; row < count; ++row) sum -= scores[row];
  }
  return sum;
}

}  // namespace

ChoiceEncoder::ChoiceEncoder(const Tokenizer& tokenizer, int32_t start, size_t most_tokens)
    : tokenizer_(tokenizer), start_(start), most_tokens_(most_tokens) {}

Result<ChoiceEncoder> ChoiceEncoder::Make(const Tokenizer& tokenizer, size_t most_tokens) {
  if (const std::optional<int32_t> start = StartToken(tokenizer)) return ChoiceEncoder(tokenizer, *start, most_tokens);
  return Fail(ErrorCode::kInvalidArgument,
              "the tokenizer has neither BOS nor EOS, one of which a text of no context begins with");
}

Result<EncodedChoice> ChoiceEncoder::EncodeOne(std::string_view context, std::string_view choice) const {
  const size_t end = EndOfWords(context);
  const std::string text = Cat(context, choice);
  std::vector<int32_t> tokens, scored;
  if (end == 0) {
    tokens = {start_};
    scored = tokenizer_.Encode(text, {.add_special = false, .parse_special = true});
    if (!scored.empty() && scored.front() == start_) scored.erase(scored.begin());
  } else {
    tokens = PromptTokens(tokenizer_, context.substr(0, end));
    const std::vector<int32_t> whole = PromptTokens(tokenizer_, text);
    scored.assign(whole.begin() + static_cast<std::ptrdiff_t>(std::min(tokens.size(), whole.size())), whole.end());
  }
  if (scored.empty() || scored.size() > most_tokens_) {
    return Fail(ErrorCode::kInvalidArgument, "the choice `", choice, "` has ", Counted(scored.size(), "token"),
                ", 1 to ", most_tokens_, " can be scored");
  }
  tokens.insert(tokens.end(), scored.begin(), scored.end());
  return EncodedChoice{.tokens = std::move(tokens), .scored = scored.size()};
}

Result<EncodedItem> ChoiceEncoder::Encode(std::string_view context, std::string_view delimiter,
                                          std::span<const std::string> choices) const {
  EncodedItem item;
  for (const std::string& choice : choices) {
    EncodedChoice encoded = OCTET_TRY(EncodeOne(context, Cat(delimiter, choice)));
    if (KeepLast(most_tokens_ + 1, encoded.tokens)) item.is_truncated = true;  // the last is scored, not read
    item.choices.push_back(std::move(encoded));
  }
  return item;
}

Result<ChoiceScores> ScoreChoices(ScoringModel& model, const ChoiceItem& item, const EncodedItem& encoded,
                                  const EvaluationRun& run) {
  ChoiceScores scores;
  std::vector<double> per_character, per_byte;
  for (size_t i = 0; i < encoded.choices.size(); ++i) {
    OCTET_TRY(run.cancel.Check());
    OCTET_TRY(CheckTokens(encoded.choices[i].tokens, model.vocab_size()));
    const double likelihood = OCTET_TRY(LogLikelihood(model, encoded.choices[i], run));
    if (std::isnan(likelihood)) {
      return Fail(ErrorCode::kInternal, "the model's logits behind `", item.question,
                  "` are no numbers; its weights may be damaged");
    }
    const std::string& choice = item.choices[i];
    scores.log_likelihoods.push_back(likelihood);
    per_character.push_back(likelihood / static_cast<double>(jinja::CharactersIn(choice)));
    per_byte.push_back(likelihood / static_cast<double>(choice.size()));
  }
  scores.likeliest = Largest(scores.log_likelihoods);
  scores.per_character = Largest(per_character);
  scores.per_byte = Largest(per_byte);
  return scores;
}

double Accuracy::Share() const { return items == 0 ? 0 : static_cast<double>(right) / static_cast<double>(items); }

double Accuracy::Error() const {
  return items < 2 ? 0 : std::sqrt(Share() * (1 - Share()) / static_cast<double>(items - 1));
}

}  // namespace octet
