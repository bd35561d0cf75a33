// An option list as text: the part of --help behind the usage line, and the table of the docs.
//
//   --max-batch N   requests decoded together, 1..256; more uses more memory (default 4)
#pragma once

#include <string>
#include <vector>

#include "base/options.h"

namespace octet {

// How the flag is written, as in `-o, --output DIR` or `--no-special`.
std::string FlagSyntax(const Option& option);

// Two columns: the flag; help with choices, limits and default. Long help goes on in the second column, at most 110
// wide.
std::string HelpText(const std::vector<Option>& list);

// A Markdown table: option, environment variable, meaning, default.
std::string MarkdownTable(const std::vector<Option>& list);

}  // namespace octet
