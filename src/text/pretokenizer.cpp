#include "text/pretokenizer.h"

#include "text/pretokenizer_steps.h"

namespace octet {
namespace {

constexpr int kDeepestSequence = 16;

using Step = std::shared_ptr<const PreTokenizerStep>;

Result<bool> Flag(const Json& definition, std::string_view key, bool otherwise, std::string_view where) {
  if (FindMember(definition, key) == nullptr) return otherwise;
  return GetBool(definition, key, where);
}

Result<SplitBehavior> ReadBehavior(const Json& definition, SplitBehavior otherwise, std::string_view where) {
  if (FindMember(definition, "behavior") == nullptr) return otherwise;
  const std::string name = OCTET_TRY(GetString(definition, "behavior", where));
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return Fail(ErrorCode::kUnsupported, where, ": split behavior `", name, "`");
}

// {"Regex": "..."} or {"String": "..."}.
Result<Step> MakeSplit(std::string_view expression, SplitBehavior behavior, bool invert, std::string_view where) {
  if (const PatternScanner scanner = FindPatternScanner(expression))
    return Step(std::make_shared<SplitStep>(scanner, behavior, invert));
  return Step(std::make_shared<SplitStep>(OCTET_TRY(Regex::Compile(expression, where)), behavior, invert));
}

Result<Step> ReadSplit(const Json& definition, std::string_view where) {
  const SplitBehavior behavior = OCTET_TRY(ReadBehavior(definition, SplitBehavior::kIsolated, where));
  const bool invert = OCTET_TRY(Flag(definition, "invert", false, where));
  const Json* pattern = FindMember(definition, "pattern");
  if (pattern == nullptr) return Fail(ErrorCode::kCorrupt, where, ": a Split without `pattern`");
  if (FindMember(*pattern, "String") != nullptr) {
    const std::string literal = OCTET_TRY(GetString(*pattern, "String", where));
    return MakeSplit(EscapePattern(literal), behavior, invert, where);
  }
  const std::string expression = OCTET_TRY(GetString(*pattern, "Regex", where));
  return MakeSplit(expression, behavior, invert, where);
}

Result<Step> ReadMetaspace(const Json& definition, std::string_view where) {
  const std::string replacement =
      FindMember(definition, "replacement") ? OCTET_TRY(GetString(definition, "replacement", where)) : "\u2581";
  if (replacement.empty()) return Fail(ErrorCode::kCorrupt, where, ": a Metaspace with an empty replacement");
  auto prepend = MetaspaceStep::Prepend::kAlways;
  if (FindMember(definition, "prepend_scheme") != nullptr) {
    const std::string scheme = OCTET_TRY(GetString(definition, "prepend_scheme", where));
    if (scheme == "never")
      prepend = MetaspaceStep::Prepend::kNever;
    else if (scheme == "first")
      prepend = MetaspaceStep::Prepend::kFirst;
    else if (scheme != "always")
      return Fail(ErrorCode::kUnsupported, where, ": Metaspace prepend scheme `", scheme, "`");
  } else if (!OCTET_TRY(Flag(definition, "add_prefix_space", true, where))) {
    prepend = MetaspaceStep::Prepend::kNever;
  }
  return Step(std::make_shared<MetaspaceStep>(replacement, prepend, OCTET_TRY(Flag(definition, "split", true, where))));
}

Result<Step> ReadCharDelimiter(const Json& definition, std::string_view where) {
  const std::string delimiter = OCTET_TRY(GetString(definition, "delimiter", where));
  return MakeSplit(EscapePattern(delimiter), SplitBehavior::kRemoved, false, where);
}

Step SplitAt(PatternScanner scanner, SplitBehavior behavior, bool invert = false) {
  return std::make_shared<SplitStep>(scanner, behavior, invert);
}

}  // namespace

Result<PreTokenizer> PreTokenizer::Make(const Json& definition, std::string_view where) {
  PreTokenizer made;
  if (!definition.is_null()) OCTET_TRY(made.Add(definition, Cat(where, ": pre_tokenizer"), 0));
  return made;
}

Status PreTokenizer::Add(const Json& definition, std::string_view where, int depth) {
  if (byte_level_) {
    steps_.push_back(std::make_shared<SpellBytesStep>());
    byte_level_ = false;
  }
  const std::string type = OCTET_TRY(GetString(definition, "type", where));
  if (type == "Sequence") {
    const Json* members = FindMember(definition, "pretokenizers");
    if (members == nullptr || !members->is_array())
      return Fail(ErrorCode::kCorrupt, where, ": a Sequence without `pretokenizers`");
    if (depth == kDeepestSequence)
      return Fail(ErrorCode::kCorrupt, where, ": sequences nested deeper than ", kDeepestSequence);
    for (const Json& member : *members) OCTET_TRY(Add(member, where, depth + 1));
  } else if (type == "ByteLevel") {
    if (OCTET_TRY(Flag(definition, "add_prefix_space", true, where)))
      steps_.push_back(std::make_shared<PrefixSpaceStep>());
    if (OCTET_TRY(Flag(definition, "use_regex", true, where))) {
      steps_.push_back(SplitAt(FindPatternScanner(kGpt2Pattern), SplitBehavior::kIsolated));
    }
    byte_level_ = true;
  } else if (type == "Split") {
    steps_.push_back(OCTET_TRY(ReadSplit(definition, where)));
  } else if (type == "Digits") {
    const bool individual = OCTET_TRY(Flag(definition, "individual_digits", false, where));
    steps_.push_back(SplitAt(NumberScanner(), individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  } else if (type == "Metaspace") {
    steps_.push_back(OCTET_TRY(ReadMetaspace(definition, where)));
  } else if (type == "Whitespace") {
    steps_.push_back(SplitAt(WordOrSymbolsScanner(), SplitBehavior::kRemoved, true));
  } else if (type == "WhitespaceSplit") {
    steps_.push_back(SplitAt(WhitespaceScanner(), SplitBehavior::kRemoved));
  } else if (type == "Punctuation") {
    steps_.push_back(
        SplitAt(PunctuationScanner(), OCTET_TRY(ReadBehavior(definition, SplitBehavior::kIsolated, where))));
  } else if (type == "BertPreTokenizer") {
    steps_.push_back(SplitAt(WhitespaceScanner(), SplitBehavior::kRemoved));
    steps_.push_back(SplitAt(PunctuationScanner(), SplitBehavior::kIsolated));
  } else if (type == "CharDelimiterSplit") {
    steps_.push_back(OCTET_TRY(ReadCharDelimiter(definition, where)));
  } else {
    return Fail(ErrorCode::kUnsupported, where, ": type `", type, "` is unknown to this build");
  }
  return {};
}

}  // namespace octet
