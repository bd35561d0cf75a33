#include "text/normalizer.h"

#include "text/normalizer_steps.h"
#include "text/part_definition.h"

namespace octet {
namespace {

using Step = std::shared_ptr<const NormalizerStep>;

Step Form(NormalizationForm form) { return std::make_shared<UnicodeFormStep>(form); }
Step PerCharacter(CharacterStep::Change change) { return std::make_shared<CharacterStep>(change); }

Result<Step> ReadReplace(const Json& definition, std::string_view where) {
  PartPattern pattern = OCTET_TRY(ReadPattern(definition, where));
  std::string content = OCTET_TRY(GetString(definition, "content", where));
  Regex regex = OCTET_TRY(Regex::Compile(pattern.expression, where));
  return Step(std::make_shared<ReplaceStep>(std::move(regex), std::move(pattern.literal), std::move(content)));
}

Result<Step> ReadPrecompiled(const Json& definition, std::string_view where) {
  const std::string encoded = OCTET_TRY(GetString(definition, "precompiled_charsmap", where));
  const std::optional<std::string> bytes = DecodeBase64(encoded);
  if (!bytes) return Fail(ErrorCode::kCorrupt, where, ": `precompiled_charsmap` is not base64");
  return Step(std::make_shared<CharsmapStep>(OCTET_TRY(Charsmap::Parse(*bytes, where))));
}

Status AddBert(const Json& definition, std::string_view where, std::vector<Step>& steps) {
  const bool lowercase = OCTET_TRY(FlagOr(definition, "lowercase", true, where));
  if (OCTET_TRY(FlagOr(definition, "clean_text", true, where))) steps.push_back(PerCharacter(CleanBertChar));
  if (OCTET_TRY(FlagOr(definition, "handle_chinese_chars", true, where)))
    steps.push_back(PerCharacter(SpaceChineseChar));
  if (OCTET_TRY(FlagOr(definition, "strip_accents", lowercase, where))) {
    steps.push_back(Form(NormalizationForm::kNfd));
    steps.push_back(PerCharacter(DropNonspacing));
  }
  if (lowercase) steps.push_back(PerCharacter(LowercaseChar));
  return {};
}

}  // namespace

Result<Normalizer> Normalizer::Make(const Json& definition, std::string_view where) {
  Normalizer made;
  if (!definition.is_null()) OCTET_TRY(made.Add(definition, Cat(where, ": normalizer"), 0));
  return made;
}

Status Normalizer::Add(const Json& definition, std::string_view where, int depth) {
  const std::string type = OCTET_TRY(GetString(definition, "type", where));
  spells_bytes_ = type == "ByteLevel";
  if (type == "Sequence") {
    const Json* members = OCTET_TRY(SequenceMembers(definition, "normalizers", depth, where));
    for (const Json& member : *members) OCTET_TRY(Add(member, where, depth + 1));
  } else if (type == "NFC") {
    steps_.push_back(Form(NormalizationForm::kNfc));
  } else if (type == "NFD") {
    steps_.push_back(Form(NormalizationForm::kNfd));
  } else if (type == "NFKC") {
    steps_.push_back(Form(NormalizationForm::kNfkc));
  } else if (type == "NFKD") {
    steps_.push_back(Form(NormalizationForm::kNfkd));
  } else if (type == "Lowercase") {
    steps_.push_back(PerCharacter(LowercaseChar));
  } else if (type == "StripAccents") {
    steps_.push_back(PerCharacter(DropMark));
  } else if (type == "Nmt") {
    steps_.push_back(PerCharacter(CleanNmtChar));
  } else if (type == "ByteLevel") {
    steps_.push_back(PerCharacter(SpellChar));
  } else if (type == "Strip") {
    const bool left = OCTET_TRY(FlagOr(definition, "strip_left", true, where));
    steps_.push_back(std::make_shared<StripStep>(left, OCTET_TRY(FlagOr(definition, "strip_right", true, where))));
  } else if (type == "Prepend") {
    steps_.push_back(std::make_shared<PrependStep>(OCTET_TRY(GetString(definition, "prepend", where))));
  } else if (type == "Replace") {
    steps_.push_back(OCTET_TRY(ReadReplace(definition, where)));
  } else if (type == "Precompiled") {
    steps_.push_back(OCTET_TRY(ReadPrecompiled(definition, where)));
  } else if (type == "BertNormalizer") {
    OCTET_TRY(AddBert(definition, where, steps_));
  } else {
    return Fail(ErrorCode::kUnsupported, where, ": type `", type, "` is unknown to this build");
  }
  return {};
}

}  // namespace octet
