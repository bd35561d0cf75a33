#include "eval/items.h"

#include <algorithm>

#include "base/counted.h"
#include "formats/json_lines.h"

namespace octet {
namespace {

constexpr std::string_view kBehindExample = "\n\n";

// The texts of a list.
Result<std::vector<std::string>> GetTexts(const Json& list, std::string_view key, const std::string& where) {
  std::vector<std::string> texts;
  for (const Json& text : list) {
    if (!text.is_string()) return Fail(ErrorCode::kCorrupt, where, ": `", key, "` holds something that is no text");
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

Result<size_t> GetAnswer(const Json& item, const std::vector<std::string>& choices, const std::string& where) {
  const Json* answer = FindMember(item, "answer");
  if (answer != nullptr && answer->is_string()) {
    const auto found = std::find(choices.begin(), choices.end(), answer->get_ref<const std::string&>());
    if (found != choices.end()) return static_cast<size_t>(found - choices.begin());
    return Fail(ErrorCode::kInvalidArgument, where, ": the answer `", answer->get_ref<const std::string&>(),
                "` is none of the ", Counted(choices.size(), "choice"));
  }
  const int64_t index = OCTET_TRY(GetInteger(item, "answer", where));
  if (index >= 0 && static_cast<uint64_t>(index) < choices.size()) return static_cast<size_t>(index);
  return Fail(ErrorCode::kInvalidArgument, where, ": the answer ", index, " is none of the choices 0 .. ",
              choices.size() - 1);
}

Result<ChoiceItem> ReadChoiceItem(const Json& json, const std::string& where) {
  ChoiceItem item{.question = OCTET_TRY(GetString(json, "question", where)), .choices = {}, .answer = 0};
  const Json* choices = FindMember(json, "choices");
  if (choices == nullptr || !choices->is_array()) return Fail(ErrorCode::kCorrupt, where, ": `choices` is no list");
  item.choices = OCTET_TRY(GetTexts(*choices, "choices", where));
  if (item.choices.size() < 2) {
    return Fail(ErrorCode::kInvalidArgument, where, ": has ", Counted(item.choices.size(), "choice"),
                ", 2 or more are needed");
  }
  if (std::find(item.choices.begin(), item.choices.end(), "") != item.choices.end())
    return Fail(ErrorCode::kInvalidArgument, where, ": a choice is empty, which has no likelihood");
  item.answer = OCTET_TRY(GetAnswer(json, item.choices, where));
  return item;
}

Result<AnswerItem> ReadAnswerItem(const Json& json, const std::string& where) {
  AnswerItem item{.question = OCTET_TRY(GetString(json, "question", where)), .answers = {}};
  const Json* answer = FindMember(json, "answer");
  if (answer != nullptr && answer->is_array())
    item.answers = OCTET_TRY(GetTexts(*answer, "answer", where));
  else
    item.answers.push_back(OCTET_TRY(GetString(json, "answer", where)));
  if (item.answers.empty()) return Fail(ErrorCode::kInvalidArgument, where, ": the list of answers is empty");
  return item;
}

template <class Item>
Result<std::vector<Item>> ReadItems(const std::filesystem::path& path,
                                    Result<Item> (*read)(const Json& json, const std::string& where)) {
  JsonLines lines = OCTET_TRY(JsonLines::Open(path));
  std::vector<Item> items;
  while (const std::optional<Json> json = OCTET_TRY(lines.Next()))
    items.push_back(OCTET_TRY(read(*json, lines.where())));
  if (items.empty()) return Fail(ErrorCode::kInvalidArgument, path, ": holds no items");
  return items;
}

const std::string& RightAnswer(const ChoiceItem& item) { return item.choices[item.answer]; }
const std::string& RightAnswer(const AnswerItem& item) { return item.answers.front(); }

template <class Item>
Result<std::vector<SolvedExample>> FirstExamples(const std::vector<Item>& items, size_t count) {
  if (count > items.size()) {
    return Fail(ErrorCode::kInvalidArgument, "the file has ", Counted(items.size(), "example"), ", ", count,
                " are wanted");
  }
  std::vector<SolvedExample> examples;
  for (size_t i = 0; i < count; ++i) examples.push_back({items[i].question, RightAnswer(items[i])});
  return examples;
}

}  // namespace

Result<std::vector<ChoiceItem>> ReadChoiceItems(const std::filesystem::path& path) {
  return ReadItems<ChoiceItem>(path, ReadChoiceItem);
}

Result<std::vector<AnswerItem>> ReadAnswerItems(const std::filesystem::path& path) {
  return ReadItems<AnswerItem>(path, ReadAnswerItem);
}

Result<std::vector<SolvedExample>> ExamplesOf(const std::vector<ChoiceItem>& items, size_t count) {
  return FirstExamples(items, count);
}

Result<std::vector<SolvedExample>> ExamplesOf(const std::vector<AnswerItem>& items, size_t count) {
  return FirstExamples(items, count);
}

std::string MakePrompt(const PromptFrame& frame, std::string_view question) {
  std::string prompt = frame.description;
  for (const SolvedExample& example : frame.examples)
    prompt += Cat(example.question, frame.delimiter, example.answer, kBehindExample);
  return prompt += question;
}

}  // namespace octet
