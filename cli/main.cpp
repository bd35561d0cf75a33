// Entry of the program `octet`: finds the verb named first, hands it the other words, turns its outcome into an exit
// code.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>

#include "base/cut_files.h"
#include "base/message.h"
#include "base/nearest.h"
#include "cli/help.h"
#include "cli/signals.h"
#include "cli/verb.h"
#include "kernels/kernel_table.h"

extern char** environ;

namespace octet::cli {
namespace {

constexpr int kDone = 0, kFailed = 1, kWrongInput = 2;

int ExitCode(ErrorCode code) {
  return code == ErrorCode::kExhausted || code == ErrorCode::kInternal ? kFailed : kWrongInput;
}

// Prints the error after the verb's name; a signal's exit code goes before the error's.
int Report(std::string_view who, const Error& error) {
  if (error.code == ErrorCode::kCancelled) return LastSignal() != 0 ? 128 + LastSignal() : kDone;
  std::fprintf(stderr, "%s\n", SafeMessage(Cat(who, ": ", error.message)).c_str());
  return ExitCode(error.code);
}

std::map<std::string, std::string> OctetVariables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (text.starts_with("OCTET_") && equals != std::string_view::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

// A variable that no verb reads is a typing error that would otherwise pass in silence.
Status CheckVariables(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> known = {"OCTET_CPU", "OCTET_API_KEYS", "OCTET_API_KEY"};
  for (const Verb& verb : Verbs()) {
    for (const Option& option : verb.options) known.push_back(option.Variable());
  }
  for (const auto& [name, text] : variables) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string hint = DidYouMean(name, known);
    return Fail(ErrorCode::kInvalidArgument, "unknown variable ", name,
                hint.empty() ? "; unset it, names with OCTET_ in front are options" : hint);
  }
  return {};
}

// Forcing a CPU tier that can't run is an error of the call, whatever the verb.
Status CheckTier(const std::map<std::string, std::string>& variables) {
  const auto wish = variables.find("OCTET_CPU");
  if (wish == variables.end()) return {};
  OCTET_TRY(kernels::SelectKernels(wish->second));
  return {};
}

const Verb* FindVerb(std::string_view name) {
  for (const Verb& verb : Verbs()) {
    if (verb.text.name == name) return &verb;
  }
  return nullptr;
}

// A first word that alone is no verb, such as eval; bench is one, although there is a bench serve.
bool IsGroup(std::string_view name) {
  return FindVerb(name) == nullptr && std::any_of(Verbs().begin(), Verbs().end(), [&](const Verb& verb) {
           return verb.text.name.starts_with(Cat(name, " "));
         });
}

Error UnknownVerb(const std::string& name) {
  std::vector<std::string> names = {"help", "--help", "--version"};
  for (const Verb& verb : Verbs()) {
    const size_t space = verb.text.name.find(' ');
    const bool same_group = space != std::string::npos && name.starts_with(verb.text.name.substr(0, space + 1));
    names.push_back(same_group ? verb.text.name : verb.text.name.substr(0, space));
  }
  const std::string hint = DidYouMean(name, names);
  return {ErrorCode::kInvalidArgument,
          Cat("no verb `", name, "`", hint.empty() ? ";" : hint, " `octet --help` lists all")};
}

// The verb that the first word, or the first two, name.
Result<const Verb*> NamedVerb(const std::vector<std::string>& words, size_t& used) {
  used = 2;
  if (words.size() > 1) {  // first, since `bench serve` and `bench` are both verbs
    if (const Verb* verb = FindVerb(words[0] + " " + words[1])) return verb;
  }
  used = 1;
  if (const Verb* verb = FindVerb(words[0])) return verb;
  if (!IsGroup(words[0])) return tl::unexpected(UnknownVerb(words[0]));
  if (words.size() < 2)
    return Fail(ErrorCode::kInvalidArgument, words[0], " of what? `octet help ", words[0], "` lists the choices");
  return tl::unexpected(UnknownVerb(words[0] + " " + words[1]));
}

int Print(std::string_view text) {
  CancelFlag cancel;
  Invocation call({}, false, cancel);
  const Status printed = call.Print(text);
  return printed ? kDone : Report("octet", printed.error());
}

int Help(const std::vector<std::string>& words) {
  if (words.empty()) return Print(Overview(Verbs()));
  if (words[0] == "--markdown") return Print(OptionTables(Verbs()));
  if (words.size() == 1 && IsGroup(words[0])) return Print(GroupPage(words[0], Verbs()));
  size_t used = 0;
  const Result<const Verb*> verb = NamedVerb(words, used);
  return verb ? Print(HelpPage(**verb)) : Report("octet help", verb.error());
}

int Version(const std::vector<std::string>& words) {
  const Status alone = CheckWords(words, "", "octet --help");
  return alone ? Print(VersionText()) : Report("octet --version", alone.error());
}

bool AsksForHelp(const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::any_of(words.begin(), end, [](const std::string& word) { return word == "--help" || word == "-h"; });
}

int RunProgram(const std::vector<std::string>& words) {
  static CancelFlag cancel;
  CatchSignals(cancel);
  ReportCutFiles("octet", kFailed);
  if (words.empty()) {
    std::fputs(Overview(Verbs()).c_str(), stderr);
    return kWrongInput;
  }
  if (words[0] == "--help" || words[0] == "-h") return Print(Overview(Verbs()));
  if (words[0] == "--version") return Version({words.begin() + 1, words.end()});
  if (words[0] == "help") return Help({words.begin() + 1, words.end()});
  if (AsksForHelp(words) && IsGroup(words[0]) && (words.size() == 1 || words[1].starts_with('-')))
    return Help({words[0]});

  size_t used = 0;
  const Result<const Verb*> verb = NamedVerb(words, used);
  if (!verb) return Report("octet", verb.error());
  if (AsksForHelp(words)) return Print(HelpPage(**verb));

  const std::string name = "octet " + (*verb)->text.name;
  OptionInput input{std::span(words).subspan(used), OctetVariables(), name + " --help"};
  bool gate_failed = false;
  Status outcome = CheckVariables(input.environment);
  if (outcome) outcome = CheckTier(input.environment);
  if (outcome) outcome = (*verb)->run(input, cancel, gate_failed);
  if (!outcome) return Report(name, outcome.error());
  return gate_failed ? kFailed : kDone;
}

}  // namespace
}  // namespace octet::cli

int main(int count, char** words) {
  // Libraries below may throw where memory ends; that is the one thing caught here.
  try {
    return octet::cli::RunProgram(std::vector<std::string>(words + 1, words + count));
  } catch (const std::bad_alloc&) {
    std::fputs("octet: out of memory; try a smaller context or fewer users\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "octet: internal fault: %s\n", octet::SafeMessage(error.what()).c_str());
  }
  return octet::cli::kFailed;
}
