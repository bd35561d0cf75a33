#include "engine/embed/embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <thread>

#include "base/mapped_file.h"

namespace octet {
namespace {

const std::filesystem::path kGoldens = std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/encoders";
const std::filesystem::path kBert = kGoldens / "bert";

std::unique_ptr<Embedder> Open(const EmbedderOptions& options = {.threads = 1},
                               const std::filesystem::path& path = kBert) {
  Result<std::unique_ptr<Embedder>> embedder = Embedder::Open(path, options);
  EXPECT_TRUE(embedder.has_value()) << embedder.error().message;
  return std::move(*embedder);
}

struct GoldenTexts {
  std::vector<std::string> texts;
  std::vector<std::vector<int32_t>> ids;
  std::vector<float> vectors;
};

// What sentence-transformers' files of the model make of texts (tools/golden/encoders.py).
GoldenTexts ReadGoldenTexts(const std::filesystem::path& directory = kBert) {
  GoldenTexts golden;
  const Json cases = *ParseJson(*ReadTextFile(directory / "texts.json"), "texts.json");
  for (const Json& item : cases) {
    golden.texts.push_back(item.at("text"));
    golden.ids.push_back(item.at("ids"));
    for (const Json& value : item.at("vector")) golden.vectors.push_back(value);
  }
  return golden;
}

TEST(Embedder, TextsBecomeTheVectorsOfTheModelsFiles) {
  for (const auto& [name, width] : {std::pair("bert", 64u), std::pair("mpnet", 48u)}) {
    const GoldenTexts golden = ReadGoldenTexts(kGoldens / name);
    const std::unique_ptr<Embedder> embedder = Open({.threads = 1}, kGoldens / name);
    const Result<Embeddings> got = embedder->Embed(golden.texts, {});
    ASSERT_TRUE(got.has_value()) << got.error().message;
    EXPECT_EQ(got->width, width);
    for (size_t i = 0; i < golden.texts.size(); ++i) EXPECT_EQ(got->tokens[i], golden.ids[i].size()) << golden.texts[i];
    ASSERT_EQ(got->values.size(), golden.vectors.size());
    for (size_t i = 0; i < golden.vectors.size(); ++i) EXPECT_NEAR(got->values[i], golden.vectors[i], 1e-6) << name;
    EXPECT_EQ(got->truncated, 2u);
    EXPECT_EQ(embedder->EmbedTokens(golden.ids, {})->values, got->values);
  }
}

TEST(Embedder, AVectorDependsOnItsTextAlone) {
  const GoldenTexts golden = ReadGoldenTexts();
  const Embeddings together = *Open({.threads = 3, .chunk = 1000})->Embed(golden.texts, {});
  const std::unique_ptr<Embedder> one = Open({.threads = 1, .chunk = 1});
  std::vector<float> alone;
  for (const std::string& text : golden.texts) {
    const Embeddings own = *one->Embed({&text, 1}, {});
    alone.insert(alone.end(), own.values.begin(), own.values.end());
  }
  EXPECT_EQ(alone, together.values);
}

// Passes for each thread several times over, fewer passes than threads, and some left over.
TEST(Embedder, VectorsDontDependOnThreadsOrOnHowTextsFillPasses) {
  std::vector<std::vector<int32_t>> ids;
  for (size_t i = 0; i < 61; ++i) ids.emplace_back(3 + i * 7 % 40, static_cast<int32_t>(i % 50));
  const std::vector<float> want = Open({.threads = 1})->EmbedTokens(ids, {})->values;
  for (const size_t threads : {2, 3}) {
    for (const size_t chunk : {1, 30, 500, 100000}) {
      EXPECT_EQ(Open({.threads = threads, .chunk = chunk})->EmbedTokens(ids, {})->values, want)
          << threads << " threads, chunks of " << chunk;
    }
  }
}

// Each of several passes at once may fail; the first texts' error counts, and others go on afterwards.
TEST(Embedder, OfSeveralBadTextsTheFirstIsTold) {
  const std::unique_ptr<Embedder> embedder = Open({.threads = 2, .chunk = 8});
  std::vector<std::vector<int32_t>> ids(12, std::vector<int32_t>(6, 1));
  const std::vector<float> want = embedder->EmbedTokens(ids, {})->values;
  ids[5][0] = 7777777;
  ids[9] = {};
  const Result<Embeddings> failed = embedder->EmbedTokens(ids, {});
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(failed.error().message, testing::HasSubstr("7777777"));
  ids.resize(5);
  EXPECT_EQ(embedder->EmbedTokens(ids, {})->values, std::vector<float>(want.begin(), want.begin() + 5 * 64));
}

TEST(Embedder, CallsFromSeveralThreadsTakeTurns) {
  const GoldenTexts golden = ReadGoldenTexts();
  const std::unique_ptr<Embedder> embedder = Open({.threads = 2, .chunk = 30});
  const std::vector<float> want = embedder->Embed(golden.texts, {})->values;
  std::vector<std::vector<float>> got(4);
  std::vector<std::thread> callers;
  for (auto& values : got) callers.emplace_back([&] { values = embedder->Embed(golden.texts, {})->values; });
  for (std::thread& caller : callers) caller.join();
  for (const auto& values : got) EXPECT_EQ(values, want);
}

TEST(Embedder, PoolingLengthAndDimensionsAreTheCallersToChoose) {
  const std::vector<std::string> texts = {"the word", "and a token"};
  const std::unique_ptr<Embedder> embedder = Open();
  const Embeddings mean = *embedder->Embed(texts, {.normalizes = false});
  const Embeddings cls = *embedder->Embed(texts, {.pooling = Pooling::kCls, .normalizes = false});
  EXPECT_NE(mean.values, cls.values);
  const Embeddings cut = *embedder->Embed(texts, {.dimensions = 10});
  EXPECT_EQ(cut.width, 10u);
  for (size_t i = 0; i < 2; ++i) {
    double squares = 0, of_mean = 0;
    for (size_t k = 0; k < 10; ++k) {
      squares += std::pow(double{cut.values[i * 10 + k]}, 2);
      of_mean += std::pow(double{mean.values[i * 64 + k]}, 2);
    }
    EXPECT_NEAR(squares, 1, 1e-6);
    EXPECT_NEAR(cut.values[i * 10], mean.values[i * 64] / std::sqrt(of_mean), 1e-6);
  }
  EXPECT_EQ(embedder->Embed(texts, {.dimensions = 65}).error().message,
            "65 dimensions are asked for, the model's vectors have 64");
}

TEST(Embedder, AWishToStopIsHeard) {
  CancelFlag cancel;
  cancel.Request();
  const std::string text = "the word";
  const Result<Embeddings> got = Open()->Embed({&text, 1}, {.cancel = &cancel});
  EXPECT_EQ(got.error().code, ErrorCode::kCancelled);
}

// A copy of the model whose sentence-transformers files a test writes.
class SentenceFiles : public testing::Test {
 protected:
  SentenceFiles() {
    directory_ = std::filesystem::temp_directory_path() / Cat("octet_sentence_files_", ::getpid());
    std::filesystem::remove_all(directory_);
    std::filesystem::copy(kBert, directory_, std::filesystem::copy_options::recursive);
  }
  ~SentenceFiles() override { std::filesystem::remove_all(directory_); }

  void Write(const char* name, std::string_view content) { std::ofstream(directory_ / name) << content; }
  std::string MessageOf(ErrorCode code) {
    const Result<std::unique_ptr<Embedder>> embedder = Embedder::Open(directory_, {.threads = 1});
    if (embedder) return "accepted";
    EXPECT_EQ(ErrorCodeName(embedder.error().code), ErrorCodeName(code));
    return embedder.error().message;
  }
  SentenceConfig Config() { return (*Embedder::Open(directory_, {.threads = 1}))->config(); }

  std::filesystem::path directory_;
};

TEST_F(SentenceFiles, WithoutModulesTheMeanIsNotNormalised) {
  std::filesystem::remove(directory_ / "modules.json");
  std::filesystem::remove(directory_ / "sentence_bert_config.json");
  const SentenceConfig config = Config();
  EXPECT_EQ(config.pooling, Pooling::kMean);
  EXPECT_FALSE(config.normalizes);
  EXPECT_EQ(config.max_tokens, 512u);  // of tokenizer_config.json; the model has 600 positions
}

TEST_F(SentenceFiles, PoolingByTheFirstTokenIsReadFromFlagsAndNames) {
  Write("1_Pooling/config.json", R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
  EXPECT_EQ(Config().pooling, Pooling::kCls);
  Write("1_Pooling/config.json", R"({"pooling_mode": "cls"})");
  EXPECT_EQ(Config().pooling, Pooling::kCls);
}

TEST_F(SentenceFiles, ADefaultPromptStandsBeforeEveryText) {
  const std::vector<std::string> with = {"query: the word"}, without = {"the word"};
  const std::vector<float> want = Open()->Embed(with, {})->values;
  Write("config_sentence_transformers.json", R"({"prompts": {"query": "query: "}, "default_prompt_name": "query"})");
  EXPECT_EQ((*Embedder::Open(directory_, {.threads = 1}))->Embed(without, {})->values, want);
}

TEST_F(SentenceFiles, WhatIsNotKnownIsRefusedByName) {
  Write("1_Pooling/config.json", R"({"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": true})");
  EXPECT_THAT(MessageOf(ErrorCode::kUnsupported),
              testing::HasSubstr("pooling by `max_tokens and mean_tokens` isn't known; known are mean and cls"));
  Write("1_Pooling/config.json", R"({"pooling_mode": "mean", "include_prompt": false})");
  EXPECT_THAT(MessageOf(ErrorCode::kUnsupported), testing::HasSubstr("`include_prompt` false"));
  Write("modules.json", R"([{"path": "../1_Pooling", "type": "sentence_transformers.models.Pooling"}])");
  EXPECT_THAT(MessageOf(ErrorCode::kCorrupt), testing::HasSubstr("`path` is `../1_Pooling`"));
  Write("modules.json", R"([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])");
  EXPECT_THAT(MessageOf(ErrorCode::kUnsupported), testing::HasSubstr("module `sentence_transformers.models.Dense`"));
  Write("modules.json", R"([{"path": "3_Pooling", "type": "sentence_transformers.models.Pooling"}])");
  EXPECT_THAT(MessageOf(ErrorCode::kNotFound), testing::HasSubstr("3_Pooling/config.json"));
  Write("modules.json", "[]");
  Write("sentence_bert_config.json", R"({"max_seq_length": 2})");
  EXPECT_THAT(MessageOf(ErrorCode::kCorrupt), testing::HasSubstr("texts of 2 tokens have no room beside 2"));
  Write("sentence_bert_config.json", R"({"do_lower_case": true})");
  EXPECT_THAT(MessageOf(ErrorCode::kUnsupported), testing::HasSubstr("`do_lower_case`"));
}

TEST(Embedder, ADecoderIsRefused) {
  const auto opened =
      Embedder::Open(std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/models/smollm2", {.threads = 1});
  EXPECT_THAT(opened.error().message, testing::HasSubstr("is a decoder (`llama`), which writes text"));
}

}  // namespace
}  // namespace octet
