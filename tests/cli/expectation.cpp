#include "tests/cli/expectation.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

namespace octet::scenario {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 13> kWords = {"exit",   "stdout",  "stdout~", "stdout*", "stdout!",
                                                     "stderr", "stderr~", "stderr*", "stderr!", "json",
                                                     "file",   "absent",  "same"};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool Matches(const std::string& pattern, const std::string& line) {
  int error = 0;
  size_t offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF, &error, &offset, nullptr);
  if (code == nullptr) return false;
  pcre2_match_data* data = pcre2_match_data_create_from_pattern(code, nullptr);
  const int count = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(line.data()), line.size(), 0, 0, data, nullptr);
  pcre2_match_data_free(data);
  pcre2_code_free(code);
  return count > 0;
}

// Empty where the line's word (~ * !) holds for the text.
std::string CheckLines(const Expectation& expectation, const std::string& text) {
  const std::vector<std::string> lines = Lines(text);
  const char kind = expectation.word.back();
  const bool found = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return kind == '~' ? Matches(expectation.text, line) : line.find(expectation.text) != std::string::npos;
  });
  if (found == (kind != '!')) return {};
  const std::string verb = kind == '~' ? "no line matches `" : kind == '*' ? "no line contains `" : "a line contains `";
  return verb + expectation.text + "`";
}

std::string CheckJson(const std::string& text, const std::string& output) {
  const size_t space = text.find(' ');
  if (space == std::string::npos) return "json takes a pointer and a value";
  const std::string pointer = text.substr(0, space), wanted = text.substr(space + 1);
  const json document = json::parse(output, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return "stdout is not JSON";
  const json::json_pointer place(pointer);
  if (!document.contains(place)) return "stdout has no " + pointer;
  const json& value = document.at(place);
  if (wanted == "number") return value.is_number() ? "" : pointer + " is " + value.dump();
  if (wanted == "text") return value.is_string() ? "" : pointer + " is " + value.dump();
  if (wanted == "list") return value.is_array() ? "" : pointer + " is " + value.dump();
  if (wanted == "object") return value.is_object() ? "" : pointer + " is " + value.dump();
  if (wanted == "bool") return value.is_boolean() ? "" : pointer + " is " + value.dump();
  const json expected = json::parse(wanted, nullptr, /*allow_exceptions=*/false);
  if (expected.is_discarded()) return "`" + wanted + "` is not JSON";
  return value == expected ? "" : pointer + " is " + value.dump() + ", " + wanted + " is expected";
}

std::string CheckSame(const std::string& text, const std::filesystem::path& directory) {
  std::istringstream names(text);
  std::string first, second;
  names >> first >> second;
  if (!std::filesystem::exists(directory / first)) return first + " is not there";
  if (!std::filesystem::exists(directory / second)) return second + " is not there";
  return Content(directory / first) == Content(directory / second) ? "" : first + " and " + second + " differ";
}

std::string Check(const Expectation& expectation, const Outcome& outcome, const std::filesystem::path& directory) {
  const std::string& word = expectation.word;
  if (word == "file")
    return std::filesystem::exists(directory / expectation.text) ? "" : expectation.text + " is not there";
  if (word == "absent")
    return std::filesystem::exists(directory / expectation.text) ? expectation.text + " is there" : "";
  if (word == "same") return CheckSame(expectation.text, directory);
  if (word == "json") return CheckJson(expectation.text, outcome.output);
  return CheckLines(expectation, word.starts_with("stdout") ? outcome.output : outcome.errors);
}

// Compares a whole stream with all lines of the word together, if there are any.
void CheckWhole(const std::string& word, const std::vector<Expectation>& expectations, const std::string& text,
                std::vector<std::string>& failures) {
  std::vector<std::string> wanted;
  int line = 0;
  for (const Expectation& expectation : expectations) {
    if (expectation.word != word) continue;
    if (line == 0) line = expectation.line;
    wanted.push_back(expectation.text);
  }
  if (line == 0) return;
  if (wanted.size() == 1 && wanted[0].empty()) wanted.clear();
  if (Lines(text) != wanted) failures.push_back(std::to_string(line) + ": " + word + " differs");
}

}  // namespace

bool IsExpectation(const std::string& word) { return std::find(kWords.begin(), kWords.end(), word) != kWords.end(); }

std::vector<std::string> Failures(const std::vector<Expectation>& expectations, const Outcome& outcome,
                                  const std::filesystem::path& directory, int run_line) {
  std::vector<std::string> failures;
  int wanted_exit = 0;
  for (const Expectation& expectation : expectations) {
    if (expectation.word == "exit") wanted_exit = std::stoi(expectation.text);
    if (expectation.word == "exit" || expectation.word == "stdout" || expectation.word == "stderr") continue;
    const std::string failure = Check(expectation, outcome, directory);
    if (!failure.empty()) failures.push_back(std::to_string(expectation.line) + ": " + failure);
  }
  CheckWhole("stdout", expectations, outcome.output, failures);
  CheckWhole("stderr", expectations, outcome.errors, failures);
  if (outcome.timed_out) failures.push_back(std::to_string(run_line) + ": took too long and was killed");
  if (outcome.exit != wanted_exit) {
    failures.push_back(std::to_string(run_line) + ": exit is " + std::to_string(outcome.exit) + ", " +
                       std::to_string(wanted_exit) + " is expected");
  }
  return failures;
}

}  // namespace octet::scenario
