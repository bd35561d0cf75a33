// Texts about verbs: the overview, one verb's page, completion scripts, the options' table of the docs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/verb.h"

namespace octet::cli {

std::string Overview(const std::vector<Verb>& verbs);
std::string HelpPage(const Verb& verb);
// The verbs of a group, such as `eval`.
std::string GroupPage(std::string_view group, const std::vector<Verb>& verbs);
std::string OptionTables(const std::vector<Verb>& verbs);
std::string VersionText();

// `shell` is bash, zsh or fish.
std::string CompletionScript(std::string_view shell, const std::vector<Verb>& verbs);

}  // namespace octet::cli
