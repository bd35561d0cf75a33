// Long-context retrieval: a number is told once in a long text, and asked for at its end.
//
//   const NeedleTest test = OCTET_TRY(MakeNeedleTest(tokenizer, {.length = 4096, .trial = 0, .seed = 7}));
//   const std::string text = NeedlePrompt(test, /*depth=*/50);
//   ... let the model go on ...
//   if (FirstNumber(answer) == test.number) ...
//
// The text around is made of sentences from short lists of words, drawn by counter (base/random.h): the same arguments
// give the same text everywhere, and of two depths the same text but for the place of the needle.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace octet {

struct NeedleOptions {
  size_t length = 0;  // tokens of prompt and answer together, at most
  uint32_t trial = 0;
  uint64_t seed = 0;
  size_t around = 0;  // tokens that a chat template adds
};

inline constexpr size_t kNeedleAnswerTokens = 12;  // a number of five digits and a little around it

struct NeedleTest {
  std::vector<std::string> sentences;  // of the haystack
  std::string name;                    // of the one whose number is told
  std::string number;                  // five digits
};

// The longest test whose prompt fits. Fails with invalid_argument where not a single sentence has room, both numbers
// named.
Result<NeedleTest> MakeNeedleTest(const Tokenizer& tokenizer, const NeedleOptions& options);

// The haystack with the needle behind `depth` percent of its sentences, and behind it the question: as the beginning of
// a sentence that ends in the number, or as one for a chat.
std::string NeedlePrompt(const NeedleTest& test, size_t depth, bool as_chat = false);

// The digits of the first number in a text, without the commas between them; empty where there is none.
std::string FirstNumber(std::string_view text);

}  // namespace octet
