#include "text/decoder_stages.h"

#include <utility>

#include "text/byte_fallback.h"
#include "text/byte_level.h"
#include "text/utf8.h"

namespace octet {
namespace {

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// Spaces that English writes differently from the way BERT cuts it; the order is Hugging Face's.
void CleanUp(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) ReplaceAll(text, from, to);
}

}  // namespace

void JoinStage::Push(std::string token) {
  if (!std::exchange(first_, false)) token.insert(0, 1, ' ');
  next_(std::move(token));
}

void ByteLevelStage::Push(std::string token) {
  const std::optional<std::string> bytes = BytesOfByteLevel(token);
  std::string out;
  AppendWholeUtf8(bytes ? *bytes : token, held_, out);
  next_(std::move(out));
}

void ByteLevelStage::Finish() {
  if (!held_.empty()) next_(ReplaceInvalidUtf8(std::exchange(held_, {})));
}

void ByteFallbackStage::Push(std::string token) {
  if (const std::optional<uint8_t> byte = ByteOfFallbackToken(token)) {
    run_.push_back(static_cast<char>(*byte));
    return;
  }
  Finish();
  next_(std::move(token));
}

void ByteFallbackStage::Finish() {
  if (run_.empty()) return;
  const std::string run = std::exchange(run_, {});
  if (IsValidUtf8(run)) return next_(run);
  for (size_t i = 0; i < run.size(); ++i) next_(std::string(kReplacementCharacter));
}

void MetaspaceStage::Push(std::string token) {
  if (fused_) {
    whole_ += token;
    return;
  }
  ReplaceAll(token, replacement_, drops_first_ ? "" : " ");
  drops_first_ = false;
  next_(std::move(token));
}

void MetaspaceStage::Finish() {
  if (!fused_) return;
  ReplaceAll(whole_, replacement_, drops_first_ ? "" : " ");
  next_(std::exchange(whole_, {}));
}

ReplaceStage::ReplaceStage(Regex pattern, std::string literal, std::string content, bool fused)
    : pattern_(std::move(pattern)), literal_(std::move(literal)), content_(std::move(content)) {
  const bool one_character = !literal_.empty() && literal_.size() == Utf8Length(literal_[0]);
  waits_ = fused && !one_character;
}

void ReplaceStage::Push(std::string token) {
  if (waits_) {
    whole_ += token;
    return;
  }
  std::string out;
  size_t done = 0;
  pattern_.ForEachMatch(token, [&](size_t begin, size_t end) {
    out.append(token, done, begin - done);
    out += content_;
    done = end;
  });
  out.append(token, done);
  next_(std::move(out));
}

void ReplaceStage::Finish() {
  if (!waits_) return;
  waits_ = false;
  Push(std::exchange(whole_, {}));
  waits_ = true;
}

size_t StripStage::CopiesAtEnd(std::string_view text) const {
  size_t copies = 0;
  while (copies < stop_ && text.ends_with(content_)) {
    text.remove_suffix(content_.size());
    ++copies;
  }
  return copies;
}

void StripStage::Push(std::string token) {
  if (token.empty()) return;
  if (!fused_) left_ = start_;
  size_t cut = 0;
  while (left_ > 0 && std::string_view(token).substr(cut).starts_with(content_)) {
    cut += content_.size();
    --left_;
  }
  token.erase(0, cut);
  if (!token.empty()) left_ = 0;
  token.insert(0, std::exchange(tail_, {}));
  const size_t copies = CopiesAtEnd(token);
  token.resize(token.size() - copies * content_.size());
  if (fused_) {
    for (size_t i = 0; i < copies; ++i) tail_ += content_;
  }
  next_(std::move(token));
}

void StripStage::Finish() {
  tail_.clear();
  left_ = start_;
}

void WordPieceStage::Push(std::string token) {
  if (!std::exchange(first_, false)) {
    if (token.starts_with(prefix_)) {
      token.erase(0, prefix_.size());
    } else {
      token.insert(0, 1, ' ');
    }
  }
  if (cleanup_) CleanUp(token);
  next_(std::move(token));
}

void WordSuffixStage::Push(std::string token) {
  if (holds_) {
    ReplaceAll(held_, suffix_, " ");
    next_(std::move(held_));
  }
  held_ = std::move(token);
  holds_ = true;
}

void WordSuffixStage::Finish() {
  if (!std::exchange(holds_, false)) return;
  ReplaceAll(held_, suffix_, "");
  next_(std::move(held_));
}

}  // namespace octet
