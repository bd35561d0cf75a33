#include "cli/help.h"

#include <algorithm>

#include "base/options_help.h"
#include "octet/version.h"

namespace octet::cli {
namespace {

std::string Usage(const Verb& verb) {
  return Cat("octet ", verb.text.name, verb.text.words.empty() ? "" : " ", verb.text.words);
}

std::string Padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string Lines(const std::vector<const Verb*>& verbs) {
  size_t widest = 0;
  for (const Verb* verb : verbs) widest = std::max(widest, verb->text.name.size());
  std::string out;
  for (const Verb* verb : verbs) out += Cat("  ", Padded(verb->text.name, widest + 3), verb->text.summary, "\n");
  return out;
}

}  // namespace

std::string Overview(const std::vector<Verb>& verbs) {
  std::vector<const Verb*> all;
  all.reserve(verbs.size());
  for (const Verb& verb : verbs) all.push_back(&verb);
  return Cat(
      "octet VERB [options]    low-precision language models on this computer's CPU\n\n", Lines(all),
      "\n`octet help VERB` or `octet VERB --help` explains one; `octet --version` says what was built.\n"
      "Every option is also a variable OCTET_NAME and a key of a YAML file given by --config; a flag goes before a\n"
      "variable, a variable before the file. Results go to stdout, all else to stderr. Exit codes: 0 done; 2 wrong\n"
      "input; 1 out of memory, disk or limits, a fault, or a gate that failed; 129, 130 and 143 stopped by a "
      "signal.\n");
}

std::string HelpPage(const Verb& verb) {
  std::string page = Cat(Usage(verb), " [options]    ", verb.text.summary, "\n");
  if (!verb.text.example.empty()) page += Cat("  example: ", verb.text.example, "\n");
  return page + "\n" + HelpText(verb.options);
}

std::string GroupPage(std::string_view group, const std::vector<Verb>& verbs) {
  std::vector<const Verb*> members;
  for (const Verb& verb : verbs) {
    if (verb.text.name.starts_with(Cat(group, " "))) members.push_back(&verb);
  }
  return Cat("octet ", group, " WHAT [options]\n\n", Lines(members));
}

std::string OptionTables(const std::vector<Verb>& verbs) {
  const std::vector<Option> common = OptionList<CommonOptions>();
  std::string out = "# Options of every verb\n\nMade by `make docs` from the program's own tables.\n\n## all verbs\n" +
                    MarkdownTable(common);
  for (const Verb& verb : verbs) {
    std::vector<Option> own(verb.options.begin(), verb.options.end() - static_cast<ptrdiff_t>(common.size()));
    out += Cat("\n## `", Usage(verb), "`\n", verb.text.summary, "\n");
    if (!own.empty()) out += "\n" + MarkdownTable(own);
  }
  return out;
}

std::string VersionText() {
  const BuildInfo build = ThisBuild();
  std::string tiers;
  for (const std::string& tier : build.tiers) tiers += Cat(tiers.empty() ? "" : ", ", tier);
  return Cat("octet ", build.version, " (commit ", build.commit, ", ", build.compiler, ", ", build.build_type,
             ")\ntiers: ", tiers, "\n");
}

}  // namespace octet::cli
