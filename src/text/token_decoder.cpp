#include "text/token_decoder.h"

#include "text/decoder_stages.h"
#include "text/part_definition.h"
#include "text/utf8.h"

namespace octet {
namespace {

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
  if (type == "ByteLevel" || type == "WordPiece" || type == "BPEDecoder" || (type == "Metaspace" && fused))
    dependent_step_ = type;
  if (type == "Sequence") {
    const Json* members = OCTET_TRY(SequenceMembers(definition, "decoders", depth, where));
    for (const Json& member : *members) OCTET_TRY(Add(member, where, depth + 1));
  } else if (type == "ByteLevel") {
    makers_.push_back([] { return std::make_unique<ByteLevelStage>(); });
    fused_ = true;
  } else if (type == "ByteFallback") {
    makers_.push_back([] { return std::make_unique<ByteFallbackStage>(); });
    has_byte_fallback_ = true;
  } else if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Metaspace") {
    const std::string replacement = OCTET_TRY(TextOr(definition, "replacement", "\u2581", where));
    if (replacement.empty()) return Fail(ErrorCode::kCorrupt, where, ": a Metaspace with an empty replacement");
    const bool drops = OCTET_TRY(TextOr(definition, "prepend_scheme", "always", where)) != "never" &&
                       OCTET_TRY(FlagOr(definition, "add_prefix_space", true, where));
    makers_.push_back([=] { return std::make_unique<MetaspaceStage>(replacement, drops, fused); });
  } else if (type == "Replace") {
    const PartPattern pattern = OCTET_TRY(ReadPattern(definition, where));
    const std::string content = OCTET_TRY(GetString(definition, "content", where));
    Replacement replacement{OCTET_TRY(Regex::Compile(pattern.expression, where)), pattern.literal, content};
    // Text that runs over several tokens may be replaced.
    if (fused && (pattern.literal.empty() || pattern.literal.size() != Utf8Length(pattern.literal[0])))
      dependent_step_ = type;
    // What makes a token no longer can be done for the whole vocabulary at once.
    const bool shortens = !pattern.literal.empty() && content.size() <= pattern.literal.size();
    if (shortens && makers_.empty() && !fused) {
      prepared_.push_back(std::move(replacement));
    } else {
      makers_.push_back([=] { return std::make_unique<ReplaceStage>(replacement, fused); });
    }
  } else if (type == "Strip") {
    const Strip found = OCTET_TRY(ReadStrip(definition, where));
    if (found.stop > 0) dependent_step_ = type;
    makers_.push_back([=] { return std::make_unique<StripStage>(found.content, found.start, found.stop, fused); });
  } else if (type == "WordPiece") {
    const std::string prefix = OCTET_TRY(TextOr(definition, "prefix", "##", where));
    const bool cleanup = OCTET_TRY(FlagOr(definition, "cleanup", true, where));
    makers_.push_back([=] { return std::make_unique<WordPieceStage>(prefix, cleanup); });
  } else if (type == "BPEDecoder") {
    const std::string suffix = OCTET_TRY(TextOr(definition, "suffix", "</w>", where));
    if (suffix.empty()) return Fail(ErrorCode::kCorrupt, where, ": a BPEDecoder with an empty suffix");
    makers_.push_back([=] { return std::make_unique<WordSuffixStage>(suffix); });
  } else {
    return Fail(ErrorCode::kUnsupported, where, ": type `", type, "` is unknown to this build");
  }
  return {};
}

std::string TokenDecoder::Prepare(std::string_view token) const {
  std::string text(token);
  for (const Replacement& replacement : prepared_) {
    std::string replaced;
    replacement.Append(text, replaced);
    text = std::move(replaced);
  }
  return text;
}

DecoderChain TokenDecoder::Start() const {
  std::vector<std::unique_ptr<DecoderStage>> stages;
  for (const StageMaker& make : makers_) stages.push_back(make());
  return DecoderChain(std::move(stages));
}

DecoderChain::DecoderChain(std::vector<std::unique_ptr<DecoderStage>> stages)
    : stages_(std::move(stages)), sink_(std::make_unique<DecoderSink>()) {
  for (size_t i = 0; i < stages_.size(); ++i)
    stages_[i]->set_next(i + 1 < stages_.size() ? stages_[i + 1].get() : sink_.get());
}

void DecoderChain::Push(std::string_view token, std::string& out) {
  sink_->set_out(&out);
  if (stages_.empty()) {
    sink_->Push(token);
  } else {
    stages_.front()->Push(token);
  }
}

void DecoderChain::Finish(std::string& out) {
  sink_->set_out(&out);
  for (const auto& stage : stages_) stage->Finish();
}

void AppendWholeUtf8(std::string_view bytes, std::string& held, std::string& out) {
  if (held.empty() && (IsAscii(bytes) || IsValidUtf8(bytes))) {
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
