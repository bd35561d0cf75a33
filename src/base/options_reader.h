// Fills an option struct from its sources, in the order default < file < environment < flag.
//
//   RunOptions options;
//   std::vector<std::string> words = OCTET_TRY(ReadOptions(input, options));   // what is no flag
//
// Flags are --name VALUE or --name=VALUE; switches --name and --no-name; `--` ends them. The file is named by the
// option `config`, where the struct has one. An unknown flag or key is an error that names the nearest one.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"

namespace octet {

struct OptionInput {
  std::span<const std::string> words;              // of the command line, after the verb
  std::map<std::string, std::string> environment;  // OCTET_ variables; those that aren't the struct's are passed over
  std::string help_command;                        // closes messages, for example "octet run --help"
};

// The same without the struct's type; `options` is what the list's assign functions take.
Result<std::vector<std::string>> ReadOptions(const OptionInput& input, const std::vector<Option>& list, void* options);

template <class Options>
Result<std::vector<std::string>> ReadOptions(const OptionInput& input, Options& options) {
  return ReadOptions(input, OptionList<Options>(), &options);
}

// Stores the keys of a flat YAML mapping; `where` is the file's name in messages. A list's elements are a YAML sequence
// or a text.
Status ReadYamlOptions(std::string_view yaml, std::string_view where, const std::vector<Option>& list, void* options);

// The names of a list with dashes in front, or as they are.
std::vector<std::string> FlagNames(const std::vector<Option>& list);
std::vector<std::string> KeyNames(const std::vector<Option>& list);

}  // namespace octet
