// `octet completion`: scripts that let a shell complete verbs, options and choices.
#include <algorithm>

#include "cli/help.h"
#include "cli/verb.h"

namespace octet::cli {
namespace {

std::vector<std::string> FirstWords(const std::vector<Verb>& verbs) {
  std::vector<std::string> names;
  for (const Verb& verb : verbs) {
    std::string first = verb.text.name.substr(0, verb.text.name.find(' '));
    if (std::find(names.begin(), names.end(), first) == names.end()) names.push_back(std::move(first));
  }
  return names;
}

// The second words of a group, such as perplexity and compare of eval; none for a plain verb.
std::vector<std::string> SecondWords(std::string_view group, const std::vector<Verb>& verbs) {
  std::vector<std::string> names;
  for (const Verb& verb : verbs) {
    if (verb.text.name.starts_with(Cat(group, " "))) names.push_back(verb.text.name.substr(group.size() + 1));
  }
  return names;
}

std::string Joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out += Cat(out.empty() ? "" : between, word);
  return out;
}

std::vector<std::string> Flags(const Verb& verb) {
  std::vector<std::string> flags = {"--help"};
  for (const Option& option : verb.options) flags.push_back(option.default_on ? "--no-" + option.name : option.Flag());
  return flags;
}

// Cases of the word before the cursor that has choices, for bash and zsh alike: both know `case` and COMPREPLY.
std::string BashChoices(const Verb& verb) {
  std::string out;
  for (const Option& option : verb.options) {
    if (!option.choices.empty()) {
      out += Cat("    \"", verb.text.name, " ", option.Flag(), "\") words=\"", Joined(option.choices, " "), "\";;\n");
    }
  }
  return out;
}

std::string BashScript(const std::vector<Verb>& verbs) {
  std::string groups, flags, choices;
  for (const std::string& first : FirstWords(verbs)) {
    const std::vector<std::string> second = SecondWords(first, verbs);
    if (!second.empty())
      groups +=
          Cat("    ", first, ") [ \"$COMP_CWORD\" -eq 2 ] && words=\"", Joined(second, " "), "\"; verb=\"$1 $2\";;\n");
  }
  for (const Verb& verb : verbs) {
    flags += Cat("    \"", verb.text.name, "\") words=\"", Joined(Flags(verb), " "), "\";;\n");
    choices += BashChoices(verb);
  }
  return Cat(
      "# bash completion for octet; use: source <(octet completion bash)\n_octet() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" verb=\"${COMP_WORDS[1]}\" "
      "words=\"\"\n"
      "  set -- \"${COMP_WORDS[1]}\" \"${COMP_WORDS[2]}\"\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"",
      Joined(FirstWords(verbs), " "),
      " --help --version\" -- \"$current\"))\n    return\n  fi\n"
      "  case \"$verb\" in\n",
      groups,
      "    *) ;;\n  esac\n"
      "  case \"$verb $before\" in\n",
      choices,
      "    *) ;;\n  esac\n"
      "  if [ -z \"$words\" ] && [ \"${current#-}\" != \"$current\" ]; then\n    case \"$verb\" in\n",
      flags,
      "    *) ;;\n    esac\n  fi\n"
      "  if [ -n \"$words\" ]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\")); else COMPREPLY=($(compgen -f "
      "-- \"$current\")); fi\n"
      "}\ncomplete -o filenames -F _octet octet\n");
}

std::string ZshScript(const std::vector<Verb>& verbs) {
  return "#compdef octet\n# zsh completion for octet; use: source <(octet completion zsh)\nautoload -U +X bashcompinit "
         "&& bashcompinit\n" +
         BashScript(verbs);
}

// Inside single quotes of fish, a quote and a backslash take a backslash.
std::string FishQuoted(std::string_view text) {
  std::string out = "'";
  for (const char letter : text) {
    if (letter == '\'' || letter == '\\') out += '\\';
    out += letter;
  }
  return out + "'";
}

std::string FishScript(const std::vector<Verb>& verbs) {
  std::string out = "# fish completion for octet; use: octet completion fish | source\n";
  for (const std::string& first : FirstWords(verbs)) {
    const std::vector<std::string> second = SecondWords(first, verbs);
    out += Cat("complete -c octet -n __fish_use_subcommand -f -a ", first, "\n");
    if (!second.empty())
      out += Cat("complete -c octet -n '__fish_seen_subcommand_from ", first, "' -a ", FishQuoted(Joined(second, " ")),
                 "\n");
  }
  for (const Verb& verb : verbs) {
    const std::string last = verb.text.name.substr(verb.text.name.rfind(' ') + 1);
    for (const Option& option : verb.options) {
      out += Cat("complete -c octet -n '__fish_seen_subcommand_from ", last, "' -l ", option.default_on ? "no-" : "",
                 option.name);
      if (option.letter != 0) out += Cat(" -s ", option.letter);
      if (!option.choices.empty())
        out += Cat(" -x -a ", FishQuoted(Joined(option.choices, " ")));
      else if (!option.placeholder.empty())
        out += " -r";
      out += Cat(" -d ", FishQuoted(option.help), "\n");
    }
  }
  return out;
}

Status Completion(const NoOptions&, Invocation& call) {
  const std::string& shell = call.word(0);
  OCTET_TRY(internal::CheckChoice(shell, {"bash", "zsh", "fish"}, "SHELL"));
  const std::string script = CompletionScript(shell, Verbs());
  return call.json() ? call.PrintJson(Json{{"shell", shell}, {"script", script}}) : call.Print(script);
}

const RegisterVerb kCompletion(
    MakeVerb<NoOptions>({.name = "completion",
                         .words = "SHELL",
                         .summary = "a script that completes verbs and options in bash, zsh or fish",
                         .example = "source <(octet completion bash)"},
                        Completion));

}  // namespace

std::string CompletionScript(std::string_view shell, const std::vector<Verb>& verbs) {
  if (shell == "bash") return BashScript(verbs);
  if (shell == "zsh") return ZshScript(verbs);
  return FishScript(verbs);
}

}  // namespace octet::cli
