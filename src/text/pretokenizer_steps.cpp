#include "text/pretokenizer_steps.h"

#include <algorithm>

#include "text/byte_level.h"
#include "text/older_unicode.h"
#include "text/utf8.h"

namespace octet {
namespace {

template <uint16_t kWanted>
size_t ScanOne(std::string_view text, size_t at, const CharClasses& classes) {
  const Utf8Char c = DecodeUtf8(text, at);
  return classes(c.code_point) & kWanted ? at + c.bytes : at;
}

size_t ScanPunctuation(std::string_view text, size_t at, const CharClasses&) {
  const Utf8Char c = DecodeUtf8(text, at);
  return IsAsciiPunctuation(c.code_point) || IsOlderPunctuation(c.code_point) ? at + c.bytes : at;
}

// Rust's \w has the two joiners besides.
bool IsWordChar(uint32_t code_point, const CharClasses& classes) {
  return (classes(code_point) & kWord) != 0 || code_point == 0x200C || code_point == 0x200D;
}

size_t ScanWordOrSymbols(std::string_view text, size_t at, const CharClasses& classes) {
  const uint32_t first = DecodeUtf8(text, at).code_point;
  const bool word = IsWordChar(first, classes);
  if (!word && (classes(first) & kSpace) != 0) return at;
  while (at < text.size()) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (IsWordChar(c.code_point, classes) != word || (!word && (classes(c.code_point) & kSpace) != 0)) break;
    at += c.bytes;
  }
  return at;
}

// Rewrites the text word by word: change(word, out) appends the word's new form.
template <class Change>
void RewriteWords(Words& words, Change&& change) {
  words.spare_text.clear();
  words.spare_text.reserve(words.text.size() + words.spans.size());
  for (WordSpan& span : words.spans) {
    const size_t begin = words.spare_text.size();
    change(words.At(span), words.spare_text);
    span = {begin, words.spare_text.size()};
  }
  words.text.swap(words.spare_text);
}

}  // namespace

PatternScanner WhitespaceScanner() { return ScanOne<kSpace>; }
PatternScanner WordOrSymbolsScanner() { return ScanWordOrSymbols; }
PatternScanner NumberScanner() { return ScanOne<kNumber>; }
PatternScanner PunctuationScanner() { return ScanPunctuation; }

void SplitStep::Find(std::string_view text, size_t offset, std::vector<Match>& matches) const {
  size_t done = 0;
  const auto add = [&](size_t begin, size_t end) {
    if (begin > done) matches.push_back({{offset + done, offset + begin}, invert_});
    matches.push_back({{offset + begin, offset + end}, !invert_});
    done = end;
  };
  if (scanner_ != nullptr) {
    const CharClasses classes;
    for (size_t at = 0; at < text.size();) {
      const size_t end = scanner_(text, at, classes);
      if (end > at) add(at, end);
      at = end > at ? end : at + Utf8Length(text[at]);
    }
  } else {
    regex_.ForEachMatch(text, add);
  }
  if (done < text.size()) matches.push_back({{offset + done, offset + text.size()}, invert_});
}

void SplitStep::Arrange(std::vector<Match>& matches, std::vector<WordSpan>& spans) const {
  const auto keep = [&spans](WordSpan span) {
    if (span.end > span.begin) spans.push_back(span);
  };
  const size_t before = spans.size();
  bool previous = false;
  switch (behavior_) {
    case SplitBehavior::kIsolated:
      for (const Match& match : matches) keep(match.span);
      return;
    case SplitBehavior::kRemoved:
      for (const Match& match : matches) {
        if (!match.matched) keep(match.span);
      }
      return;
    case SplitBehavior::kContiguous:
      for (const Match& match : matches) {
        if (spans.size() > before && match.matched == previous) {
          spans.back().end = match.span.end;
        } else {
          spans.push_back(match.span);
        }
        previous = match.matched;
      }
      return;
    case SplitBehavior::kMergedWithPrevious:
      for (const Match& match : matches) {
        if (match.matched && !previous && spans.size() > before) {
          spans.back().end = match.span.end;
        } else {
          keep(match.span);
        }
        previous = match.matched;
      }
      return;
    case SplitBehavior::kMergedWithNext:
      for (size_t i = matches.size(); i-- > 0;) {
        if (matches[i].matched && !previous && spans.size() > before) {
          spans.back().begin = matches[i].span.begin;
        } else {
          keep(matches[i].span);
        }
        previous = matches[i].matched;
      }
      std::reverse(spans.begin() + static_cast<std::ptrdiff_t>(before), spans.end());
      return;
  }
}

void SplitStep::Apply(Words& words) const {
  std::vector<WordSpan>& spans = words.spare_spans;
  spans.clear();
  const CharClasses classes;
  std::vector<Match> matches;
  for (const WordSpan span : words.spans) {
    const std::string_view text = words.At(span);
    if (scanner_ == nullptr || behavior_ != SplitBehavior::kIsolated) {
      matches.clear();
      Find(text, span.begin, matches);
      Arrange(matches, spans);
      continue;
    }
    // Every known pattern comes here: matches and what lies between them become words as they are found.
    size_t gap = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t end = scanner_(text, at, classes);
      if (end == at) {
        at += Utf8Length(text[at]);
        continue;
      }
      if (gap < at) spans.push_back({span.begin + gap, span.begin + at});
      spans.push_back({span.begin + at, span.begin + end});
      gap = at = end;
    }
    if (gap < text.size()) spans.push_back({span.begin + gap, span.end});
  }
  words.spans.swap(spans);
}

void PrefixSpaceStep::Apply(Words& words) const {
  RewriteWords(words, [](std::string_view word, std::string& out) {
    if (!word.empty() && word.front() != ' ') out += ' ';
    out += word;
  });
}

void SpellBytesStep::Apply(Words& words) const {
  RewriteWords(words, [](std::string_view word, std::string& out) { AppendByteLevel(word, out); });
}

void MetaspaceStep::Apply(Words& words) const {
  bool first = words.starts_input && !words.spans.empty() && words.spans.front().begin == 0;
  RewriteWords(words, [&](std::string_view word, std::string& out) {
    const bool wanted = prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && first);
    first = false;
    const bool has_one = word.starts_with(' ') || word.starts_with(replacement_);
    if (wanted && !has_one) out += replacement_;
    for (const char c : word) {
      if (c == ' ') {
        out += replacement_;
      } else {
        out += c;
      }
    }
  });
  if (!split_) return;
  words.spare_spans.clear();
  for (const WordSpan span : words.spans) {
    const std::string_view word = words.At(span);
    size_t begin = 0;
    for (size_t found = word.find(replacement_, 1); found < word.size(); found = word.find(replacement_, found + 1)) {
      words.spare_spans.push_back({span.begin + begin, span.begin + found});
      begin = found;
    }
    if (begin < word.size()) words.spare_spans.push_back({span.begin + begin, span.end});
  }
  words.spans.swap(words.spare_spans);
}

}  // namespace octet
