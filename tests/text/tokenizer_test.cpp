#include "text/tokenizer.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

using Ids = std::vector<int32_t>;

// A vocabulary small enough to follow by hand: bytes a..e and a space, and three merges.
constexpr std::string_view kSmallBpe = R"({
  "added_tokens": [{"id": 20, "content": "<|end|>", "special": true, "normalized": false},
                   {"id": 21, "content": "<tool>", "special": false, "normalized": false}],
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                     "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [20], "tokens": ["<|end|>"]}}},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "\u0120": 5, "ab": 6, "abc": 7, "\u0120abc": 8,
                                     "\u00e2": 9, "\u0124": 10, "\u00ac": 11, "<": 12, ">": 13, "|": 14, "n": 15},
            "merges": ["a b", ["ab", "c"], "\u0120 abc"]}
})";

Tokenizer Small() {
  Result<Tokenizer> made = Tokenizer::FromJson(kSmallBpe, Json(nullptr), "small");
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return std::move(*made);
}

TEST(Tokenizer, MergesFollowTheirRank) {
  const Tokenizer tokenizer = Small();
  EXPECT_EQ(tokenizer.Encode("abc abcd", {.add_special = false, .parse_special = true}), (Ids{7, 8, 3}));
  EXPECT_EQ(tokenizer.Encode("abc", {.add_special = true, .parse_special = true}), (Ids{20, 7}));
  EXPECT_EQ(tokenizer.vocab_size(), 22u);
}

TEST(Tokenizer, SpecialTokensStayTextUnlessAsked) {
  const Tokenizer tokenizer = Small();
  EXPECT_EQ(tokenizer.Encode("a<|end|>b", {.add_special = false, .parse_special = true}), (Ids{0, 20, 1}));
  EXPECT_EQ(tokenizer.Encode("<|end|>", {.add_special = false, .parse_special = false}),
            (Ids{12, 14, 4, 15, 3, 14, 13}));
  EXPECT_EQ(tokenizer.Encode("<tool>", {.add_special = false, .parse_special = false}), (Ids{21}));
}

TEST(Tokenizer, MarkedPiecesHideSpecialTokensOfTheUser) {
  const Tokenizer tokenizer = Small();
  const std::vector<TextPiece> pieces = {{"ab", true}, {"c<|end|>", false}, {"<|end|>", true}};
  EXPECT_EQ(tokenizer.EncodeMarked(pieces, false, ""), (Ids{7, 12, 14, 4, 15, 3, 14, 13, 20}));
  const std::vector<TextPiece> torn = {{"<|en", true}, {"d|>", false}};
  EXPECT_EQ(tokenizer.EncodeMarked(torn, false, ""), (Ids{12, 14, 4, 15, 3, 14, 13}));
}

// Many models' role tokens are not called special in tokenizer.json.
TEST(Tokenizer, RoleTokensOfTheUserStayTextThoughNotSpecial) {
  std::string json(kSmallBpe);
  const std::string_view before = R"({"id": 21,)";
  json.insert(json.find(before), R"({"id": 22, "content": "<\uff5ca\uff5c>", "special": false, "normalized": false},
                                   {"id": 23, "content": "[ab]", "special": false, "normalized": true},
                                   {"id": 24, "content": "bad", "special": false, "normalized": false},
                                   {"id": 25, "content": "  ", "special": false, "normalized": false},
                                   {"id": 26, "content": "<td>", "special": false, "normalized": false},)");
  const Result<Tokenizer> made = Tokenizer::FromJson(json, Json(nullptr), "roles");
  ASSERT_TRUE(made.has_value()) << made.error().message;
  constexpr std::string_view kTemplate = "  {{ 'bad' }} {{ content }}";
  const auto encode = [&](std::string_view text, bool trusted, std::string_view source) {
    const std::vector<TextPiece> pieces = {{std::string(text), trusted}};
    return made->EncodeMarked(pieces, false, source);
  };
  EXPECT_EQ(encode("<\uFF5Ca\uFF5C>[ab]<tool>bad  <td>", true, kTemplate), (Ids{22, 23, 21, 24, 25, 26}));
  EXPECT_EQ(encode("<\uFF5Ca\uFF5C>", false, kTemplate), (Ids{12, 0, 13}));
  EXPECT_EQ(encode("[ab]", false, kTemplate), (Ids{6}));
  EXPECT_EQ(encode("<tool>", false, kTemplate), (Ids{12, 13}));
  // Words are held back where the template writes them; runs of spaces and HTML are text whoever wrote them.
  EXPECT_EQ(encode("bad  <td>", false, kTemplate), (Ids{1, 0, 3, 25, 26}));
  EXPECT_EQ(encode("bad  <td>", false, "{{ content }}"), (Ids{24, 25, 26}));
  // A token of which the user wrote a part, and plain text that nobody marked.
  const std::vector<TextPiece> torn = {{"<\uFF5Ca", true}, {"\uFF5C>", false}};
  EXPECT_EQ(made->EncodeMarked(torn, false, ""), (Ids{12, 0, 13}));
  EXPECT_EQ(made->Encode("<\uFF5Ca\uFF5C>", {.add_special = false, .parse_special = true}), (Ids{22}));
}

Tokenizer Make(std::string_view json) {
  Result<Tokenizer> made = Tokenizer::FromJson(json, Json(nullptr), "made");
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return std::move(*made);
}

// Special tokens stand in the model's own vocabulary, too, where the matcher for added tokens has no say.
TEST(Tokenizer, NoModelMakesSpecialTokensOfUntrustedText) {
  constexpr std::string_view kAdded = R"("added_tokens": [{"id": 1, "content": "<s>", "special": true}], "model": )";
  constexpr std::string_view kVocabulary = R"("vocab": {"?": 0, "<s>": 1, "<": 2, "s": 3, ">": 4, "<s": 5})";
  const Tokenizer models[] = {
      Make(Cat("{", kAdded, R"({"type": "Unigram", "unk_id": 0, "vocab": [["?", 0], ["<s>", 0], ["<", -5], ["s", -5],
                                                                     [">", -5], ["<s", -8]]}})")),
      Make(Cat("{", kAdded, R"({"type": "BPE", "merges": ["< s", "<s >"], "unk_token": "?", )", kVocabulary, "}}")),
      Make(Cat("{", kAdded, R"({"type": "BPE", "merges": ["< s"], "ignore_merges": true, )", kVocabulary, "}}")),
      Make(Cat("{", kAdded, R"({"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "", )", kVocabulary,
               "}}"))};
  for (const Tokenizer& tokenizer : models) {
    const std::vector<TextPiece> user = {{"<s>", false}}, chat = {{"<s>", true}, {"s<s>", false}};
    EXPECT_EQ(tokenizer.EncodeMarked(user, false, ""), (Ids{5, 4}));
    EXPECT_EQ(tokenizer.EncodeMarked(chat, false, ""), (Ids{1, 3, 5, 4}));
    EXPECT_EQ(tokenizer.Encode("<s>", {.add_special = false, .parse_special = false}), (Ids{5, 4}));
    EXPECT_EQ(tokenizer.Encode("<s>", {.add_special = false, .parse_special = true}), (Ids{1}));
  }
}

// Ids of the `tokenizers` package.
TEST(Tokenizer, EveryModelSpellsBytesWhereThePreTokenizerDoes) {
  constexpr std::string_view kPre = R"("pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model": )";
  const Tokenizer suffix =
      Make(Cat("{", kPre, R"({"type": "BPE", "end_of_word_suffix": "</w>", "merges": ["\u00c3 \u00a9</w>"],
      "vocab": {"a": 0, "\u00c3": 1, "\u00a9": 2, "\u00c3</w>": 3, "\u00a9</w>": 4, "a</w>": 5, "\u0120": 6, "\u00c3\u00a9</w>": 7}}})"));
  EXPECT_EQ(suffix.Encode("a\u00E9 a"), (Ids{0, 7, 6, 5}));
  const Tokenizer prefix =
      Make(Cat("{", kPre, R"({"type": "BPE", "continuing_subword_prefix": "##", "merges": ["\u00c3 ##\u00a9"],
      "vocab": {"a": 0, "\u00c3": 1, "\u00a9": 2, "##\u00c3": 3, "##\u00a9": 4, "\u0120": 5, "##a": 6, "\u00c3\u00a9": 7}}})"));
  EXPECT_EQ(prefix.Encode("\u00E9a a\u00E9"), (Ids{7, 6, 5, 6, 3, 4}));
  const Tokenizer pieces = Make(
      Cat("{", kPre, R"({"type": "WordPiece", "unk_token": "?", "vocab": {"?": 0, "\u00c3": 5, "##\u00a9": 6}}})"));
  EXPECT_EQ(pieces.Encode("\u00E9"), (Ids{5, 6}));
  const Tokenizer unigram = Make(Cat("{", kPre, R"({"type": "Unigram", "unk_id": 0,
      "vocab": [["?", 0], ["a", -1], ["\u0120", -2], ["\u00c3", -1], ["\u00a9", -1]]}})"));
  EXPECT_EQ(unigram.Encode("a \u00E9"), (Ids{1, 2, 3, 4}));
}

// Ids of the `tokenizers` package: the bytes are those of the spelled character, prefix and suffix included.
TEST(Tokenizer, ByteFallbackSpellsWhatTheVocabularyLacks) {
  constexpr std::string_view kBytes = R"("<0xC4>": 1, "<0x8B>": 2, "<0x23>": 3, "<0x62>": 4)";
  const Tokenizer level = Make(Cat(R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model":
      {"type": "BPE", "byte_fallback": true, "merges": [], "vocab": {"a": 0, )",
                                   kBytes, "}}}"));
  EXPECT_EQ(level.Encode("\v"), (Ids{1, 2}));
  const Tokenizer prefix =
      Make(Cat(R"({"model": {"type": "BPE", "byte_fallback": true, "continuing_subword_prefix": "#",
      "merges": [], "vocab": {"a": 0, )",
               kBytes, "}}}"));
  EXPECT_EQ(prefix.Encode("ab"), (Ids{0, 3, 4}));
}

TEST(Tokenizer, AddedTokensTakeWhiteSpaceOnce) {
  const Tokenizer tokenizer = Make(R"({
    "added_tokens": [{"id": 7, "content": "<m>", "lstrip": true, "rstrip": true},
                     {"id": 8, "content": "  ", "lstrip": true, "rstrip": true}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "model": {"type": "BPE", "merges": [], "vocab": {"a": 0, "b": 1, "x": 2, "<": 3, "m": 4, ">": 5, "\u0120": 6}}})");
  EXPECT_EQ(tokenizer.Encode("a <m>  <m> b"), (Ids{0, 7, 7, 1}));
  EXPECT_EQ(tokenizer.Encode("      x"), (Ids{8, 2}));
  EXPECT_EQ(tokenizer.Encode("a  <m>    b"), (Ids{0, 8, 7, 1}));
}

TEST(Tokenizer, StreamLetsOnlyWholeCharactersOut) {
  const Tokenizer tokenizer = Small();
  StreamDecoder stream(tokenizer, false);
  EXPECT_EQ(stream.Push(9), "");
  EXPECT_EQ(stream.Push(10), "");
  EXPECT_EQ(stream.Push(11), "\u20AC");
  EXPECT_EQ(stream.Push(9), "");
  EXPECT_EQ(stream.Push(0),
            "\uFFFD"
            "a");
  EXPECT_EQ(stream.Push(9), "");
  EXPECT_EQ(stream.Finish(), "\uFFFD");
  EXPECT_EQ(tokenizer.Decode(Ids{9, 10, 11, 9, 0, 9}),
            "\u20AC\uFFFD"
            "a\uFFFD");
}

TEST(Tokenizer, DecodeSkipsSpecialTokensWhenAskedAndUnknownIdsAlways) {
  const Tokenizer tokenizer = Small();
  EXPECT_EQ(tokenizer.Decode(Ids{7, 20, 8, 999, -1}), "abc<|end|> abc");
  EXPECT_EQ(tokenizer.Decode(Ids{7, 20, 8}, true), "abc abc");
}

TEST(Tokenizer, UnknownPartsAreNamed) {
  const auto refuse = [](std::string_view from, std::string_view to) {
    std::string json(kSmallBpe);
    json.replace(json.find(from), from.size(), to);
    const Result<Tokenizer> made = Tokenizer::FromJson(json, Json(nullptr), "small");
    return made ? "accepted" : made.error().message;
  };
  EXPECT_EQ(refuse("\"normalizer\": null", "\"normalizer\": {\"type\": \"Mirror\"}"),
            "small: normalizer: type `Mirror` is unknown to this build");
  EXPECT_EQ(refuse("\"type\": \"BPE\"", "\"type\": \"WordLevel\""),
            "small: model type `WordLevel`; this build knows BPE, Unigram and WordPiece");
  EXPECT_EQ(refuse("\"type\": \"BPE\"", "\"type\": \"BPE\", \"dropout\": 0.5"),
            "small: the BPE model has a dropout of 0.5, which makes ids random; set `dropout` to null");
  EXPECT_EQ(refuse("\"type\": \"BPE\"", "\"type\": \"BPE\", \"dropout\": 0"), "accepted");
  EXPECT_EQ(refuse("\"a b\"", "\"a x\""), "small: merge 0 names `x`, which is not in the vocabulary");
  EXPECT_EQ(refuse("\"b\": 1", "\"b\": 99999999999"),
            "small: token `b` has id 99999999999, ids of 16 tokens must be in 0..65663");
  EXPECT_EQ(refuse("{\"type\": \"ByteLevel\"}", "{\"type\": \"BPEDecoder\", \"suffix\": \"\"}"),
            "small: decoder: a BPEDecoder with an empty suffix");
  EXPECT_EQ(refuse("{\"type\": \"ByteLevel\"}", "{\"type\": \"Metaspace\", \"replacement\": \"\"}"),
            "small: decoder: a Metaspace with an empty replacement");
}

// A vocabulary in SentencePiece's manner, where one merge joins a letter with the space behind it.
TEST(Tokenizer, MergesAcrossSpacesHappenWhereTheVocabularyHasThem) {
  const auto encode = [](std::string_view text) {
    const Result<Tokenizer> made = Tokenizer::FromJson(R"({
      "added_tokens": [], "pre_tokenizer": null, "post_processor": null, "decoder": null,
      "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
      "model": {"type": "BPE", "unk_token": "?", "fuse_unk": true,
                "vocab": {"?": 0, "a": 1, "b": 2, "\u2581": 3, "\u2581b": 4, "a\u2581": 5, "a\u2581b": 6, "\u2581\u2581": 7},
                "merges": ["a \u2581", "\u2581 b", "a\u2581 b", "\u2581 \u2581"]}})",
                                                       Json(nullptr), "bars");
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made->Encode(text);
  };
  EXPECT_EQ(encode("a b"), (Ids{6}));
  EXPECT_EQ(encode("b b"), (Ids{2, 4}));
  EXPECT_EQ(encode("b   b a b"), (Ids{2, 7, 4, 3, 6}));
  EXPECT_EQ(encode("x y  b"), (Ids{0, 3, 0, 3, 4}));
}

TEST(Tokenizer, MalformedUtf8IsReadAsReplacementCharacters) {
  const Tokenizer tokenizer = Small();
  EXPECT_EQ(tokenizer.Encode("a\xFF"
                             "b",
                             {.add_special = false, .parse_special = true}),
            tokenizer.Encode("a\uFFFD"
                             "b",
                             {.add_special = false, .parse_special = true}));
}

}  // namespace
}  // namespace octet
