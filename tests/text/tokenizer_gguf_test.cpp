#include <gtest/gtest.h>

#include "text/gguf_pre.h"
#include "text/pretokenizer.h"
#include "text/sentencepiece_merges.h"
#include "text/tokenizer.h"
#include "text/tokenizer_parts.h"

namespace octet {
namespace {

TEST(GgufPreTokenizer, UnknownNameIsRefusedAndNamed) {
  const Result<GgufPreTokenizer> found = FindGgufPreTokenizer("smollm-9", "model.gguf");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(found.error().message,
            "model.gguf: tokenizer.ggml.pre is `smollm-9`, a pre-tokenizer that this build doesn't know");
}

TEST(GgufPreTokenizer, EveryNamedPatternCompilesAndCoversItsText) {
  for (const char* name :
       {"default",    "gpt-2",      "smollm",       "llama-bpe",      "dbrx",        "glm4",     "qwen2",   "qwen35",
        "ufakzeka",   "jais-2",     "deepseek-llm", "deepseek-coder", "deepseek-v3", "spark2_5", "youtu",   "falcon",
        "bloom",      "viking",     "tekken",       "chameleon",      "gpt-4o",      "tiny_aya", "kimi-k2", "superbpe",
        "bailingmoe", "seed-coder", "afmoe",        "laguna",         "exaone-moe",  "minicpm5", "gemma4"}) {
    const Result<GgufPreTokenizer> found = FindGgufPreTokenizer(name, name);
    ASSERT_TRUE(found.has_value()) << name;
    const Result<PreTokenizer> made = PreTokenizer::Make(found->pre_tokenizer, true, name);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    Words words;
    words.text = "I'm 12345 years  old,\n\n 中文 日本語 \u00e9t\u00e9!! \u0e44\u0e17\u0e22 ";
    words.spans = {{0, words.text.size()}};
    const std::string whole = words.text;
    made->Apply(words);
    std::string joined;
    for (const WordSpan span : words.spans) joined += words.At(span);
    EXPECT_EQ(joined, whole) << name;
    EXPECT_GT(words.spans.size(), 1u) << name;
  }
}

TEST(SentencePieceMerges, BestScoreComesFirstAndSpecialTokensAreNotMade) {
  const std::vector<std::string> tokens = {"<s>", "a", "b", "ab", "aba", "<", "s>"};
  const std::vector<double> scores = {0, -5, -6, -2, -1, -7, -8};
  const std::vector<MergePair> merges = MergesFromScores(tokens, scores, {false, true, true, true, true, true, true});
  ASSERT_EQ(merges.size(), 2u);
  EXPECT_EQ(merges[0].left, 3);  // ab + a makes the better token
  EXPECT_EQ(merges[0].right, 1);
  EXPECT_EQ(merges[1].left, 1);
  EXPECT_EQ(merges[1].right, 2);
}

TEST(TokenizerJson, WrittenFileReadsBackAsTheSameTokenizer) {
  TokenizerParts parts;
  parts.tokens = {"a", "b", "ab", "<s>"};
  parts.merges = {{0, 1}};
  parts.added_tokens.push_back({.id = 3, .content = "<s>", .special = true});
  parts.decoder = {{"type", "Fuse"}};
  const Result<Tokenizer> again = Tokenizer::FromJson(WriteTokenizerJson(parts), Json(nullptr), "written");
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->Encode("ab<s>ba"), (std::vector<int32_t>{2, 3, 1, 0}));
}

}  // namespace
}  // namespace octet
