#include "text/wordpiece.h"

#include <algorithm>

#include "text/utf8.h"

namespace octet {

WordPieceModel::WordPieceModel(const TokenizerParts& parts, const Vocabulary& vocabulary)
    : vocabulary_(&vocabulary),
      prefix_(parts.subword_prefix),
      longest_word_(parts.longest_word),
      unknown_(parts.unknown.value_or(-1)) {
  for (const std::string& token : vocabulary.tokens()) longest_token_ = std::max(longest_token_, token.size());
}

void WordPieceModel::EncodeWord(std::string_view word, const TokenGuard* guard, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  const auto give_up = [&] {
    ids.resize(before);
    if (unknown_ >= 0) ids.push_back(unknown_);
  };
  const auto is_start = [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; };
  if (static_cast<size_t>(std::count_if(word.begin(), word.end(), is_start)) > longest_word_) return give_up();
  std::string candidate;
  for (size_t at = 0; at < word.size();) {
    candidate = at > 0 ? prefix_ : "";
    const size_t prefix = candidate.size();
    candidate += word.substr(at, longest_token_);
    int32_t id = -1;
    while (candidate.size() > prefix) {
      id = vocabulary_->FindOr(candidate, -1);
      if (guard != nullptr && guard->Holds(id)) id = -1;
      if (id >= 0) break;
      candidate.resize(std::max(PreviousUtf8(candidate, candidate.size()), prefix));
    }
    if (id < 0) return give_up();
    ids.push_back(id);
    at += candidate.size() - prefix;
  }
}

}  // namespace octet
