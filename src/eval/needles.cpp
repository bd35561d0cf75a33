#include "eval/needles.h"

#include <algorithm>
#include <iterator>

#include "base/counted.h"
#include "base/random.h"
#include "eval/prompt_tokens.h"

namespace octet {
namespace {

constexpr std::string_view kAdjectives[] = {"old",  "quiet", "green", "narrow", "bright", "broken", "wooden", "early",
                                            "cold", "small", "round", "dusty",  "heavy",  "young",  "empty",  "slow"};
constexpr std::string_view kNouns[] = {"bridge", "garden",  "baker",   "river", "window", "sailor",
                                       "market", "horse",   "teacher", "lamp",  "train",  "mountain",
                                       "letter", "painter", "village", "clock"};
constexpr std::string_view kVerbs[] = {"stood beside", "waited for", "looked like", "came before",
                                       "belonged to",  "faced",      "followed",    "was named after"};
constexpr std::string_view kNames[] = {"Alma",  "Boris", "Clara", "Dario", "Edith", "Felix", "Greta", "Hugo",
                                       "Irene", "Jonas", "Karin", "Leon",  "Maria", "Nils",  "Olga",  "Pavel"};
constexpr std::string_view kOpening = "Somewhere in this text a secret number is told.\n\n";

// What the draws of a test are for; a step each of the counter.
enum Step : uint32_t { kNameStep, kNumberStep, kFirstSentenceStep };

template <size_t N>
std::string_view Pick(const std::string_view (&words)[N], uint32_t bits) {
  return words[bits % N];
}

std::string MakeSentence(const CounterRandom& random, uint32_t trial, uint32_t index) {
  const auto draw = [&](uint64_t lane) { return random.Bits(trial, kFirstSentenceStep + index, lane); };
  return Cat("The ", Pick(kAdjectives, draw(0)), " ", Pick(kNouns, draw(1)), " ", Pick(kVerbs, draw(2)), " the ",
             Pick(kAdjectives, draw(3)), " ", Pick(kNouns, draw(4)), ". ");
}

// Tokens of the longest prompt that a test makes. Where sentences meet, another depth may take one more or less.
size_t PromptSize(const Tokenizer& tokenizer, const NeedleTest& test) {
  constexpr size_t kSeams = 4;
  return kSeams + std::max(PromptTokens(tokenizer, NeedlePrompt(test, 50, false)).size(),
                           PromptTokens(tokenizer, NeedlePrompt(test, 50, true)).size());
}

}  // namespace

Result<NeedleTest> MakeNeedleTest(const Tokenizer& tokenizer, const NeedleOptions& options) {
  const CounterRandom random{.seed = options.seed};
  NeedleTest test{.sentences = {},
                  .name = std::string(Pick(kNames, random.Bits(options.trial, kNameStep))),
                  .number = Cat(10000 + random.Bits(options.trial, kNumberStep) % 90000)};
  const size_t taken = PromptSize(tokenizer, test) + kNeedleAnswerTokens + options.around;
  // Sentences one by one, whose tokens add up to about those of the whole; what is too much then goes again.
  for (size_t tokens = taken; tokens < options.length;) {
    test.sentences.push_back(MakeSentence(random, options.trial, static_cast<uint32_t>(test.sentences.size())));
    tokens += tokenizer.Encode(test.sentences.back(), {.add_special = false, .parse_special = false}).size();
  }
  const auto is_too_long = [&] {
    return PromptSize(tokenizer, test) + kNeedleAnswerTokens + options.around > options.length;
  };
  while (!test.sentences.empty() && is_too_long()) test.sentences.pop_back();
  if (!test.sentences.empty()) return test;
  return Fail(ErrorCode::kInvalidArgument, "a length of ", Counted(options.length, "token"),
              " has no room for text around the needle; needle, question and answer take ", taken);
}

std::string NeedlePrompt(const NeedleTest& test, size_t depth, bool as_chat) {
  const size_t before = test.sentences.size() * depth / 100;
  std::string prompt(kOpening);
  for (size_t i = 0; i <= test.sentences.size(); ++i) {
    if (i == before) prompt += Cat("The secret number of ", test.name, " is ", test.number, ". ");
    if (i < test.sentences.size()) prompt += test.sentences[i];
  }
  if (as_chat) return Cat(prompt, "\n\nWhat is the secret number of ", test.name, "? Answer with the number alone.");
  return Cat(prompt, "\n\nThe secret number of ", test.name, " is");
}

std::string FirstNumber(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  std::string number;
  for (size_t at = text.find_first_of(kDigits); at < text.size(); ++at) {
    const bool is_digit = kDigits.find(text[at]) != std::string_view::npos;
    const bool joins =
        text[at] == ',' && kDigits.find(text.substr(at + 1, 1)) != std::string_view::npos && at + 1 < text.size();
    if (!is_digit && !joins) break;
    if (is_digit) number += text[at];
  }
  return number;
}

}  // namespace octet
