#include "text/unigram.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/counted.h"
#include "text/byte_fallback.h"
#include "text/utf8.h"

namespace octet {
namespace {

double PowerOfTen(int exponent) {
  const std::string text = Cat("1e", exponent);
  double power = 0;
  std::from_chars(text.data(), text.data() + text.size(), power);
  return power;
}

// What an unknown character costs beyond the worst token, as in SentencePiece.
constexpr double kUnknownPenalty = 10.0;

// The score as Hugging Face's package gets it from its own files: digits as an integer, divided by a power of ten,
// which may differ from the nearest double in the last bit. Paths of equal scores in another order are told apart by
// that bit.
double AsReferenceReads(double score) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), score, std::chars_format::scientific);
  if (error != std::errc{} || !std::isfinite(score)) return score;
  uint64_t digits = 0;
  int decimals = 0;
  const char* at = text;
  bool point = false;
  for (; at < end && *at != 'e'; ++at) {
    if (*at == '.') point = true;
    if (*at < '0' || *at > '9') continue;
    digits = digits * 10 + static_cast<uint64_t>(*at - '0');
    decimals += point ? 1 : 0;
  }
  int exponent = 0;
  const char* sign = at + 1;
  std::from_chars(sign + (*sign == '+' ? 1 : 0), end, exponent);
  exponent -= decimals;
  if (exponent < -300 || exponent > 300) return score;
  const double magnitude = static_cast<double>(digits);
  const double scaled = exponent < 0 ? magnitude / PowerOfTen(-exponent) : magnitude * PowerOfTen(exponent);
  return std::signbit(score) ? -scaled : scaled;
}

}  // namespace

Result<UnigramModel> UnigramModel::Make(const TokenizerParts& parts, const Vocabulary& vocabulary,
                                        std::string_view where) {
  if (parts.scores.size() != vocabulary.size() || parts.scores.empty()) {
    return Fail(ErrorCode::kCorrupt, where, ": ", Counted(parts.scores.size(), "score"), " for ",
                Counted(vocabulary.size(), "token"));
  }
  UnigramModel model;
  model.vocabulary_ = &vocabulary;
  model.scores_.reserve(parts.scores.size());
  for (const double score : parts.scores) model.scores_.push_back(AsReferenceReads(score));
  model.unknown_ = parts.unknown.value_or(-1);
  model.byte_fallback_ = parts.byte_fallback;
  model.unknown_score_ = *std::min_element(model.scores_.begin(), model.scores_.end()) - kUnknownPenalty;
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.tokens()[id].empty()) model.trie_.Insert(vocabulary.tokens()[id], static_cast<int32_t>(id));
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    model.fallback_ids_[byte] = vocabulary.FindOr(ByteFallbackToken(static_cast<uint8_t>(byte)), -1);
  }
  return model;
}

void UnigramModel::FindBestPath(std::string_view word, const TokenGuard* guard, UnigramScratch& scratch) const {
  std::vector<UnigramScratch::Node>& nodes = scratch.nodes;
  nodes.assign(word.size() + 1, UnigramScratch::Node{});
  for (size_t at = 0; at < word.size();) {
    const size_t character = std::min<size_t>(Utf8Length(word[at]), word.size() - at);
    const double so_far = nodes[at].score;
    const auto offer = [&](size_t bytes, int32_t id, double score) {
      UnigramScratch::Node& node = nodes[at + bytes];
      if (node.begin == SIZE_MAX || so_far + score > node.score) node = {so_far + score, at, id};
    };
    bool has_single = false;
    trie_.ForEachPrefix(word.substr(at), [&](size_t bytes, int32_t id) {
      if (guard != nullptr && guard->Holds(id)) return;
      offer(bytes, id, scores_[static_cast<size_t>(id)]);
      has_single = has_single || bytes == character;
    });
    if (!has_single) offer(character, unknown_, unknown_score_);
    at += character;
  }
}

void UnigramModel::EncodeWord(std::string_view word, const TokenGuard* guard, UnigramScratch& scratch,
                              std::vector<int32_t>& ids) const {
  FindBestPath(word, guard, scratch);
  // Ends of the path's tokens from the back; neighbouring unknown characters are one token.
  std::vector<size_t>& cuts = scratch.cuts;
  cuts.clear();
  bool unknown_before = false;
  for (size_t end = word.size(); end > 0;) {
    const UnigramScratch::Node& node = scratch.nodes[end];
    const bool unknown = node.id == unknown_;
    if (!(unknown && unknown_before)) cuts.push_back(end);
    unknown_before = unknown;
    end = node.begin;
  }
  size_t begin = 0;
  for (auto end = cuts.rbegin(); end != cuts.rend(); ++end) {
    AppendToken(word.substr(begin, *end - begin), guard, ids);
    begin = *end;
  }
}

void UnigramModel::AppendToken(std::string_view token, const TokenGuard* guard, std::vector<int32_t>& ids) const {
  const int32_t id = vocabulary_->FindOr(token, -1);
  if (id >= 0 && (guard == nullptr || !guard->Holds(id))) {
    ids.push_back(id);
    return;
  }
  if (byte_fallback_ &&
      std::all_of(token.begin(), token.end(), [this](char c) { return fallback_ids_[static_cast<uint8_t>(c)] >= 0; })) {
    for (const char c : token) ids.push_back(fallback_ids_[static_cast<uint8_t>(c)]);
  } else if (unknown_ >= 0) {
    ids.push_back(unknown_);
  }
}

}  // namespace octet
