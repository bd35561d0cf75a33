#include "text/gguf_tokenizer.h"

#include <algorithm>

#include "base/counted.h"
#include "text/charsmap.h"
#include "text/gguf_pre.h"
#include "text/sentencepiece_merges.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace octet {
namespace {

constexpr std::string_view kBar = "\u2581";  // the visible space of SentencePiece

enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// The metadata of one file on their way to parts.
struct Source {
  const GgufFile& file;
  std::string where;
  std::vector<int64_t> types;
  TokenizerParts parts;

  bool Has(std::string_view key) const { return file.Has(Cat("tokenizer.ggml.", key)); }
  Result<bool> Flag(std::string_view key, bool otherwise) const {
    return Has(key) ? file.GetBool(Cat("tokenizer.ggml.", key)) : Result<bool>(otherwise);
  }
  // An id of the vocabulary; nothing where the key is missing, the default where it stands in the format.
  Result<std::optional<int32_t>> Id(std::string_view key, std::optional<int32_t> otherwise = std::nullopt) const {
    int64_t id = otherwise.value_or(-1);
    if (Has(key)) id = OCTET_TRY(file.GetInteger(Cat("tokenizer.ggml.", key)));
    if (id >= 0 && static_cast<uint64_t>(id) < types.size()) return static_cast<int32_t>(id);
    if (!Has(key) || id < 0 || id == UINT32_MAX) return std::nullopt;
    return Fail(ErrorCode::kCorrupt, where, ": tokenizer.ggml.", key, " is ", id, ", the vocabulary has ",
                Counted(types.size(), "token"));
  }
  Json Special(int32_t id) const {
    return {{"SpecialToken", {{"id", parts.tokens[static_cast<size_t>(id)]}, {"type_id", 0}}}};
  }
};

Status ReadTokens(Source& source) {
  const std::vector<std::string_view> tokens = OCTET_TRY(source.file.GetStrings("tokenizer.ggml.tokens"));
  source.parts.tokens.assign(tokens.begin(), tokens.end());
  source.types.assign(tokens.size(), kNormal);
  if (!source.Has("token_type")) return {};
  source.types = OCTET_TRY(source.file.GetIntegers("tokenizer.ggml.token_type"));
  if (source.types.size() == tokens.size()) return {};
  return Fail(ErrorCode::kCorrupt, source.where, ": ", source.types.size(), " token types for ",
              Counted(tokens.size(), "token"));
}

// Phi-3's special tokens take the white space behind them, but these.
bool TakesSpaceBehind(const Source& source, const std::string& token) {
  const Result<std::string_view> architecture = source.file.GetString("general.architecture");
  return architecture && *architecture == "phi3" && token != "<unk>" && token != "<s>" && token != "<|endoftext|>";
}

void AddAddedTokens(Source& source) {
  for (size_t id = 0; id < source.types.size(); ++id) {
    const int64_t type = source.types[id];
    if ((type != kControl && type != kUnknown && type != kUserDefined) || source.parts.tokens[id].empty()) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = source.parts.tokens[id];
    token.special = type != kUserDefined;
    token.rstrip = TakesSpaceBehind(source, token.content);
    source.parts.added_tokens.push_back(std::move(token));
  }
}

// Puts BOS and EOS where the file says, or where its kind of tokenizer does by itself.
Status AddFrame(Source& source, bool adds_bos, bool adds_eos) {
  adds_bos = OCTET_TRY(source.Flag("add_bos_token", adds_bos));
  adds_eos = OCTET_TRY(source.Flag("add_eos_token", adds_eos));
  const std::optional<int32_t> bos = source.parts.bos, eos = source.parts.eos;
  Json single = Json::array(), pair = Json::array(), specials = Json::object();
  const auto add = [&](std::optional<int32_t> id, bool wanted) {
    if (!wanted || !id) return;
    const std::string& text = source.parts.tokens[static_cast<size_t>(*id)];
    single.push_back(source.Special(*id));
    pair.push_back(source.Special(*id));
    specials[text] = {{"id", text}, {"ids", {*id}}, {"tokens", {text}}};
  };
  add(bos, adds_bos);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  pair.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 0}}}});
  add(eos, adds_eos);
  if (specials.empty()) return {};
  source.parts.post_processor = {
      {"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", specials}};
  return {};
}

Json Sequence(std::string_view key, std::vector<Json> members) {
  Json list = Json::array();
  for (Json& member : members) list.push_back(std::move(member));
  return {{"type", "Sequence"}, {std::string(key), std::move(list)}};
}

Json ReplaceText(std::string_view from, std::string_view to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

// Decoder of SentencePiece vocabularies; the space that was put in front goes away again.
Json SentencePieceDecoder(bool strips_space) {
  std::vector<Json> steps = {ReplaceText(kBar, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (strips_space) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return Sequence("decoders", std::move(steps));
}

Status ReadMergeList(Source& source) {
  const std::vector<std::string_view> merges = OCTET_TRY(source.file.GetStrings("tokenizer.ggml.merges"));
  const Vocabulary vocabulary(source.parts.tokens);
  source.parts.merges.reserve(merges.size());
  for (const std::string_view merge : merges) {
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos)
      return Fail(ErrorCode::kCorrupt, source.where, ": merge `", merge, "` is no pair of tokens");
    const int32_t left = vocabulary.FindOr(merge.substr(0, space), -1),
                  right = vocabulary.FindOr(merge.substr(space + 1), -1);
    const bool whole = vocabulary.FindOr(Cat(merge.substr(0, space), merge.substr(space + 1)), -1) >= 0;
    // A merge whose parts or product are no tokens can't take place; some files list such.
    if (left >= 0 && right >= 0 && whole) source.parts.merges.push_back({left, right});
  }
  return {};
}

Status ReadBpe(Source& source, std::string_view pre_name) {
  const GgufPreTokenizer pre = OCTET_TRY(FindGgufPreTokenizer(pre_name, source.where));
  OCTET_TRY(ReadMergeList(source));
  TokenizerParts& parts = source.parts;
  parts.model = TokenizerModel::kBpe;
  parts.ignore_merges = pre.ignore_merges;
  parts.pre_tokenizer = pre.pre_tokenizer;
  parts.byte_fallback = !pre.byte_level;
  if (pre.escapes_spaces) parts.normalizer = ReplaceText(" ", kBar);
  parts.decoder =
      pre.byte_level
          ? Json{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}
          : SentencePieceDecoder(false);
  AddAddedTokens(source);
  return AddFrame(source, pre.adds_bos || pre_name == "gemma4", false);
}

Result<std::vector<double>> ReadScores(const Source& source) {
  std::vector<double> scores = OCTET_TRY(source.file.GetNumbers("tokenizer.ggml.scores"));
  if (scores.size() == source.types.size()) return scores;
  return Fail(ErrorCode::kCorrupt, source.where, ": ", Counted(scores.size(), "score"), " for ",
              Counted(source.types.size(), "token"));
}

Status ReadSentencePiece(Source& source) {
  const std::vector<double> scores = OCTET_TRY(ReadScores(source));
  TokenizerParts& parts = source.parts;
  parts.model = TokenizerModel::kBpe;
  parts.byte_fallback = true;
  parts.fuse_unknown = true;
  std::vector<bool> may_merge(source.types.size());
  for (size_t id = 0; id < may_merge.size(); ++id) {
    may_merge[id] = source.types[id] != kControl && source.types[id] != kUnknown && source.types[id] != kByte;
  }
  parts.merges = MergesFromScores(parts.tokens, scores, may_merge);
  const bool prefix = OCTET_TRY(source.Flag("add_space_prefix", true));
  Json escape = ReplaceText(" ", kBar);
  parts.normalizer = prefix ? Sequence("normalizers", {{{"type", "Prepend"}, {"prepend", kBar}}, escape}) : escape;
  parts.decoder = SentencePieceDecoder(prefix);
  AddAddedTokens(source);
  return AddFrame(source, true, false);
}

// The file marks what begins a word, tokenizer.json what continues one.
void SpellWordPieces(Source& source) {
  for (size_t id = 0; id < source.types.size(); ++id) {
    std::string& token = source.parts.tokens[id];
    const bool bracketed = token.size() > 2 && token.front() == '[' && token.back() == ']';
    if (source.types[id] == kControl || source.types[id] == kUnknown || bracketed) continue;
    token = token.starts_with(kBar) ? token.substr(kBar.size()) : Cat("##", token);
  }
}

Status ReadWordPiece(Source& source) {
  SpellWordPieces(source);
  TokenizerParts& parts = source.parts;
  parts.model = TokenizerModel::kWordPiece;
  parts.subword_prefix = "##";
  parts.unknown = OCTET_TRY(source.Id("unknown_token_id", 100));
  const bool lowercase = OCTET_TRY(source.Flag("normalizer.lowercase", true));
  const bool strip_accents = OCTET_TRY(source.Flag("normalizer.strip_accents", lowercase));
  parts.normalizer = {{"type", "BertNormalizer"},
                      {"clean_text", true},
                      {"handle_chinese_chars", true},
                      {"strip_accents", strip_accents},
                      {"lowercase", lowercase}};
  parts.pre_tokenizer = {{"type", "BertPreTokenizer"}};
  parts.decoder = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  if (!parts.bos) parts.bos = OCTET_TRY(source.Id("cls_token_id", 101));
  const std::optional<int32_t> separator = OCTET_TRY(source.Id("seperator_token_id", 102));
  if (!parts.eos) parts.eos = separator;
  AddAddedTokens(source);
  return AddFrame(source, true, true);
}

Result<Json> ReadCharsmap(const Source& source) {
  const std::vector<int64_t> numbers = OCTET_TRY(source.file.GetIntegers("tokenizer.ggml.precompiled_charsmap"));
  std::string bytes;
  bytes.reserve(numbers.size());
  for (const int64_t number : numbers) bytes.push_back(static_cast<char>(number & 0xFF));
  return Json{{"type", "Precompiled"}, {"precompiled_charsmap", EncodeBase64(bytes)}};
}

Status ReadUnigram(Source& source) {
  TokenizerParts& parts = source.parts;
  parts.model = TokenizerModel::kUnigram;
  parts.scores = OCTET_TRY(ReadScores(source));
  parts.fuse_unknown = true;
  parts.unknown = OCTET_TRY(source.Id("unknown_token_id", 2));
  if (source.Has("precompiled_charsmap")) parts.normalizer = OCTET_TRY(ReadCharsmap(source));
  const bool prefix = OCTET_TRY(source.Flag("add_space_prefix", true));
  Json metaspace = {
      {"type", "Metaspace"}, {"replacement", kBar}, {"prepend_scheme", prefix ? "always" : "never"}, {"split", true}};
  const bool merges_spaces = OCTET_TRY(source.Flag("remove_extra_whitespaces", false));
  parts.pre_tokenizer =
      merges_spaces ? Sequence("pretokenizers", {{{"type", "WhitespaceSplit"}}, metaspace}) : metaspace;
  parts.decoder = metaspace;
  AddAddedTokens(source);
  return AddFrame(source, false, true);
}

Status ReadByModel(Source& source, std::string_view model) {
  std::string_view pre;
  if (source.Has("pre")) pre = OCTET_TRY(source.file.GetString("tokenizer.ggml.pre"));
  if (model == "gpt2") return ReadBpe(source, pre);
  if (model == "gemma4") return ReadBpe(source, "gemma4");
  if (model == "llama") return ReadSentencePiece(source);
  if (model == "bert") return ReadWordPiece(source);
  if (model == "t5") return ReadUnigram(source);
  return Fail(ErrorCode::kUnsupported, source.where, ": tokenizer.ggml.model is `", model,
              "`; this build knows gpt2, gemma4, llama, bert and t5");
}

}  // namespace

Result<TokenizerParts> ReadGgufTokenizer(const GgufFile& file) {
  Source source{file, file.path().string(), {}, {}};
  if (!file.Has("tokenizer.ggml.model"))
    return Fail(ErrorCode::kNotFound, source.where, ": the file holds no tokenizer (tokenizer.ggml.model is missing)");
  const std::string_view model = OCTET_TRY(file.GetString("tokenizer.ggml.model"));
  OCTET_TRY(ReadTokens(source));
  const bool by_default = model == "llama";
  source.parts.bos = OCTET_TRY(source.Id("bos_token_id", by_default ? std::optional<int32_t>(1) : std::nullopt));
  source.parts.eos = OCTET_TRY(source.Id("eos_token_id", by_default      ? std::optional<int32_t>(2)
                                                         : model == "t5" ? std::optional<int32_t>(1)
                                                                         : std::nullopt));
  source.parts.unknown =
      OCTET_TRY(source.Id("unknown_token_id", by_default ? std::optional<int32_t>(0) : std::nullopt));
  // A byte-level vocabulary knows every byte; its unknown token is for the model's table, not for text.
  if (model == "gpt2") source.parts.unknown = std::nullopt;
  OCTET_TRY(ReadByModel(source, model));
  return std::move(source.parts);
}

Result<Tokenizer> Tokenizer::FromGguf(const GgufFile& file) {
  TokenizerParts parts = OCTET_TRY(ReadGgufTokenizer(file));
  return FromParts(std::move(parts), file.path().string());
}

Result<std::string> TokenizerJsonFromGguf(const GgufFile& file) {
  const TokenizerParts parts = OCTET_TRY(ReadGgufTokenizer(file));
  return WriteTokenizerJson(parts);
}

Json TokenizerConfigFromGguf(const GgufFile& file) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const Result<std::vector<std::string_view>> tokens = file.GetStrings("tokenizer.ggml.tokens");
  constexpr std::pair<std::string_view, std::string_view> kTokenIds[] = {
      {"bos_token", "bos_token_id"},     {"eos_token", "eos_token_id"}, {"unk_token", "unknown_token_id"},
      {"pad_token", "padding_token_id"}, {"cls_token", "cls_token_id"}, {"sep_token", "seperator_token_id"},
      {"mask_token", "mask_token_id"}};
  for (const auto& [name, key] : kTokenIds) {
    const Result<int64_t> id = file.GetInteger(Cat("tokenizer.ggml.", key));
    if (tokens && id && *id >= 0 && static_cast<uint64_t>(*id) < tokens->size())
      config[std::string(name)] = std::string((*tokens)[static_cast<size_t>(*id)]);
  }
  const Result<std::string_view> architecture = file.GetString("general.architecture");
  const Result<int64_t> longest = file.GetInteger(Cat(architecture.value_or(""), ".context_length"));
  if (longest) config["model_max_length"] = *longest;
  return config;
}

}  // namespace octet
