// What a scenario line says about a finished command.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/cli/process.h"

namespace octet::scenario {

struct Expectation {
  int line = 0;
  std::string word;  // stdout~, file, json, ...
  std::string text;
};

// True for words that stand behind a run.
bool IsExpectation(const std::string& word);

// What does not hold, one text each, opened by the line's number.
std::vector<std::string> Failures(const std::vector<Expectation>& expectations, const Outcome& outcome,
                                  const std::filesystem::path& directory, int run_line);

}  // namespace octet::scenario
