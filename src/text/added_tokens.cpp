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

// Elements that vocabularies hold for the text of web pages. `s` is not among them: it opens Llama's prompts.
constexpr std::string_view kHtmlElements[] = {"table", "caption", "thead",      "tbody",  "tfoot", "tr",  "th",  "td",
                                              "h1",    "h2",      "h3",         "h4",     "h5",    "h6",  "b",   "i",
                                              "u",     "em",      "blockquote", "strong", "sub",   "sup", "code"};

bool IsHtmlElement(std::string_view tag) {
  if (tag.starts_with('/')) tag.remove_prefix(1);
  return std::find(std::begin(kHtmlElements), std::end(kHtmlElements), tag) != std::end(kHtmlElements);
}

std::string_view WithoutOuterSpace(std::string_view text) {
  constexpr std::string_view kSpaces[] = {" ", "\t", "\n", "\r", "\u2581", "\u0120", "\u010A"};
  for (bool changed = true; changed;) {
    changed = false;
    for (const std::string_view space : kSpaces) {
      if (text.starts_with(space)) {
        text.remove_prefix(space.size());
        changed = true;
      }
      if (text.ends_with(space)) {
        text.remove_suffix(space.size());
        changed = true;
      }
    }
  }
  return text;
}

}  // namespace

bool LooksLikeControl(std::string_view content) {
  for (const std::string_view bar : {"<|", "|>", "<\uFF5C", "\uFF5C>"}) {
    if (content.find(bar) != std::string_view::npos) return true;
  }
  const std::string_view text = WithoutOuterSpace(content);
  if (text.size() < 3) return false;
  const std::string_view inner = text.substr(1, text.size() - 2);
  if (text.front() == '<' && text.back() == '>') return !IsHtmlElement(inner);
  return text.front() == '[' && text.back() == ']';
}

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) {
  tokens_.reserve(tokens.size());
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    starts_[static_cast<uint8_t>(token.content[0])] = true;
    const bool control = LooksLikeControl(token.content);
    tokens_.push_back({std::move(token), control});
  }
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const Sought& a, const Sought& b) { return a.token.content < b.token.content; });
}

const AddedToken* AddedTokenMatcher::LongestAt(std::string_view text, size_t at, std::string_view trust,
                                               const AddedTokenRules& rules) const {
  const AddedToken* longest = nullptr;
  auto low = tokens_.begin(), high = tokens_.end();
  bool trusted = true;
  for (size_t depth = 0; at + depth < text.size() && low != high; ++depth) {
    const auto byte = static_cast<uint8_t>(text[at + depth]);
    trusted = trusted && (trust.empty() || trust[at + depth] == '\1');
    // Tokens between low and high share the first `depth` bytes; keep those whose next byte is the text's.
    const auto next = [depth](const Sought& sought) {
      const std::string& content = sought.token.content;
      return depth < content.size() ? static_cast<int>(static_cast<uint8_t>(content[depth])) : -1;
    };
    low = std::partition_point(low, high, [&](const Sought& sought) { return next(sought) < byte; });
    high = std::partition_point(low, high, [&](const Sought& sought) { return next(sought) <= byte; });
    for (auto sought = low; sought != high && sought->token.content.size() == depth + 1; ++sought) {
      const AddedToken& token = sought->token;
      const bool needs_trust = token.special || sought->control ||
                               std::binary_search(rules.template_tokens.begin(), rules.template_tokens.end(), token.id);
      if ((!token.special || rules.parse_special) && (trusted || !needs_trust)) longest = &token;
    }
  }
  return longest;
}

void AddedTokenMatcher::Split(std::string_view text, std::string_view trust, const AddedTokenRules& rules,
                              std::vector<TextSection>& sections) const {
  sections.clear();
  size_t done = 0;
  for (size_t at = 0; !tokens_.empty() && at < text.size();) {
    const AddedToken* token = starts_[static_cast<uint8_t>(text[at])] ? LongestAt(text, at, trust, rules) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->single_word && !StandsAlone(text, begin, end)) continue;
    while (token->lstrip && begin > done && IsSpaceAt(text, PreviousUtf8(text, begin)))
      begin = PreviousUtf8(text, begin);
    if (token->lstrip) begin = std::max(begin, done);
    while (token->rstrip && end < text.size() && IsSpaceAt(text, end)) end += Utf8Length(text[end]);
    // White space that the token before took is gone, and a token of nothing else with it.
    if (begin >= end) continue;
    if (done < begin) sections.push_back({done, begin, -1});
    sections.push_back({begin, end, token->id});
    done = end;
  }
  if (done < text.size()) sections.push_back({done, text.size(), -1});
}

}  // namespace octet
