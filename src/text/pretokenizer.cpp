#include "text/pretokenizer.h"

#include "text/part_definition.h"
#include "text/pretokenizer_steps.h"

namespace octet {
namespace {

using Step = std::shared_ptr<const PreTokenizerStep>;

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
  const bool invert = OCTET_TRY(FlagOr(definition, "invert", false, where));
  const PartPattern pattern = OCTET_TRY(ReadPattern(definition, where));
  return MakeSplit(pattern.expression, behavior, invert, where);
}

Result<Step> ReadMetaspace(const Json& definition, std::string_view where) {
  const std::string replacement = OCTET_TRY(TextOr(definition, "replacement", "\u2581", where));
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
  } else if (!OCTET_TRY(FlagOr(definition, "add_prefix_space", true, where))) {
    prepend = MetaspaceStep::Prepend::kNever;
  }
  return Step(
      std::make_shared<MetaspaceStep>(replacement, prepend, OCTET_TRY(FlagOr(definition, "split", true, where))));
}

Result<Step> ReadCharDelimiter(const Json& definition, std::string_view where) {
  const std::string delimiter = OCTET_TRY(GetString(definition, "delimiter", where));
  return MakeSplit(EscapePattern(delimiter), SplitBehavior::kRemoved, false, where);
}

Step SplitAt(PatternScanner scanner, SplitBehavior behavior, bool invert = false) {
  return std::make_shared<SplitStep>(scanner, behavior, invert);
}

}  // namespace

Result<PreTokenizer> PreTokenizer::Make(const Json& definition, bool model_spells_bytes, std::string_view where) {
  PreTokenizer made;
  if (!definition.is_null()) OCTET_TRY(made.Add(definition, Cat(where, ": pre_tokenizer"), 0));
  if (made.byte_level_ && !model_spells_bytes) {
    made.steps_.push_back(std::make_shared<SpellBytesStep>());
    made.byte_level_ = false;
  }
  return made;
}

Status PreTokenizer::Add(const Json& definition, std::string_view where, int depth) {
  if (byte_level_) {
    steps_.push_back(std::make_shared<SpellBytesStep>());
    byte_level_ = false;
  }
  const std::string type = OCTET_TRY(GetString(definition, "type", where));
  if (type == "Sequence") {
    const Json* members = OCTET_TRY(SequenceMembers(definition, "pretokenizers", depth, where));
    for (const Json& member : *members) OCTET_TRY(Add(member, where, depth + 1));
  } else if (type == "ByteLevel") {
    if (OCTET_TRY(FlagOr(definition, "add_prefix_space", true, where)))
      steps_.push_back(std::make_shared<PrefixSpaceStep>());
    if (OCTET_TRY(FlagOr(definition, "use_regex", true, where))) {
      steps_.push_back(SplitAt(FindPatternScanner(kGpt2Pattern), SplitBehavior::kIsolated));
    }
    byte_level_ = true;
  } else if (type == "Split") {
    steps_.push_back(OCTET_TRY(ReadSplit(definition, where)));
  } else if (type == "Digits") {
    const bool individual = OCTET_TRY(FlagOr(definition, "individual_digits", false, where));
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
