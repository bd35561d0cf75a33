// Reading tokenizer.json. The vocabulary is the load, so simdjson parses; the small parts become Json.
#include <simdjson.h>

#include <algorithm>

#include "base/counted.h"
#include "text/tokenizer_parts.h"
#include "text/vocabulary.h"

namespace octet {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

// Reads members of one object of the file; every error says where.
class Members {
 public:
  Members(object members, std::string_view where) : members_(members), where_(where) {}

  // False where the member is missing or null.
  bool Has(std::string_view key) const {
    element member;
    return members_.at_key(key).get(member) == simdjson::SUCCESS && !member.is_null();
  }

  template <class T>
  Result<T> Get(std::string_view key, T otherwise) const {
    if (!Has(key)) return otherwise;
    T value{};
    if (members_.at_key(key).get(value) != simdjson::SUCCESS)
      return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is of the wrong type");
    return value;
  }

  Result<std::string> GetText(std::string_view key) const {
    return std::string(OCTET_TRY(Get<std::string_view>(key, "")));
  }

  Result<object> GetObject(std::string_view key) const {
    object found;
    if (members_.at_key(key).get(found) != simdjson::SUCCESS)
      return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is missing or no object");
    return found;
  }

  // The member as Json, null where it is missing.
  Result<Json> GetJson(std::string_view key) const {
    if (!Has(key)) return Json(nullptr);
    return ParseJson(simdjson::minify(members_.at_key(key).value()), Cat(where_, ": ", key));
  }

 private:
  object members_;
  std::string_view where_;
};

// Ids come from the file, and tables are as long as the largest: a few holes are fine, a billion is not.
Status CheckId(int64_t id, size_t entries, std::string_view token, std::string_view where) {
  const auto limit = static_cast<int64_t>(entries * 8 + 65536);
  if (id >= 0 && id < limit) return {};
  return Fail(ErrorCode::kCorrupt, where, ": token `", token, "` has id ", id, ", ids of ", Counted(entries, "token"),
              " must be in 0..", limit - 1);
}

Status ReadVocabularyObject(object vocabulary, TokenizerParts& parts, std::string_view where) {
  const size_t entries = vocabulary.size() < 0xFFFFFF
                             ? vocabulary.size()
                             : static_cast<size_t>(std::distance(vocabulary.begin(), vocabulary.end()));
  parts.tokens.reserve(entries);
  for (const auto field : vocabulary) {
    int64_t id = -1;
    if (field.value.get(id) != simdjson::SUCCESS)
      return Fail(ErrorCode::kCorrupt, where, ": the id of token `", field.key, "` is no integer");
    OCTET_TRY(CheckId(id, entries, field.key, where));
    const auto index = static_cast<size_t>(id);
    if (parts.tokens.size() <= index) parts.tokens.resize(index + 1);
    parts.tokens[index] = field.key;
  }
  return {};
}

// A merge is "left right" or ["left", "right"].
bool SplitMerge(element merge, std::string_view& left, std::string_view& right) {
  std::string_view both;
  if (merge.get(both) == simdjson::SUCCESS) {
    const size_t space = both.find(' ', 1);
    if (space == std::string_view::npos) return false;
    left = both.substr(0, space);
    right = both.substr(space + 1);
    return true;
  }
  return merge.at(0).get(left) == simdjson::SUCCESS && merge.at(1).get(right) == simdjson::SUCCESS;
}

Status ReadMerges(object model, const Vocabulary& vocabulary, TokenizerParts& parts, std::string_view where) {
  simdjson::dom::array merges;
  if (model.at_key("merges").get(merges) != simdjson::SUCCESS)
    return Fail(ErrorCode::kCorrupt, where, ": a BPE model without `merges`");
  parts.merges.reserve(merges.size());
  size_t index = 0;
  for (const element merge : merges) {
    std::string_view left, right;
    if (!SplitMerge(merge, left, right))
      return Fail(ErrorCode::kCorrupt, where, ": merge ", index, " is not a pair of tokens");
    const int32_t left_id = vocabulary.FindOr(left, -1), right_id = vocabulary.FindOr(right, -1);
    if (left_id < 0 || right_id < 0) {
      return Fail(ErrorCode::kCorrupt, where, ": merge ", index, " names `", left_id < 0 ? left : right,
                  "`, which is not in the vocabulary");
    }
    parts.merges.push_back({left_id, right_id});
    ++index;
  }
  return {};
}

Status ReadBpe(object model, TokenizerParts& parts, std::string_view where) {
  const Members members(model, where);
  // 0 is as good as null: nothing is left out.
  if (const double dropout = OCTET_TRY(members.Get<double>("dropout", 0)); dropout != 0) {
    return Fail(ErrorCode::kUnsupported, where, ": the BPE model has a dropout of ", dropout,
                ", which makes ids random; set `dropout` to null");
  }
  const object entries = OCTET_TRY(members.GetObject("vocab"));
  OCTET_TRY(ReadVocabularyObject(entries, parts, where));
  parts.subword_prefix = OCTET_TRY(members.GetText("continuing_subword_prefix"));
  parts.word_suffix = OCTET_TRY(members.GetText("end_of_word_suffix"));
  parts.byte_fallback = OCTET_TRY(members.Get<bool>("byte_fallback", false));
  parts.fuse_unknown = OCTET_TRY(members.Get<bool>("fuse_unk", false));
  parts.ignore_merges = OCTET_TRY(members.Get<bool>("ignore_merges", false));
  const Vocabulary vocabulary(std::move(parts.tokens));
  OCTET_TRY(ReadMerges(model, vocabulary, parts, where));
  const std::string unknown = OCTET_TRY(members.GetText("unk_token"));
  parts.unknown = vocabulary.Find(unknown);
  parts.tokens = vocabulary.tokens();
  return {};
}

Status ReadWordPiece(object model, TokenizerParts& parts, std::string_view where) {
  const Members members(model, where);
  const object entries = OCTET_TRY(members.GetObject("vocab"));
  OCTET_TRY(ReadVocabularyObject(entries, parts, where));
  parts.subword_prefix =
      members.Has("continuing_subword_prefix") ? OCTET_TRY(members.GetText("continuing_subword_prefix")) : "##";
  parts.longest_word =
      static_cast<size_t>(std::max<int64_t>(0, OCTET_TRY(members.Get<int64_t>("max_input_chars_per_word", 100))));
  const std::string unknown = members.Has("unk_token") ? OCTET_TRY(members.GetText("unk_token")) : "[UNK]";
  const auto found = std::find(parts.tokens.begin(), parts.tokens.end(), unknown);
  if (found == parts.tokens.end())
    return Fail(ErrorCode::kCorrupt, where, ": the unknown token `", unknown, "` is not in the vocabulary");
  parts.unknown = static_cast<int32_t>(found - parts.tokens.begin());
  return {};
}

Status ReadUnigram(object model, TokenizerParts& parts, std::string_view where) {
  const Members members(model, where);
  simdjson::dom::array vocabulary;
  if (model.at_key("vocab").get(vocabulary) != simdjson::SUCCESS)
    return Fail(ErrorCode::kCorrupt, where, ": `vocab` of a Unigram model is missing or no list");
  for (const element entry : vocabulary) {
    std::string_view token;
    double score = 0;
    if (entry.at(0).get(token) != simdjson::SUCCESS || entry.at(1).get(score) != simdjson::SUCCESS) {
      return Fail(ErrorCode::kCorrupt, where, ": vocabulary entry ", parts.tokens.size(),
                  " is not a token and its score");
    }
    parts.tokens.emplace_back(token);
    parts.scores.push_back(score);
  }
  parts.byte_fallback = OCTET_TRY(members.Get<bool>("byte_fallback", false));
  parts.fuse_unknown = true;
  if (members.Has("unk_id")) {
    const int64_t unknown = OCTET_TRY(members.Get<int64_t>("unk_id", 0));
    if (unknown < 0 || static_cast<uint64_t>(unknown) >= parts.tokens.size()) {
      return Fail(ErrorCode::kCorrupt, where, ": `unk_id` is ", unknown, ", the vocabulary has ",
                  Counted(parts.tokens.size(), "token"));
    }
    parts.unknown = static_cast<int32_t>(unknown);
  }
  return {};
}

// Files from before 2020 have no `type`; what they hold tells.
std::string ModelType(object model) {
  std::string_view type;
  if (model.at_key("type").get(type) == simdjson::SUCCESS) return std::string(type);
  if (model.at_key("merges").error() == simdjson::SUCCESS) return "BPE";
  return model.at_key("vocab").is_array() ? "Unigram" : "WordPiece";
}

Status ReadModel(object model, TokenizerParts& parts, std::string_view where) {
  const std::string type = ModelType(model);
  if (type == "BPE") {
    parts.model = TokenizerModel::kBpe;
    return ReadBpe(model, parts, where);
  }
  if (type == "Unigram") {
    parts.model = TokenizerModel::kUnigram;
    return ReadUnigram(model, parts, where);
  }
  if (type == "WordPiece") {
    parts.model = TokenizerModel::kWordPiece;
    return ReadWordPiece(model, parts, where);
  }
  return Fail(ErrorCode::kUnsupported, where, ": model type `", type, "`; this build knows BPE, Unigram and WordPiece");
}

Status ReadAddedTokens(object root, TokenizerParts& parts, std::string_view where) {
  simdjson::dom::array added;
  if (root.at_key("added_tokens").get(added) != simdjson::SUCCESS) return {};
  for (const element entry : added) {
    object fields;
    if (entry.get(fields) != simdjson::SUCCESS)
      return Fail(ErrorCode::kCorrupt, where, ": an entry of `added_tokens` is no object");
    const Members members(fields, where);
    AddedToken token;
    token.content = OCTET_TRY(members.GetText("content"));
    const int64_t id = OCTET_TRY(members.Get<int64_t>("id", -1));
    OCTET_TRY(CheckId(id, parts.tokens.size() + added.size(), token.content, where));
    token.id = static_cast<int32_t>(id);
    token.single_word = OCTET_TRY(members.Get<bool>("single_word", false));
    token.lstrip = OCTET_TRY(members.Get<bool>("lstrip", false));
    token.rstrip = OCTET_TRY(members.Get<bool>("rstrip", false));
    token.normalized = OCTET_TRY(members.Get<bool>("normalized", false));
    token.special = OCTET_TRY(members.Get<bool>("special", false));
    if (!token.content.empty()) parts.added_tokens.push_back(std::move(token));
  }
  return {};
}

// `bos_token` of tokenizer_config.json is a string or an object with `content`.
std::optional<int32_t> NamedToken(const Json& config, std::string_view key, const TokenizerParts& parts) {
  const Json* member = FindMember(config, key);
  if (member != nullptr && member->is_object()) member = FindMember(*member, "content");
  if (member == nullptr || !member->is_string()) return std::nullopt;
  const auto& text = member->get_ref<const std::string&>();
  for (const AddedToken& token : parts.added_tokens) {
    if (token.content == text) return token.id;
  }
  const auto found = std::find(parts.tokens.begin(), parts.tokens.end(), text);
  if (found == parts.tokens.end() || text.empty()) return std::nullopt;
  return static_cast<int32_t>(found - parts.tokens.begin());
}

}  // namespace

Result<TokenizerParts> ReadTokenizerJson(std::string_view text, const Json& config, std::string_view where) {
  simdjson::dom::parser parser;
  object root;
  const auto error = parser.parse(text.data(), text.size()).get(root);
  if (error == simdjson::MEMALLOC) {
    return Fail(ErrorCode::kExhausted, where, ": reading its ", Counted(text.size(), "byte"),
                " takes more memory than the system gives; end other programs, or raise the limit of this one");
  }
  if (error == simdjson::INCORRECT_TYPE) return Fail(ErrorCode::kCorrupt, where, ": not a JSON object");
  if (error != simdjson::SUCCESS)
    return Fail(ErrorCode::kCorrupt, where, ": not JSON: ", simdjson::error_message(error));
  const Members members(root, where);
  TokenizerParts parts;
  const object model = OCTET_TRY(members.GetObject("model"));
  OCTET_TRY(ReadModel(model, parts, where));
  OCTET_TRY(ReadAddedTokens(root, parts, where));
  parts.normalizer = OCTET_TRY(members.GetJson("normalizer"));
  parts.pre_tokenizer = OCTET_TRY(members.GetJson("pre_tokenizer"));
  parts.post_processor = OCTET_TRY(members.GetJson("post_processor"));
  parts.decoder = OCTET_TRY(members.GetJson("decoder"));
  parts.bos = NamedToken(config, "bos_token", parts);
  parts.eos = NamedToken(config, "eos_token", parts);
  return parts;
}

}  // namespace octet
