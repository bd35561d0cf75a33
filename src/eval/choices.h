// Multiple choice by log-likelihood: which of an item's choices the model finds likeliest behind the question.
//
//   ChoiceEncoder encoder = OCTET_TRY(ChoiceEncoder::Make(tokenizer, /*most_tokens=*/2048));
//   EncodedItem item = OCTET_TRY(encoder.Encode(prompt, " ", choices));
//   ChoiceScores scores = OCTET_TRY(ScoreChoices(model, item, run));
//   AccuracyOf(...)
//
// The method is that of lm-evaluation-harness 0.4 for multiple_choice: tokens, sums and the three ways to choose. Where
// items come from and what stands before a question: eval/items.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/items.h"
#include "eval/scoring_model.h"
#include "text/tokenizer.h"

namespace octet {

// A choice as tokens: what is read, and how many of the last tokens are scored.
struct EncodedChoice {
  std::vector<int32_t> tokens;  // of context and choice
  size_t scored = 0;            // tokens of the choice: the last ones
};

struct EncodedItem {
  std::vector<EncodedChoice> choices;
  bool is_truncated = false;  // the context begins later than the prompt, which was too long
};

class ChoiceEncoder {
 public:
  // The tokenizer must outlive it; the model reads at most most_tokens at once. Fails with invalid_argument where the
  // tokenizer has neither BOS nor EOS to stand for an empty context.
  static Result<ChoiceEncoder> Make(const Tokenizer& tokenizer, size_t most_tokens);

  // Context and choice are tokenised as one text, with the special tokens that the tokenizer puts around it unless BOS
  // is written at its start; what stands behind the context's own tokens is scored. White space that ends the context
  // counts to the choice, since that is where it is a token's first character; an empty context is BOS, or EOS where
  // there is none. A text that is too long loses tokens at its beginning. Fails with invalid_argument for a choice that
  // has no tokens or more than the model reads.
  Result<EncodedItem> Encode(std::string_view context, std::string_view delimiter,
                             std::span<const std::string> choices) const;

 private:
  ChoiceEncoder(const Tokenizer& tokenizer, int32_t start, size_t most_tokens);
  Result<EncodedChoice> EncodeOne(std::string_view context, std::string_view choice) const;

  const Tokenizer& tokenizer_;
  int32_t start_;  // stands for an empty context
  size_t most_tokens_;
};

// What a model says of an item.
struct ChoiceScores {
  std::vector<double> log_likelihoods;  // of each choice, in nats
  // The choice with the largest: log-likelihood; the same over the choice's characters; over its bytes of UTF-8. The
  // first of equals.
  size_t likeliest = 0, per_character = 0, per_byte = 0;
};

// Choices of one item, and items of one few-shot prefix, share what they begin with (ScoringModel::Read). Fails as the
// model does; with internal where a likelihood is no number.
Result<ChoiceScores> ScoreChoices(ScoringModel& model, const ChoiceItem& item, const EncodedItem& encoded,
                                  const EvaluationRun& run);

// A share of items that were right.
struct Accuracy {
  size_t right = 0, items = 0;

  void Add(bool is_right) {
    right += is_right ? 1 : 0;
    ++items;
  }
  // 0 for no items.
  double Share() const;
  // Its standard error, sqrt(p (1 - p) / (items - 1)); 0 below 2 items.
  double Error() const;
};

}  // namespace octet
