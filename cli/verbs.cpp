// The list of verbs and what each call of one shares.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/json_text.h"
#include "base/log.h"
#include "base/message.h"
#include "cli/verb.h"

namespace octet::cli {
namespace {

// By the chain from data to answers; a verb that isn't named here comes last.
constexpr std::array<std::string_view, 15> kOrder = {"import", "show",  "plan",   "tokenize",   "quantize",
                                                     "build",  "run",   "chat",   "embed",      "serve",
                                                     "eval",   "bench", "doctor", "completion", "help"};

size_t Place(const Verb& verb) {
  const std::string_view group = std::string_view(verb.text.name).substr(0, verb.text.name.find(' '));
  return static_cast<size_t>(std::find(kOrder.begin(), kOrder.end(), group) - kOrder.begin());
}

std::vector<Verb>& MutableVerbs() {
  static std::vector<Verb> verbs;
  return verbs;
}

std::vector<std::string_view> SplitWords(std::string_view pattern) {
  std::vector<std::string_view> parts;
  while (!pattern.empty()) {
    const size_t space = pattern.find(' ');
    parts.push_back(pattern.substr(0, space));
    pattern = space == std::string_view::npos ? std::string_view() : pattern.substr(space + 1);
  }
  return parts;
}

}  // namespace

const std::vector<Verb>& Verbs() { return MutableVerbs(); }

RegisterVerb::RegisterVerb(Verb verb) {
  std::vector<Verb>& verbs = MutableVerbs();
  const auto before = [](const Verb& a, const Verb& b) {
    return Place(a) != Place(b) ? Place(a) < Place(b) : a.text.name < b.text.name;
  };
  verbs.insert(std::upper_bound(verbs.begin(), verbs.end(), verb, before), std::move(verb));
}

Status CheckWords(const std::vector<std::string>& words, std::string_view pattern, std::string_view help_command) {
  const std::vector<std::string_view> parts = SplitWords(pattern);
  const bool open_ended = !parts.empty() && parts.back().find("...") != std::string_view::npos;
  const auto optional = static_cast<size_t>(
      std::count_if(parts.begin(), parts.end(), [](std::string_view part) { return part[0] == '['; }));
  if (words.size() < parts.size() - optional) {
    return Fail(ErrorCode::kInvalidArgument, parts[words.size()], " is missing; `", help_command, "` explains it");
  }
  if (words.size() > parts.size() && !open_ended) {
    return Fail(ErrorCode::kInvalidArgument, "`", words[parts.size()], "` is one word too many; `", help_command,
                "` explains it");
  }
  // An unset variable of the shell, most often.
  const auto empty = std::find(words.begin(), words.end(), "");
  if (empty == words.end()) return {};
  std::string_view part = parts[std::min(static_cast<size_t>(empty - words.begin()), parts.size() - 1)];
  if (part[0] == '[') part = part.substr(1, part.find(']') - 1);
  return Fail(ErrorCode::kInvalidArgument, part, " is empty; `", help_command, "` explains it");
}

void UseLogLevel(std::string_view level) {
  const LogLevel least = level == "debug" ? LogLevel::kDebug : level == "info" ? LogLevel::kInfo : LogLevel::kWarning;
  SetLogSink(
      [](LogLevel, std::string_view message) { std::fprintf(stderr, "octet: %s\n", SafeMessage(message).c_str()); },
      least);
}

Status Invocation::Print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) return Fail(ErrorCode::kCancelled, "nobody reads standard output any more");
    if (written < 0) return Fail(ErrorCode::kExhausted, "standard output: ", std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status Invocation::PrintJson(const Json& json) { return Print(Dump(json) + "\n"); }

void Invocation::Note(std::string_view line) { std::fprintf(stderr, "%s\n", SafeMessage(line).c_str()); }

void Invocation::FailGate(std::string_view why) {
  gate_failed_ = true;
  Note(why);
}

}  // namespace octet::cli
