#include "base/options_help.h"

#include <algorithm>
#include <sstream>

namespace octet {
namespace {

constexpr size_t kWidth = 110;
constexpr size_t kWidestFlag = 30;  // longer ones get a line of their own

std::string Limits(const Option& option) {
  std::string text;
  for (const std::string& choice : option.choices) text += (text.empty() ? "" : "|") + choice;
  if (!option.range) return text;
  if (option.range->high == kNoLimit) return "at least " + internal::PrintNumber(option.range->low);
  return internal::PrintNumber(option.range->low) + ".." + internal::PrintNumber(option.range->high);
}

std::string Meaning(const Option& option) {
  std::string text = option.help;
  const std::string limits = Limits(option);
  if (!limits.empty()) text += ", " + limits;
  if (option.required) text += " (required)";
  if (!option.is_switch && !option.default_text.empty()) text += " (default " + option.default_text + ")";
  if (option.default_on) text += " (on by default)";
  return text;
}

// Appends words, breaking lines before kWidth and going on at `indent`.
void Wrap(std::string& out, size_t column, size_t indent, const std::string& text) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (column > indent && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  out += '\n';
}

std::string EscapedForTable(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

}  // namespace

std::string FlagSyntax(const Option& option) {
  std::string text = option.letter != 0 ? Cat("-", option.letter, ", ") : std::string();
  text += option.default_on ? "--no-" + option.name : option.Flag();
  if (!option.placeholder.empty()) text += " " + option.placeholder;
  return text;
}

std::string HelpText(const std::vector<Option>& list) {
  size_t widest = 0;
  for (const Option& option : list) {
    const size_t width = FlagSyntax(option).size();
    if (width <= kWidestFlag) widest = std::max(widest, width);
  }
  const size_t indent = widest + 5;
  std::string out;
  for (const Option& option : list) {
    const std::string flag = FlagSyntax(option);
    out += "  " + flag;
    if (flag.size() > widest)
      out += "\n" + std::string(indent, ' ');
    else
      out += std::string(indent - 2 - flag.size(), ' ');
    Wrap(out, indent, indent, Meaning(option));
  }
  return out;
}

std::string MarkdownTable(const std::vector<Option>& list) {
  std::string out = "| option | variable | meaning |\n|---|---|---|\n";
  for (const Option& option : list) {
    out += Cat("| `", EscapedForTable(FlagSyntax(option)), "` | `", option.Variable(), "` | ",
               EscapedForTable(Meaning(option)), " |\n");
  }
  return out;
}

}  // namespace octet
