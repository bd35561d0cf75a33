#include "serve/api/encoding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <ctime>
#include <numeric>
#include <utility>

#include "base/cat.h"
#include "engine/embed/vector_json.h"
#include "serve/api/fields.h"
#include "text/charsmap.h"

namespace octet::serve {
namespace {

constexpr size_t kMostInputs = 2048;  // OpenAI's limit

// What all three read: how texts of this request become inputs.
struct TextRules {
  const ServedModel& model;
  std::string name;           // of the model, as the request has it
  std::optional<size_t> cut;  // texts are cut to so many tokens; absent: those that are too long are refused
};

ApiResult<TextRules> ReadTextRules(const Json& body, Fields& fields, const ServedModel& model) {
  std::string name = OCTET_API_TRY(RequestedName(body, model));
  TextRules rules{model, std::move(name), {}};
  fields.Ignore({"model", "user", "priority"});
  OCTET_API_TRY(RequireText(model));
  const auto most = static_cast<int64_t>(model.context);
  const std::optional<int64_t> cut = fields.Integer("truncate_prompt_tokens", -1, most);
  if (cut == 0) fields.Refuse("truncate_prompt_tokens", "is 0; -1 cuts to what the model reads");
  if (cut) rules.cut = static_cast<size_t>(*cut == -1 ? most : *cut);
  return rules;
}

ApiError TooLong(const TextRules& rules, size_t tokens, const std::string& where) {
  ApiError error = WrongField(
      where, Cat("`", where, "` has ", tokens, " tokens with special ones, the model reads ", rules.model.context,
                 "; shorten it, or send \"truncate_prompt_tokens\": -1 to have it cut"));
  error.code = "context_length_exceeded";
  return error;
}

// Where a tokenizer puts no tokens around a text, an empty one has none.
ApiError NoTokens(const std::string& where) { return WrongField(where, Cat("`", where, "` has no tokens")); }

ApiResult<EncoderInput> TextInput(const TextRules& rules, const std::string& text, const std::string& where) {
  const Tokenizer& tokenizer = *rules.model.tokenizer;
  std::vector<int32_t> ids = tokenizer.Encode(rules.model.encoder->prompt + text, {.add_special = false});
  const size_t special = tokenizer.frame_size(), tokens = ids.size() + special;
  if (!rules.cut && tokens > rules.model.context) return tl::unexpected(TooLong(rules, tokens, where));
  const size_t most = rules.cut.value_or(tokens);
  if (most < special) {
    return tl::unexpected(WrongField("truncate_prompt_tokens", Cat("`truncate_prompt_tokens` is ", most, ", the ",
                                                                   special, " special tokens need more")));
  }
  ids.resize(std::min(ids.size(), most - special));
  if (ids.empty() && special == 0) return tl::unexpected(NoTokens(where));
  return EncoderInput{tokenizer.Frame(ids)};
}

ApiResult<EncoderInput> IdsInput(const TextRules& rules, const Json& list, const std::string& where) {
  std::vector<int32_t> ids = OCTET_API_TRY(TokenIds(list, rules.model.vocab, where));
  if (ids.empty()) return tl::unexpected(NoTokens(where));
  if (rules.cut) ids.resize(std::min(ids.size(), *rules.cut));
  if (ids.size() > rules.model.context) return tl::unexpected(TooLong(rules, ids.size(), where));
  return EncoderInput{std::move(ids)};
}

// Types must be 0 and, from some token on, 1: what encoders were made for. One without a table of types passes over
// what its tokenizer says of them.
ApiResult<size_t> FirstTextOf(const TokenPair& pair, const ServedModel& model) {
  const auto second = std::find_if(pair.types.begin(), pair.types.end(), [](int32_t type) { return type != 0; });
  if (second == pair.types.end() || model.encoder->type_vocab == 0) return SIZE_MAX;
  const bool fits = std::all_of(second, pair.types.end(), [](int32_t type) { return type == 1; });
  if (fits && model.encoder->type_vocab >= 2) return static_cast<size_t>(second - pair.types.begin());
  return tl::unexpected(WrongField("model", Cat("`", model.name,
                                                "` doesn't know the types of tokens by which its "
                                                "tokenizer joins two texts")));
}

ApiResult<EncoderInput> PairInput(const TextRules& rules, std::span<const int32_t> first,
                                  std::span<const int32_t> second, const std::string& where) {
  TokenPair pair = OCTET_API_TRY(rules.model.tokenizer->FramePair(first, second, rules.cut.value_or(SIZE_MAX)));
  if (pair.ids.empty()) return tl::unexpected(NoTokens(where));
  if (pair.ids.size() > rules.model.context) return tl::unexpected(TooLong(rules, pair.ids.size(), where));
  const size_t first_text = OCTET_API_TRY(FirstTextOf(pair, rules.model));
  return EncoderInput{std::move(pair.ids), first_text};
}

void Add(Encoding& encoding, EncoderInput input) {
  encoding.tokens += input.ids.size();
  encoding.inputs.push_back(std::move(input));
}

// The four shapes of `input`.
ApiResult<void> AddInputs(const Json& input, const TextRules& rules, Encoding& encoding) {
  const bool one = input.is_string() || (input.is_array() && !input.empty() && input[0].is_number());
  const Json list = one ? Json::array({input}) : input;
  if (!list.is_array() || list.empty() || list.size() > kMostInputs) {
    return tl::unexpected(WrongField(
        "input", Cat("`input` is a text, a list of token ids, or a list of 1 to ", kMostInputs, " of these")));
  }
  for (const Json& entry : list) {
    const std::string where = one ? "input" : Cat("input[", encoding.inputs.size(), "]");
    if (!entry.is_string() && !entry.is_array())
      return tl::unexpected(WrongField(where, Cat("`", where, "` is neither a text nor a list of token ids")));
    ApiResult<EncoderInput> read =
        entry.is_string() ? TextInput(rules, entry.get<std::string>(), where) : IdsInput(rules, entry, where);
    if (!read) return tl::unexpected(read.error());
    Add(encoding, std::move(*read));
  }
  return {};
}

Json UsageOf(size_t tokens) { return {{"prompt_tokens", tokens}, {"total_tokens", tokens}}; }

ApiResult<void> RequireEncoder(const ServedModel& model, std::string_view for_what) {
  if (model.encoder) return {};
  return tl::unexpected(
      WrongField("model", Cat("`", model.name, "` writes text; ", for_what, " need an encoder such as BERT")));
}

// Relevance is one number.
ApiResult<void> RequireOneLabel(const ServedModel& model) {
  OCTET_API_TRY(RequireEncoder(model, "scores"));
  if (model.encoder->labels <= 1) return {};
  return tl::unexpected(WrongField(
      "model", Cat("`", model.name, "` gives ", model.encoder->labels, " labels for a pair of texts; a score is 1")));
}

// Little-endian float32, as OpenAI's clients read it.
Json Base64Vector(std::span<const float> vector) {
  static_assert(std::endian::native == std::endian::little);
  return EncodeBase64({reinterpret_cast<const char*>(vector.data()), vector.size_bytes()});
}

double Cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0, of_a = 0, of_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * b[i];
    of_a += double{a[i]} * a[i];
    of_b += double{b[i]} * b[i];
  }
  const double lengths = std::sqrt(of_a) * std::sqrt(of_b);
  return lengths > 0 ? product / lengths : 0;
}

// Pairs of texts whose scores are wanted, and how inputs and values of the encoder stand for them.
class Scoring {
 public:
  explicit Scoring(const TextRules& rules) : rules_(rules), by_head_(rules.model.encoder->labels != 0) {}

  // A text that stands in some pairs, named by the field that it comes from.
  void AddText(std::string text, std::string where) { texts_.push_back({std::move(text), std::move(where)}); }
  void AddPair(size_t first, size_t second) { pairs_.emplace_back(first, second); }

  ApiResult<void> FillInputs(Encoding& encoding) const {
    if (!by_head_) {
      for (const Text& text : texts_) {
        EncoderInput input = OCTET_API_TRY(TextInput(rules_, text.text, text.where));
        Add(encoding, std::move(input));
      }
      return {};
    }
    const std::vector<std::vector<int32_t>> ids = TextIds();
    for (const auto& [first, second] : pairs_) {
      EncoderInput input = OCTET_API_TRY(PairInput(rules_, ids[first], ids[second], texts_[second].where));
      Add(encoding, std::move(input));
    }
    return {};
  }

  // Of what a reply needs; the texts stay behind.
  struct Result {
    bool by_head;
    size_t texts;
    std::vector<std::pair<size_t, size_t>> pairs;

    const char* method() const { return by_head ? "cross_encoder" : "cosine"; }
    std::vector<double> Scores(std::span<const float> values) const {
      if (by_head) return {values.begin(), values.end()};
      const size_t width = values.size() / texts;
      std::vector<double> scores;
      for (const auto& [first, second] : pairs)
        scores.push_back(Cosine(values.subspan(first * width, width), values.subspan(second * width, width)));
      return scores;
    }
  };
  Result result() const { return {by_head_, texts_.size(), pairs_}; }

 private:
  struct Text {
    std::string text;
    std::string where;
  };
  // Once for each text: a long query stands in thousands of pairs.
  std::vector<std::vector<int32_t>> TextIds() const {
    std::vector<std::vector<int32_t>> ids;
    for (const Text& text : texts_) ids.push_back(rules_.model.tokenizer->Encode(text.text, {.add_special = false}));
    return ids;
  }

  const TextRules& rules_;
  bool by_head_;
  std::vector<Text> texts_;
  std::vector<std::pair<size_t, size_t>> pairs_;
};

// A document is a text, or an object with one.
std::optional<std::string> DocumentText(const Json& document) {
  const Json* text = document.is_object() ? FindMember(document, "text") : &document;
  if (text == nullptr || !text->is_string()) return std::nullopt;
  return text->get<std::string>();
}

ApiResult<std::vector<std::string>> ReadDocuments(Fields& fields) {
  const Json* list = fields.List("documents", kMostInputs);
  if (list == nullptr || list->empty()) fields.Refuse("documents", "is missing or empty, a list of texts is expected");
  if (fields.failed()) return tl::unexpected(fields.error());
  std::vector<std::string> texts;
  for (const Json& document : *list) {
    std::optional<std::string> text = DocumentText(document);
    const std::string where = Cat("documents[", texts.size(), "]");
    if (!text)
      return tl::unexpected(WrongField(where, Cat("`", where, "` is neither a text nor an object with `text`")));
    texts.push_back(std::move(*text));
  }
  return texts;
}

struct RerankWish {
  std::string id, name;
  size_t top_n = 0;
  std::vector<std::string> returned;  // documents that the reply has; empty: none
};

Json RerankReply(const RerankWish& wish, const Scoring::Result& scoring, size_t tokens, std::span<const float> values) {
  const std::vector<double> scores = scoring.Scores(values);
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  order.resize(std::min(order.size(), wish.top_n));
  Json results = Json::array();
  for (const size_t index : order) {
    Json entry = {{"index", index}, {"relevance_score", scores[index]}};
    if (!wish.returned.empty()) entry["document"] = {{"text", wish.returned[index]}};
    results.push_back(std::move(entry));
  }
  return {{"id", wish.id},
          {"object", "list"},
          {"model", wish.name},
          {"method", scoring.method()},
          {"results", std::move(results)},
          {"usage", UsageOf(tokens)}};
}

// A text or a list of them.
ApiResult<std::vector<std::string>> ReadTexts(Fields& fields, std::string_view name) {
  const Json* value = fields.Any(name);
  if (value != nullptr && value->is_string()) return std::vector<std::string>{value->get<std::string>()};
  const Json* list = value == nullptr ? nullptr : fields.List(name, kMostInputs);
  if (list == nullptr || list->empty())
    fields.Refuse(name, "is missing or empty, a text or a list of texts is expected");
  if (fields.failed()) return tl::unexpected(fields.error());
  std::vector<std::string> texts;
  for (const Json& entry : *list) {
    const std::string where = Cat(name, "[", texts.size(), "]");
    if (!entry.is_string()) return tl::unexpected(WrongField(where, Cat("`", where, "` is no text")));
    texts.push_back(entry.get<std::string>());
  }
  return texts;
}

}  // namespace

ApiResult<Encoding> ReadEmbeddings(const Json& body, const ServedModel& model, std::string_view) {
  OCTET_API_TRY(RequireEncoder(model, "embeddings"));
  const size_t width = model.encoder->width;
  if (model.encoder->labels != 0)
    return tl::unexpected(WrongField("model", Cat("`", model.name,
                                                  "` scores pairs of texts, as for /v1/rerank; "
                                                  "embeddings need an encoder without such a head")));
  Fields fields(body);
  const TextRules rules = OCTET_API_TRY(ReadTextRules(body, fields, model));
  const std::string format = fields.Text("encoding_format").value_or("float");
  if (format != "float" && format != "base64") fields.Refuse("encoding_format", "is neither float nor base64");
  const auto wanted = static_cast<int64_t>(width);
  if (fields.Integer("dimensions", 1, INT64_MAX).value_or(wanted) != wanted)
    fields.Refuse("dimensions", Cat("is not ", width, ", which is what the vectors of `", model.name, "` have"));
  const Json* input = fields.Any("input");
  if (input == nullptr) fields.Refuse("input", "is missing");
  if (fields.failed()) return tl::unexpected(fields.error());

  Encoding encoding{.inputs = {}, .reply = {}, .unknown_fields = fields.unknown()};
  OCTET_API_TRY(AddInputs(*input, rules, encoding));
  encoding.reply = [name = rules.name, width, base64 = format == "base64",
                    tokens = encoding.tokens](std::span<const float> values) {
    Json data = Json::array();
    for (size_t i = 0; i * width < values.size(); ++i) {
      const std::span<const float> vector = values.subspan(i * width, width);
      data.push_back(
          {{"object", "embedding"}, {"index", i}, {"embedding", base64 ? Base64Vector(vector) : VectorJson(vector)}});
    }
    return Json{{"object", "list"}, {"data", std::move(data)}, {"model", name}, {"usage", UsageOf(tokens)}};
  };
  return encoding;
}

ApiResult<Encoding> ReadRerank(const Json& body, const ServedModel& model, std::string_view id) {
  OCTET_API_TRY(RequireOneLabel(model));
  Fields fields(body);
  const TextRules rules = OCTET_API_TRY(ReadTextRules(body, fields, model));
  std::optional<std::string> query = fields.Text("query");
  if (!query) fields.Refuse("query", "is missing");
  RerankWish wish{.id = std::string(id), .name = rules.name, .top_n = SIZE_MAX, .returned = {}};
  wish.top_n = static_cast<size_t>(fields.Integer("top_n", 1, INT64_MAX).value_or(INT64_MAX));
  const bool returns = fields.Bool("return_documents").value_or(false);
  fields.RefuseUnlessOff({"max_tokens_per_doc", "max_chunks_per_doc", "rank_fields"},
                         "can't be honoured; truncate_prompt_tokens cuts documents");
  std::vector<std::string> documents = OCTET_API_TRY(ReadDocuments(fields));
  Scoring scoring(rules);
  scoring.AddText(std::move(*query), "query");
  for (size_t i = 0; i < documents.size(); ++i) {
    scoring.AddText(documents[i], Cat("documents[", i, "]"));
    scoring.AddPair(0, i + 1);
  }
  Encoding encoding{.inputs = {}, .reply = {}, .unknown_fields = fields.unknown()};
  OCTET_API_TRY(scoring.FillInputs(encoding));
  if (returns) wish.returned = std::move(documents);
  encoding.reply = [wish = std::move(wish), result = scoring.result(), tokens = encoding.tokens](
                       std::span<const float> values) { return RerankReply(wish, result, tokens, values); };
  return encoding;
}

ApiResult<Encoding> ReadScore(const Json& body, const ServedModel& model, std::string_view id) {
  if (FindMember(body, "query") != nullptr) return ReadRerank(body, model, id);
  OCTET_API_TRY(RequireOneLabel(model));
  Fields fields(body);
  const TextRules rules = OCTET_API_TRY(ReadTextRules(body, fields, model));
  const std::vector<std::string> first = OCTET_API_TRY(ReadTexts(fields, "text_1"));
  const std::vector<std::string> second = OCTET_API_TRY(ReadTexts(fields, "text_2"));
  if (first.size() != 1 && first.size() != second.size()) {
    return tl::unexpected(WrongField("text_1", Cat("`text_1` has ", first.size(), " texts and `text_2` ", second.size(),
                                                   "; one text, or as many as the other, are expected")));
  }
  Scoring scoring(rules);
  for (size_t i = 0; i < first.size(); ++i) scoring.AddText(first[i], Cat("text_1[", i, "]"));
  for (size_t i = 0; i < second.size(); ++i) {
    scoring.AddText(second[i], Cat("text_2[", i, "]"));
    scoring.AddPair(first.size() == 1 ? 0 : i, first.size() + i);
  }
  Encoding encoding{.inputs = {}, .reply = {}, .unknown_fields = fields.unknown()};
  OCTET_API_TRY(scoring.FillInputs(encoding));
  encoding.reply = [id = std::string(id), name = rules.name, result = scoring.result(),
                    tokens = encoding.tokens](std::span<const float> values) {
    Json data = Json::array();
    for (const double score : result.Scores(values))
      data.push_back({{"index", data.size()}, {"object", "score"}, {"score", score}});
    return Json{{"id", id},
                {"object", "list"},
                {"created", std::time(nullptr)},
                {"model", name},
                {"method", result.method()},
                {"data", std::move(data)},
                {"usage", UsageOf(tokens)}};
  };
  return encoding;
}

}  // namespace octet::serve
