#include "text/token_decoder.h"

#include "text/decoder_stages.h"
#include "text/utf8.h"

namespace octet {
namespace {

constexpr int kDeepestSequence = 16;

Result<bool> Flag(const Json& definition, std::string_view key, bool otherwise, std::string_view where) {
  if (FindMember(definition, key) == nullptr) return otherwise;
  return GetBool(definition, key, where);
}

Result<std::string> Text(const Json& definition, std::string_view key, std::string_view otherwise,
                         std::string_view where) {
  if (FindMember(definition, key) == nullptr) return std::string(otherwise);
  return GetString(definition, key, where);
}

struct Replacement {
  Regex pattern;
  std::string literal;
  std::string content;
};

Result<Replacement> ReadReplacement(const Json& definition, std::string_view where) {
  const Json* pattern = FindMember(definition, "pattern");
  if (pattern == nullptr) return Fail(ErrorCode::kCorrupt, where, ": a Replace without `pattern`");
  Replacement found;
  found.content = OCTET_TRY(GetString(definition, "content", where));
  const bool literal = FindMember(*pattern, "String") != nullptr;
  if (literal) found.literal = OCTET_TRY(GetString(*pattern, "String", where));
  const std::string expression =
      literal ? EscapePattern(found.literal) : OCTET_TRY(GetString(*pattern, "Regex", where));
  found.pattern = OCTET_TRY(Regex::Compile(expression, where));
  return found;
}

struct Strip {
  std::string content;
  size_t start = 0;
  size_t stop = 0;
};

Result<Strip> ReadStrip(const Json& definition, std::string_view where) {
  const int64_t start = OCTET_TRY(GetInteger(definition, "start", where)),
                stop = OCTET_TRY(GetInteger(definition, "stop", where));
  Strip found{OCTET_TRY(GetString(definition, "content", where))};
  if (found.content.empty() || start < 0 || stop < 0)
    return Fail(ErrorCode::kCorrupt, where, ": a Strip with empty content or negative counts");
  found.start = static_cast<size_t>(start);
  found.stop = static_cast<size_t>(stop);
  return found;
}

}  // namespace

Result<TokenDecoder> TokenDecoder::Make(const Json& definition, std::string_view where) {
  TokenDecoder made;
  if (definition.is_null()) {
    made.makers_.push_back([] { return std::make_unique<JoinStage>(); });
    return made;
  }
  OCTET_TRY(made.Add(definition, Cat(where, ": decoder"), 0));
  const Json* type = FindMember(definition, "type");
  made.only_byte_level_ = type != nullptr && *type == "ByteLevel";
  return made;
}

Status TokenDecoder::Add(const Json& definition, std::string_view where, int depth) {
  const std::string type = OCTET_TRY(GetString(definition, "type", where));
  const bool fused = fused_;
  if (type == "Sequence") {
    const Json* members = FindMember(definition, "decoders");
    if (members == nullptr || !members->is_array())
      return Fail(ErrorCode::kCorrupt, where, ": a Sequence without `decoders`");
    if (depth == kDeepestSequence)
      return Fail(ErrorCode::kCorrupt, where, ": sequences nested deeper than ", kDeepestSequence);
    for (const Json& member : *members) OCTET_TRY(Add(member, where, depth + 1));
  } else if (type == "ByteLevel") {
    makers_.push_back([] { return std::make_unique<ByteLevelStage>(); });
    fused_ = true;
  } else if (type == "ByteFallback") {
    makers_.push_back([] { return std::make_unique<ByteFallbackStage>(); });
  } else if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Metaspace") {
    const std::string replacement = OCTET_TRY(Text(definition, "replacement", "\u2581", where));
    const bool drops = OCTET_TRY(Text(definition, "prepend_scheme", "always", where)) != "never" &&
                       OCTET_TRY(Flag(definition, "add_prefix_space", true, where));
    makers_.push_back([=] { return std::make_unique<MetaspaceStage>(replacement, drops, fused); });
  } else if (type == "Replace") {
    const Replacement found = OCTET_TRY(ReadReplacement(definition, where));
    makers_.push_back(
        [=] { return std::make_unique<ReplaceStage>(found.pattern, found.literal, found.content, fused); });
  } else if (type == "Strip") {
    const Strip found = OCTET_TRY(ReadStrip(definition, where));
    makers_.push_back([=] { return std::make_unique<StripStage>(found.content, found.start, found.stop, fused); });
  } else if (type == "WordPiece") {
    const std::string prefix = OCTET_TRY(Text(definition, "prefix", "##", where));
    const bool cleanup = OCTET_TRY(Flag(definition, "cleanup", true, where));
    makers_.push_back([=] { return std::make_unique<WordPieceStage>(prefix, cleanup); });
  } else if (type == "BPEDecoder") {
    const std::string suffix = OCTET_TRY(Text(definition, "suffix", "</w>", where));
    makers_.push_back([=] { return std::make_unique<WordSuffixStage>(suffix); });
  } else {
    return Fail(ErrorCode::kUnsupported, where, ": type `", type, "` is unknown to this build");
  }
  return {};
}

DecoderChain TokenDecoder::Start() const {
  std::vector<std::unique_ptr<DecoderStage>> stages;
  for (const StageMaker& make : makers_) stages.push_back(make());
  return DecoderChain(std::move(stages));
}

DecoderChain::DecoderChain(std::vector<std::unique_ptr<DecoderStage>> stages)
    : stages_(std::move(stages)), ready_(std::make_unique<std::string>()) {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (i + 1 < stages_.size()) {
      stages_[i]->set_next([next = stages_[i + 1].get()](std::string token) { next->Push(std::move(token)); });
    } else {
      stages_[i]->set_next([ready = ready_.get()](std::string text) { *ready += text; });
    }
  }
}

void DecoderChain::Push(std::string_view token, std::string& out) {
  if (stages_.empty()) {
    out += token;
    return;
  }
  stages_.front()->Push(std::string(token));
  out += *ready_;
  ready_->clear();
}

void DecoderChain::Finish(std::string& out) {
  for (const auto& stage : stages_) stage->Finish();
  out += *ready_;
  ready_->clear();
}

void AppendWholeUtf8(std::string_view bytes, std::string& held, std::string& out) {
  if (held.empty() && IsValidUtf8(bytes)) {
    out += bytes;
    return;
  }
  held += bytes;
  size_t at = 0;
  while (at < held.size()) {
    const Utf8Prefix prefix = ClassifyUtf8(std::string_view(held).substr(at));
    if (prefix.incomplete) break;
    out += prefix.valid ? std::string_view(held).substr(at, prefix.bytes) : kReplacementCharacter;
    at += prefix.bytes;
  }
  held.erase(0, at);
}

}  // namespace octet
