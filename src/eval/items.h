// Test items from a JSONL file, and the prompt that is made of each.
//
//   std::vector<ChoiceItem> items = OCTET_TRY(ReadChoiceItems("capitals.jsonl"));
//   std::string prompt = MakePrompt({.examples = examples}, items[0].question);
//
// Of multiple choice: {"question": "...", "choices": ["...", "..."], "answer": 1}, the answer by its index or its text.
// Of free answers: {"question": "...", "answer": "..."}, or a list of answers of which any is right. Other keys are
// passed over. What is done with them: eval/choices.h, eval/answers.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace octet {

struct ChoiceItem {
  std::string question;
  std::vector<std::string> choices;  // two or more, none empty
  size_t answer = 0;                 // index of the right one
};

struct AnswerItem {
  std::string question;
  std::vector<std::string> answers;  // one or more
};

// Both fail as the reader of JSON lines does; with corrupt, naming the line, where a member is missing or of another
// type; with invalid_argument, naming the line, for an answer that is none of the choices, an empty or single choice,
// and a file without items.
Result<std::vector<ChoiceItem>> ReadChoiceItems(const std::filesystem::path& path);
Result<std::vector<AnswerItem>> ReadAnswerItems(const std::filesystem::path& path);

// A question with its answer, shown before the one that is asked.
struct SolvedExample {
  std::string question, answer;
};

// The first `count` items, each with its answer, the first where there are several. Fails with invalid_argument where
// there are fewer, both numbers named.
Result<std::vector<SolvedExample>> ExamplesOf(const std::vector<ChoiceItem>& items, size_t count);
Result<std::vector<SolvedExample>> ExamplesOf(const std::vector<AnswerItem>& items, size_t count);

// What stands around a question.
struct PromptFrame {
  std::string description;      // before all, as it is
  std::string delimiter = " ";  // between question and answer
  std::vector<SolvedExample> examples;
};

// Description, examples with an empty line behind each, question: as lm-evaluation-harness puts them together.
std::string MakePrompt(const PromptFrame& frame, std::string_view question);

}  // namespace octet
