#include "engine/embed/encoder_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>

#include "base/mapped_file.h"

namespace octet {
namespace {

const std::filesystem::path kEncoders = std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/encoders";

std::unique_ptr<Embedder> OpenEncoder(const std::filesystem::path& path) {
  Result<std::unique_ptr<Embedder>> embedder = Embedder::Open(path, {.threads = 1});
  EXPECT_TRUE(embedder.has_value()) << embedder.error().message;
  return std::move(*embedder);
}

// What tools/golden/encoders.py wrote of pairs of texts.
struct GoldenPairs {
  std::vector<EncoderInput> inputs;
  std::vector<float> scores;
};

GoldenPairs ReadGoldenPairs(const char* model = "pairs") {
  GoldenPairs golden;
  const Json cases = *ParseJson(*ReadTextFile(kEncoders / model / "pairs.json"), "pairs.json");
  for (const Json& item : cases) {
    EncoderInput input{item.at("ids")};
    const std::vector<int32_t> types = item.at("types");
    const bool has_types = std::string_view(model) != "mpnet_pairs";
    if (has_types) input.first_text = static_cast<size_t>(std::find(types.begin(), types.end(), 1) - types.begin());
    golden.inputs.push_back(std::move(input));
    golden.scores.push_back(item.at("score"));
  }
  return golden;
}

// Waits for what comes from the loop's thread.
class Outbox {
 public:
  EncoderLoop::OnDone Slot() {
    const size_t place = results_.size();
    results_.emplace_back();
    return [this, place](EncoderResult result) {
      const std::lock_guard lock(mutex_);
      results_[place] = std::move(result);
      order_.push_back(place);
      came_.notify_all();
    };
  }
  const EncoderResult& Await(size_t place) {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [&] { return results_[place].has_value(); });
    return *results_[place];
  }
  std::vector<size_t> order() {
    const std::lock_guard lock(mutex_);
    return order_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::optional<EncoderResult>> results_;
  std::vector<size_t> order_;
};

std::vector<EncoderInput> SomeInputs(size_t count, size_t tokens) {
  std::vector<EncoderInput> inputs;
  for (size_t i = 0; i < count; ++i) {
    EncoderInput input;
    for (size_t k = 0; k < tokens; ++k) input.ids.push_back(static_cast<int32_t>(5 + (7 * i + 3 * k) % 60));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

TEST(CrossEncoder, ScoresPairsAsTransformersDoes) {
  const GoldenPairs golden = ReadGoldenPairs();
  for (const char* name : {"pairs", "mpnet_pairs", "roberta"}) {
    const GoldenPairs pairs = ReadGoldenPairs(name);
    const std::unique_ptr<Embedder> embedder = OpenEncoder(kEncoders / name);
    EXPECT_TRUE(embedder->scores_pairs());
    const Result<std::vector<float>> scores = embedder->Score(pairs.inputs);
    ASSERT_TRUE(scores.has_value()) << scores.error().message;
    ASSERT_EQ(scores->size(), pairs.scores.size());
    for (size_t i = 0; i < scores->size(); ++i) EXPECT_NEAR((*scores)[i], pairs.scores[i], 1e-6) << name;
  }
  EXPECT_EQ(OpenEncoder(kEncoders / "bert")->Score({}).value().size(), 0u);
  EXPECT_THAT(OpenEncoder(kEncoders / "bert")->Score(golden.inputs).error().message, testing::HasSubstr("has no head"));
}

TEST(CrossEncoder, TheFilesSayWhatBecomesOfALabel) {
  const auto directory = std::filesystem::temp_directory_path() / Cat("octet_cross_encoder_", ::getpid());
  std::filesystem::remove_all(directory);
  std::filesystem::copy(kEncoders / "pairs", directory, std::filesystem::copy_options::recursive);
  const GoldenPairs golden = ReadGoldenPairs();
  const auto with = [&](const char* key, const Json& value) {
    Json config = *ParseJson(*ReadTextFile(kEncoders / "pairs/config.json"), "config.json");
    config[key] = value;
    std::ofstream(directory / "config.json") << Dump(config);
    return Embedder::Open(directory, {.threads = 1});
  };
  const auto check_plain = [&](const Result<std::unique_ptr<Embedder>>& embedder) {
    ASSERT_TRUE(embedder.has_value()) << embedder.error().message;
    const std::vector<float> scores = *(*embedder)->Score(golden.inputs);
    for (size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(1 / (1 + std::exp(-scores[i])), golden.scores[i], 1e-6);
  };
  check_plain(with("sbert_ce_default_activation_function", "torch.nn.modules.linear.Identity"));
  check_plain(with("sentence_transformers", {{"activation_fn", "torch.nn.modules.linear.Identity"}}));
  EXPECT_THAT(with("sentence_transformers", {{"activation_fn", "torch.nn.Tanh"}}).error().message,
              testing::HasSubstr("the activation `torch.nn.Tanh` of scores isn't known"));
  std::filesystem::remove_all(directory);
}

TEST(EncoderLoop, JobsTogetherGetWhatEachGetsAlone) {
  const std::unique_ptr<Embedder> embedder = OpenEncoder(kEncoders / "bert");
  Outbox outbox;
  std::vector<std::vector<float>> want;
  const std::unique_ptr<EncoderLoop> loop = EncoderLoop::Start(*embedder, {.pass_tokens = 40});
  std::vector<EncoderLoop::OnDone> slots;
  for (size_t i = 0; i < 9; ++i) slots.push_back(outbox.Slot());
  for (size_t i = 0; i < 9; ++i) {
    const std::vector<EncoderInput> inputs = SomeInputs(1 + 3 * i, 3 + 7 * (i % 4));
    std::vector<std::vector<int32_t>> ids;
    for (const EncoderInput& input : inputs) ids.push_back(input.ids);
    want.push_back(OpenEncoder(kEncoders / "bert")->EmbedTokens(ids, {})->values);
    ASSERT_TRUE(loop->Submit({.inputs = inputs}, slots[i]).has_value());
  }
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(*outbox.Await(i).values, want[i]) << i;
  const EncoderStats stats = loop->stats();
  EXPECT_EQ(stats.jobs, 0u);
  EXPECT_EQ(stats.tokens, 0u);
  EXPECT_EQ(stats.inputs_done, 9u + 3 * 36);
  EXPECT_EQ(stats.accepted, 9u);
}

TEST(EncoderLoop, ASmallJobIsDoneBeforeALargeOneThatCameFirst) {
  const std::unique_ptr<Embedder> embedder = OpenEncoder(kEncoders / "bert");
  Outbox outbox;
  const std::unique_ptr<EncoderLoop> loop = EncoderLoop::Start(*embedder, {.pass_tokens = 128});
  const EncoderLoop::OnDone large = outbox.Slot(), small = outbox.Slot();
  ASSERT_TRUE(loop->Submit({.inputs = SomeInputs(400, 100)}, large).has_value());
  ASSERT_TRUE(loop->Submit({.inputs = SomeInputs(2, 10)}, small).has_value());
  outbox.Await(0);
  outbox.Await(1);
  EXPECT_EQ(outbox.order(), (std::vector<size_t>{1, 0}));
}

TEST(EncoderLoop, WhatIsCancelledOrLateEndsBeforeItsLastPass) {
  const std::unique_ptr<Embedder> embedder = OpenEncoder(kEncoders / "bert");
  Outbox outbox;
  const std::unique_ptr<EncoderLoop> loop = EncoderLoop::Start(*embedder, {.pass_tokens = 128});
  const EncoderLoop::OnDone cancelled = outbox.Slot(), late = outbox.Slot();
  const uint64_t id = *loop->Submit({.inputs = SomeInputs(3000, 100)}, cancelled);
  ASSERT_TRUE(loop->Submit({.inputs = SomeInputs(1, 5), .deadline = std::chrono::steady_clock::now()}, late));
  EXPECT_TRUE(outbox.Await(1).deadline_passed);
  EXPECT_EQ(outbox.Await(1).values.error().code, ErrorCode::kCancelled);
  loop->Cancel(id);
  EXPECT_EQ(outbox.Await(0).values.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(outbox.Await(0).deadline_passed);
  EXPECT_LT(loop->stats().inputs_done, 3000u);
  EXPECT_EQ(loop->stats().tokens, 0u);
}

TEST(EncoderLoop, AFullQueueAndBadInputsAreRefused) {
  const std::unique_ptr<Embedder> embedder = OpenEncoder(kEncoders / "bert");
  Outbox outbox;
  std::unique_ptr<EncoderLoop> loop = EncoderLoop::Start(*embedder, {.max_jobs = 2, .max_tokens = 1000});
  const auto none = [](const EncoderResult&) {};
  const EncoderLoop::OnDone first = outbox.Slot();
  ASSERT_TRUE(loop->Submit({.inputs = SomeInputs(3000, 100)}, first)) << "one job always fits an empty queue";
  EXPECT_THAT(loop->Submit({.inputs = SomeInputs(1, 9)}, none).error().message,
              testing::AllOf(testing::HasSubstr("9 more were sent, 1000 are allowed (max-waiting-tokens)")));
  loop = EncoderLoop::Start(*embedder, {.max_jobs = 1});
  EXPECT_EQ(outbox.Await(0).values.error().code, ErrorCode::kCancelled) << "the loop that ended tells its jobs";
  ASSERT_TRUE(loop->Submit({.inputs = SomeInputs(3000, 100)}, none));
  const Result<uint64_t> full = loop->Submit({.inputs = SomeInputs(1, 9)}, none);
  EXPECT_EQ(full.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(full.error().message, testing::HasSubstr("1 requests wait, 1 are allowed (max-waiting)"));
  EXPECT_EQ(loop->stats().refused, 1u);
  EXPECT_THAT(loop->Submit({}, none).error().message, testing::HasSubstr("has no inputs"));
  EXPECT_THAT(loop->Submit({.inputs = {{{5, 9999}}}}, none).error().message,
              testing::HasSubstr("input 0: token id 9999 is outside"));
  EXPECT_THAT(loop->Submit({.inputs = {{{5}}, {{}}}}, none).error().message,
              testing::HasSubstr("input 1 has 0 tokens"));
}

}  // namespace
}  // namespace octet
