#include "cli/guide_flags.h"

#include <utility>

#include "base/mapped_file.h"

namespace octet::cli {
namespace {

constexpr size_t kMostGuideBytes = size_t{1} << 20;

using Kind = GrammarSource::Kind;

Result<GrammarSource> ReadOne(const GuideFlags& flags) {
  if (!flags.json_schema.empty())
    return GrammarSource{Kind::kJsonSchema, OCTET_TRY(ReadTextFile(flags.json_schema, kMostGuideBytes)), {}};
  if (!flags.grammar.empty())
    return GrammarSource{Kind::kGbnf, OCTET_TRY(ReadTextFile(flags.grammar, kMostGuideBytes)), {}};
  if (flags.regex) return GrammarSource{Kind::kRegex, *flags.regex, {}};
  if (!flags.choice.empty()) return GrammarSource{Kind::kChoices, {}, flags.choice};
  return GrammarSource{Kind::kJsonObject, {}, {}};
}

std::string_view FlagOf(Kind kind) {
  switch (kind) {
    case Kind::kJsonObject:
      return "--json-object: ";
    case Kind::kJsonSchema:
      return "--json-schema: ";
    case Kind::kRegex:
      return "--regex: ";
    case Kind::kChoices:
      return "--choice: ";
    case Kind::kGbnf:
      return "--grammar: ";
    case Kind::kCalls:  // no flag asks for calls
      break;
  }
  return "";
}

}  // namespace

Result<std::optional<GrammarSource>> ReadGuide(const GuideFlags& flags) {
  const int given = (flags.json_object ? 1 : 0) + (flags.json_schema.empty() ? 0 : 1) + (flags.regex ? 1 : 0) +
                    (flags.grammar.empty() ? 0 : 1) + (flags.choice.empty() ? 0 : 1);
  if (given == 0) return std::nullopt;
  if (given > 1) {
    return Fail(ErrorCode::kInvalidArgument,
                "--json-object, --json-schema, --regex, --grammar and --choice exclude each other; ", given,
                " were given");
  }
  GrammarSource source = OCTET_TRY(ReadOne(flags));
  const auto compiled = CompileSource(source);
  if (!compiled) return Prefixed(compiled.error(), FlagOf(source.kind));
  return std::optional(std::move(source));
}

}  // namespace octet::cli
