// Writing tokenizer.json.
#include "base/json_text.h"
#include "text/tokenizer_parts.h"

namespace octet {
namespace {

Json WriteVocabulary(const TokenizerParts& parts) {
  if (parts.model == TokenizerModel::kUnigram) {
    Json list = Json::array();
    for (size_t id = 0; id < parts.tokens.size(); ++id)
      list.push_back(Json::array({parts.tokens[id], parts.scores[id]}));
    return list;
  }
  // Filled by its base, since looking each key up in an ordered object would take quadratic time.
  Json::object_t vocabulary;
  for (size_t id = 0; id < parts.tokens.size(); ++id) {
    if (!parts.tokens[id].empty()) vocabulary.emplace_back(parts.tokens[id], id);
  }
  return Json(std::move(vocabulary));
}

Json WriteModel(const TokenizerParts& parts) {
  const auto text = [&](int32_t id) { return parts.tokens[static_cast<size_t>(id)]; };
  const Json unknown = parts.unknown ? Json(text(*parts.unknown)) : Json(nullptr);
  if (parts.model == TokenizerModel::kUnigram) {
    return {{"type", "Unigram"},
            {"unk_id", parts.unknown ? Json(*parts.unknown) : Json(nullptr)},
            {"vocab", WriteVocabulary(parts)},
            {"byte_fallback", parts.byte_fallback}};
  }
  if (parts.model == TokenizerModel::kWordPiece) {
    return {{"type", "WordPiece"},
            {"unk_token", unknown},
            {"continuing_subword_prefix", parts.subword_prefix},
            {"max_input_chars_per_word", parts.longest_word},
            {"vocab", WriteVocabulary(parts)}};
  }
  const auto optional = [](const std::string& affix) { return affix.empty() ? Json(nullptr) : Json(affix); };
  Json merges = Json::array();
  for (const MergePair pair : parts.merges) merges.push_back(Json::array({text(pair.left), text(pair.right)}));
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", unknown},
          {"continuing_subword_prefix", optional(parts.subword_prefix)},
          {"end_of_word_suffix", optional(parts.word_suffix)},
          {"fuse_unk", parts.fuse_unknown},
          {"byte_fallback", parts.byte_fallback},
          {"ignore_merges", parts.ignore_merges},
          {"vocab", WriteVocabulary(parts)},
          {"merges", std::move(merges)}};
}

}  // namespace

std::string WriteTokenizerJson(const TokenizerParts& parts) {
  Json added = Json::array();
  for (const AddedToken& token : parts.added_tokens) {
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  }
  const Json root = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", std::move(added)},
                     {"normalizer", parts.normalizer},
                     {"pre_tokenizer", parts.pre_tokenizer},
                     {"post_processor", parts.post_processor},
                     {"decoder", parts.decoder},
                     {"model", WriteModel(parts)}};
  return Dump(root, 1);
}

}  // namespace octet
