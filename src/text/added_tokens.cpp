#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"
#include "text/utf8.h"

namespace octet {
namespace {

bool IsWordAt(std::string_view text, size_t at) {
  const uint32_t c = DecodeUtf8(text, at).code_point;
  return (CharClassOf(c) & kWord) != 0 || c == 0x200C || c == 0x200D;
}

bool StandsAlone(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !IsWordAt(text, PreviousUtf8(text, begin))) && (end == text.size() || !IsWordAt(text, end));
}

bool IsSpaceAt(std::string_view text, size_t at) {
  return (CharClassOf(DecodeUtf8(text, at).code_point) & kSpace) != 0;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : tokens_) starts_[static_cast<uint8_t>(token.content[0])] = true;
}

const AddedToken* AddedTokenMatcher::LongestAt(std::string_view text, size_t at, std::string_view trust,
                                               bool parse_special) const {
  const AddedToken* longest = nullptr;
  auto low = tokens_.begin(), high = tokens_.end();
  bool trusted = true;
  for (size_t depth = 0; at + depth < text.size() && low != high; ++depth) {
    const auto byte = static_cast<uint8_t>(text[at + depth]);
    trusted = trusted && (trust.empty() || trust[at + depth] == '\1');
    // Tokens between low and high share the first `depth` bytes; keep those whose next byte is the text's.
    const auto next = [depth](const AddedToken& token) {
      return depth < token.content.size() ? static_cast<int>(static_cast<uint8_t>(token.content[depth])) : -1;
    };
    low = std::partition_point(low, high, [&](const AddedToken& token) { return next(token) < byte; });
    high = std::partition_point(low, high, [&](const AddedToken& token) { return next(token) <= byte; });
    for (auto token = low; token != high && token->content.size() == depth + 1; ++token) {
      if (!token->special || (parse_special && trusted)) longest = &*token;
    }
  }
  return longest;
}

void AddedTokenMatcher::Split(std::string_view text, std::string_view trust, bool parse_special,
                              std::vector<TextSection>& sections) const {
  sections.clear();
  size_t done = 0;
  for (size_t at = 0; !tokens_.empty() && at < text.size();) {
    const AddedToken* token =
        starts_[static_cast<uint8_t>(text[at])] ? LongestAt(text, at, trust, parse_special) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->single_word && !StandsAlone(text, begin, end)) continue;
    while (token->lstrip && begin > done && IsSpaceAt(text, PreviousUtf8(text, begin)))
      begin = PreviousUtf8(text, begin);
    while (token->rstrip && end < text.size() && IsSpaceAt(text, end)) end += Utf8Length(text[end]);
    if (done < begin) sections.push_back({done, begin, -1});
    sections.push_back({begin, end, token->id});
    done = end;
  }
  if (done < text.size()) sections.push_back({done, text.size(), -1});
}

}  // namespace octet
