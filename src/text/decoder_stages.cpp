#include "text/decoder_stages.h"

#include <utility>

#include "text/byte_fallback.h"
#include "text/byte_level.h"
#include "text/utf8.h"

namespace octet {
namespace {

// Requires a `from` that isn't empty.
void AppendReplaced(std::string_view text, std::string_view from, std::string_view to, std::string& out) {
  size_t done = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    out += text.substr(done, at - done);
    out += to;
    done = at + from.size();
  }
  out += text.substr(done);
}

constexpr std::pair<std::string_view, std::string_view> kCleanUpRules[] = {
    {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
    {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

// Whether a rule of CleanUp applies anywhere: for nearly all tokens it is none.
bool NeedsCleanUp(std::string_view text) {
  for (size_t at = text.find(' '); at != std::string_view::npos; at = text.find(' ', at + 1)) {
    const std::string_view rest = text.substr(at);
    if (rest.size() < 2 || std::string_view(".?!,'nd").find(rest[1]) == std::string_view::npos) continue;
    for (const auto& [from, to] : kCleanUpRules) {
      if (rest.starts_with(from)) return true;
    }
  }
  return false;
}

// Spaces that English writes differently from the way BERT cuts it; the order is Hugging Face's.
void CleanUp(std::string& text) {
  if (!NeedsCleanUp(text)) return;
  for (const auto& [from, to] : kCleanUpRules) {
    std::string replaced;
    AppendReplaced(text, from, to, replaced);
    text = std::move(replaced);
  }
}

}  // namespace

void Replacement::Append(std::string_view text, std::string& out) const {
  if (!literal.empty()) return AppendReplaced(text, literal, content, out);
  size_t done = 0;
  pattern.ForEachMatch(text, [&](size_t begin, size_t end) {
    out += text.substr(done, begin - done);
    out += content;
    done = end;
  });
  out += text.substr(done);
}

void JoinStage::Push(std::string_view token) {
  if (std::exchange(first_, false)) return next_->Push(token);
  spaced_ = ' ';
  spaced_ += token;
  next_->Push(spaced_);
}

void ByteLevelStage::Push(std::string_view token) {
  const std::optional<std::string> bytes = BytesOfByteLevel(token);
  whole_.clear();
  AppendWholeUtf8(bytes ? std::string_view(*bytes) : token, held_, whole_);
  next_->Push(whole_);
}

void ByteLevelStage::Finish() {
  if (!held_.empty()) next_->Push(ReplaceInvalidUtf8(std::exchange(held_, {})));
}

void ByteFallbackStage::Push(std::string_view token) {
  if (const std::optional<uint8_t> byte = ByteOfFallbackToken(token)) {
    run_.push_back(static_cast<char>(*byte));
    return;
  }
  Finish();
  next_->Push(token);
}

void ByteFallbackStage::Finish() {
  if (run_.empty()) return;
  if (IsValidUtf8(run_)) {
    next_->Push(run_);
  } else {
    for (size_t i = 0; i < run_.size(); ++i) next_->Push(kReplacementCharacter);
  }
  run_.clear();
}

void MetaspaceStage::Push(std::string_view token) {
  if (fused_) {
    whole_ += token;
    return;
  }
  replaced_.clear();
  AppendReplaced(token, replacement_, std::exchange(drops_first_, false) ? "" : " ", replaced_);
  next_->Push(replaced_);
}

void MetaspaceStage::Finish() {
  if (!fused_) return;
  replaced_.clear();
  AppendReplaced(whole_, replacement_, drops_first_ ? "" : " ", replaced_);
  whole_.clear();
  next_->Push(replaced_);
}

ReplaceStage::ReplaceStage(Replacement replacement, bool fused) : replacement_(std::move(replacement)) {
  const std::string& literal = replacement_.literal;
  const bool one_character = !literal.empty() && literal.size() == Utf8Length(literal[0]);
  waits_ = fused && !one_character;
}

void ReplaceStage::Push(std::string_view token) {
  if (waits_) {
    whole_ += token;
  } else {
    Replace(token);
  }
}

void ReplaceStage::Replace(std::string_view text) {
  replaced_.clear();
  replacement_.Append(text, replaced_);
  next_->Push(replaced_);
}

void ReplaceStage::Finish() {
  if (!waits_) return;
  Replace(whole_);
  whole_.clear();
}

size_t StripStage::CopiesAtEnd(std::string_view text) const {
  size_t copies = 0;
  while (copies < stop_ && text.ends_with(content_)) {
    text.remove_suffix(content_.size());
    ++copies;
  }
  return copies;
}

void StripStage::Push(std::string_view token) {
  if (token.empty()) return;
  if (!fused_) left_ = start_;
  for (; left_ > 0 && token.starts_with(content_); --left_) token.remove_prefix(content_.size());
  if (!token.empty()) left_ = 0;
  if (stop_ == 0) return next_->Push(token);
  joined_ = std::exchange(tail_, {});
  joined_ += token;
  const size_t copies = CopiesAtEnd(joined_);
  joined_.resize(joined_.size() - copies * content_.size());
  if (fused_) {
    for (size_t i = 0; i < copies; ++i) tail_ += content_;
  }
  next_->Push(joined_);
}

void StripStage::Finish() {
  tail_.clear();
  left_ = start_;
}

void WordPieceStage::Push(std::string_view token) {
  spaced_.clear();
  if (!std::exchange(first_, false)) {
    if (token.starts_with(prefix_)) {
      token.remove_prefix(prefix_.size());
    } else {
      spaced_ = ' ';
    }
  }
  spaced_ += token;
  if (cleanup_) CleanUp(spaced_);
  next_->Push(spaced_);
}

void WordSuffixStage::LetGo(std::string_view replacement) {
  replaced_.clear();
  AppendReplaced(held_, suffix_, replacement, replaced_);
  next_->Push(replaced_);
}

void WordSuffixStage::Push(std::string_view token) {
  if (holds_) LetGo(" ");
  held_ = token;
  holds_ = true;
}

void WordSuffixStage::Finish() {
  if (std::exchange(holds_, false)) LetGo("");
}

}  // namespace octet
