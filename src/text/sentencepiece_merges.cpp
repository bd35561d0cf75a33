#include "text/sentencepiece_merges.h"

#include <algorithm>
#include <tuple>

#include "text/utf8.h"
#include "text/vocabulary.h"

namespace octet {
namespace {

struct Cut {
  double score = 0;
  size_t left_characters = 0;
  size_t right_characters = 0;
  MergePair pair;
};

// Cuts of one token, ordered by the ids of their halves.
void AppendCuts(const std::string& token, double score, const Vocabulary& vocabulary, std::vector<Cut>& cuts) {
  const auto begin = static_cast<std::ptrdiff_t>(cuts.size());
  size_t characters = 0;
  for (size_t at = 0; at < token.size(); at += Utf8Length(token[at])) ++characters;
  size_t left = 0;
  for (size_t at = Utf8Length(token[0]); at < token.size(); at += Utf8Length(token[at])) {
    ++left;
    const std::string_view text = token;
    const int32_t left_id = vocabulary.FindOr(text.substr(0, at), -1);
    const int32_t right_id = left_id < 0 ? -1 : vocabulary.FindOr(text.substr(at), -1);
    if (right_id >= 0) cuts.push_back({score, left, characters - left, {left_id, right_id}});
  }
  std::sort(cuts.begin() + begin, cuts.end(), [](const Cut& a, const Cut& b) {
    return std::tie(a.pair.left, a.pair.right) < std::tie(b.pair.left, b.pair.right);
  });
}

}  // namespace

std::vector<MergePair> MergesFromScores(const std::vector<std::string>& tokens, const std::vector<double>& scores,
                                        const std::vector<bool>& may_merge) {
  const Vocabulary vocabulary(tokens);
  std::vector<Cut> cuts;
  cuts.reserve(tokens.size() * 2);
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (may_merge[id] && !tokens[id].empty()) AppendCuts(tokens[id], scores[id], vocabulary, cuts);
  }
  std::stable_sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) {
    return std::tie(b.score, b.left_characters, b.right_characters) <
           std::tie(a.score, a.left_characters, a.right_characters);
  });
  std::vector<MergePair> merges;
  merges.reserve(cuts.size());
  for (const Cut& cut : cuts) merges.push_back(cut.pair);
  return merges;
}

}  // namespace octet
