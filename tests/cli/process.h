// One command run by the shell with its input, limits and environment set, its output caught in files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace octet::scenario {

struct Command {
  std::string line;
  std::filesystem::path directory;
  std::map<std::string, std::string> environment;
  std::string input;
  std::optional<uint64_t> file_size_limit;  // bytes
  int seconds = 60;
};

struct Outcome {
  int exit = -1;  // 128 + signal where one ended it
  bool timed_out = false;
  std::string output;
  std::string errors;
};

// What a file holds; nothing where there is none.
std::string Content(const std::filesystem::path& path);

Outcome RunCommand(const Command& command);

}  // namespace octet::scenario
