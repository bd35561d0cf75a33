// `octet completion`: scripts that let a shell complete verbs, options and choices.
#include <algorithm>

#include "cli/help.h"
#include "cli/verb.h"
#include "quantize/recipe.h"

namespace octet::cli {
namespace {

const std::vector<std::string> kShells = {"bash", "zsh", "fish"};

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

// What may stand behind the option; empty where anything may.
std::vector<std::string> Choices(const Verb& verb, const Option& option) {
  if (verb.text.name != "quantize" || option.name != "to") return option.choices;
  std::vector<std::string> names;
  for (const Recipe& recipe : Recipes()) names.emplace_back(recipe.name);
  return names;
}

bool TakesFile(const Option& option) {
  return option.placeholder.find("FILE") != std::string::npos || option.placeholder == "DIR";
}

// Cases of the word before the cursor, for bash and zsh alike: both know `case` and COMPREPLY. Only behind an option
// that takes a file are there names of files.
std::string BashValues(const Verb& verb) {
  std::string out;
  for (const Option& option : verb.options) {
    const std::vector<std::string> choices = Choices(verb, option);
    if (option.is_switch || (choices.empty() && TakesFile(option))) continue;
    out += Cat("    \"", verb.text.name, " ", option.Flag(), "\") ",
               choices.empty() ? "return" : Cat("words=\"", Joined(choices, " "), "\""), ";;\n");
  }
  return out;
}

bool IsVerb(std::string_view name, const std::vector<Verb>& verbs) {
  return std::any_of(verbs.begin(), verbs.end(), [&](const Verb& verb) { return verb.text.name == name; });
}

// Words that stand beside the flags: the second of a group, a shell, a verb to explain. Behind a verb that has others
// behind it (bench, bench serve) a file may stand as well, so that no words are offered.
std::string BashWords(const std::vector<Verb>& verbs) {
  std::string out, explained;
  for (const std::string& first : FirstWords(verbs)) {
    const std::vector<std::string> second = SecondWords(first, verbs);
    if (second.empty()) continue;
    const std::string words = Cat("words=\"", Joined(second, " "), "\"");
    if (IsVerb(first, verbs))
      out += Cat("    ", first, ") case \"$2\" in ", Joined(second, "|"),
                 ") [ \"$COMP_CWORD\" -gt 2 ] && verb=\"$1 $2\";; esac;;\n");
    else
      out += Cat("    ", first, ") [ \"$COMP_CWORD\" -eq 2 ] && ", words, "; verb=\"$1 $2\";;\n");
    explained += Cat("    \"help ", first, "\") [ \"$COMP_CWORD\" -eq 3 ] && ", words, ";;\n");
  }
  return Cat("  case \"$verb\" in\n", out, "    completion) [ \"$COMP_CWORD\" -eq 2 ] && words=\"",
             Joined(kShells, " "), "\";;\n    help) [ \"$COMP_CWORD\" -eq 2 ] && words=\"",
             Joined(FirstWords(verbs), " "), "\";;\n  esac\n  case \"$verb $2\" in\n", explained,
             "    *) ;;\n  esac\n");
}

// bash cuts --load=map into three words, zsh leaves it one.
constexpr std::string_view kBashStart = R"(# bash completion for octet; use: source <(octet completion bash)
_octet() {
  local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" verb="${COMP_WORDS[1]}"
  local prefix="" words=""
  set -- "${COMP_WORDS[1]}" "${COMP_WORDS[2]}"
  COMPREPLY=()
  if [ "$current" = "=" ]; then
    current=""
  elif [ "$before" = "=" ]; then
    before="${COMP_WORDS[COMP_CWORD-2]}"
  elif [[ "$current" == --*=* ]]; then
    before="${current%%=*}" prefix="${current%%=*}=" current="${current#*=}"
  fi
)";

constexpr std::string_view kBashEnd = R"(  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$current"))
  elif [ "$verb" != help ]; then
    local IFS=$'\n'
    COMPREPLY=($(compgen -P "$prefix" -f -- "$current"))
  fi
}
complete -o filenames -F _octet octet
)";

std::string BashScript(const std::vector<Verb>& verbs) {
  std::string flags, values;
  for (const Verb& verb : verbs) {
    flags += Cat("    \"", verb.text.name, "\") words=\"", Joined(Flags(verb), " "), "\";;\n");
    values += BashValues(verb);
  }
  return Cat(kBashStart, "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"",
             Joined(FirstWords(verbs), " "), " help --help --version\" -- \"$current\"))\n    return\n  fi\n",
             BashWords(verbs), "  if [ \"${current#-}\" != \"$current\" ]; then\n    case \"$verb\" in\n", flags,
             "    *) ;;\n    esac\n  fi\n  case \"$verb $before\" in\n", values, "    *) ;;\n  esac\n", kBashEnd);
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
  out += "complete -c octet -n __fish_use_subcommand -f -a help\n";
  out += Cat("complete -c octet -n '__fish_seen_subcommand_from help' -f -a ",
             FishQuoted(Joined(FirstWords(verbs), " ")), "\n");
  out += Cat("complete -c octet -n '__fish_seen_subcommand_from completion' -f -a ", FishQuoted(Joined(kShells, " ")),
             "\n");
  for (const Verb& verb : verbs) {
    std::string seen = Cat("__fish_seen_subcommand_from ", verb.text.name);
    if (const size_t space = seen.find(' ', seen.find(' ') + 1); space != std::string::npos)
      seen.insert(space, "; and __fish_seen_subcommand_from");
    for (const Option& option : verb.options) {
      out += Cat("complete -c octet -n '", seen, "' -l ", option.default_on ? "no-" : "", option.name);
      if (option.letter != 0) out += Cat(" -s ", option.letter);
      const std::vector<std::string> choices = Choices(verb, option);
      if (!choices.empty())
        out += Cat(" -x -a ", FishQuoted(Joined(choices, " ")));
      else if (!option.is_switch)
        out += TakesFile(option) ? " -r" : " -x";
      out += Cat(" -d ", FishQuoted(option.help), "\n");
    }
  }
  return out;
}

Status Completion(const NoOptions&, Invocation& call) {
  const std::string& shell = call.word(0);
  OCTET_TRY(internal::CheckChoice(shell, kShells, "SHELL"));
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
