// The engine on the tiny checkpoints of tests/golden/models: the same tokens however the work is cut, batched or
// stored.
#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/memory.h"
#include "engine/pack/build_pack.h"
#include "engine/session.h"
#include "octet/model.h"
#include "octet/session.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Engine> OpenGolden(const std::filesystem::path& path, EngineOptions options = {}) {
  if (options.threads == 0) options.threads = 2;
  Result<std::unique_ptr<Engine>> engine = Engine::Open(path, options);
  EXPECT_TRUE(engine.has_value()) << engine.error().message;
  return std::move(*engine);
}

Request MakeRequest(size_t prompt, size_t answer, int32_t first = 1) {
  Request request;
  for (size_t i = 0; i < prompt; ++i) request.prompt.push_back((first + static_cast<int32_t>(i) * 7) % 50);
  request.options.max_tokens = answer;
  request.options.ignore_eos = true;
  request.options.sampling.logprobs = 0;
  return request;
}

// Tokens and exact log-probabilities, so that equal means equal bits of logits.
using Answer = std::vector<std::pair<int32_t, float>>;

Answer Generate(EngineSession& session, Request request) {
  const Result<GenerateResult> result = session.Generate(std::move(request), {}, nullptr);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  Answer answer;
  for (const GeneratedToken& token : result->tokens) answer.emplace_back(token.token, *token.logprob);
  return answer;
}

Answer GenerateAlone(const std::filesystem::path& path, const Request& request, EngineOptions options = {}) {
  const std::unique_ptr<Engine> engine = OpenGolden(path, options);
  EngineSession session(*engine);
  return Generate(session, request);
}

std::filesystem::path Pack(const std::filesystem::path& model, const std::filesystem::path& directory) {
  ThreadPool pool(1);
  const Result<ModelFiles> files = ModelFiles::Open(model, {}, pool);
  EXPECT_TRUE(files.has_value()) << files.error().message;
  Progress progress;
  const CancelFlag cancel;
  const Result<PackSummary> made = BuildPack(*files, directory / "model.octet", progress, cancel);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return directory / "model.octet";
}

TEST(Engine, AnswerIsTheSameForEveryChunkAndNumberOfThreads) {
  for (const char* name : {"smollm2", "gemma3", "qwen2"}) {
    const Request request = MakeRequest(70, 8);
    const Answer whole = GenerateAlone(GoldenModel(name), request);
    ASSERT_EQ(whole.size(), 8u);
    for (const size_t chunk : {size_t{1}, size_t{7}, size_t{32}, size_t{69}}) {
      EXPECT_EQ(GenerateAlone(GoldenModel(name), request, {.chunk = chunk}), whole) << name << ", chunk " << chunk;
    }
    EXPECT_EQ(GenerateAlone(GoldenModel(name), request, {.threads = 1}), whole) << name;
  }
}

TEST(Engine, ACacheOfCodesGivesTheSameAnswerForEveryChunkAndNumberOfThreads) {
  for (const char* name : {"smollm2", "gemma3"}) {
    const Request request = MakeRequest(70, 8);
    const Answer bf16 = GenerateAlone(GoldenModel(name), request, {.cache = kernels::CacheFormat::kBf16});
    for (const kernels::CacheFormat cache : {kernels::CacheFormat::kE4M3, kernels::CacheFormat::kInt8}) {
      const Answer whole = GenerateAlone(GoldenModel(name), request, {.cache = cache});
      ASSERT_EQ(whole.size(), 8u);
      EXPECT_NE(whole, bf16) << name;
      for (const size_t chunk : {size_t{1}, size_t{32}, size_t{69}})
        EXPECT_EQ(GenerateAlone(GoldenModel(name), request, {.chunk = chunk, .cache = cache}), whole) << name;
      EXPECT_EQ(GenerateAlone(GoldenModel(name), request, {.threads = 1, .cache = cache}), whole) << name;
      EXPECT_EQ(GenerateAlone(GoldenModel(name), request, {.threads = 3, .cache = cache}), whole) << name;
    }
  }
}

TEST(Engine, APackGivesTheAnswerOfItsSourceMappedOrCopied) {
  const TemporaryDirectory directory;
  for (const char* name : {"smollm2", "qwen2"}) {
    const Request request = MakeRequest(40, 8);
    const Answer source = GenerateAlone(GoldenModel(name), request);
    const std::filesystem::path pack = Pack(GoldenModel(name), directory.path());
    EXPECT_EQ(GenerateAlone(pack, request), source) << name;
    EngineOptions copy;
    copy.load.mode = LoadMode::kCopy;
    EXPECT_EQ(GenerateAlone(pack, request, copy), source) << name;
  }
}

TEST(Engine, ASessionGoesOnFromItsCacheWithTheSameAnswer) {
  const std::unique_ptr<Engine> engine = OpenGolden(GoldenModel("smollm2"));
  EngineSession session(*engine);
  Request first = MakeRequest(40, 6);
  Generate(session, first);
  Request second = first;
  second.prompt.insert(second.prompt.end(), {3, 9, 27, 31});
  const Result<GenerateResult> result = session.Generate(second, {}, nullptr);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->timings.cached_tokens, 40u);
  EngineSession fresh(*engine);
  EXPECT_EQ(Generate(session, second), Generate(fresh, second));
}

TEST(Engine, SequencesThatRunTogetherAnswerAsTheyDoAlone) {
  const std::unique_ptr<Engine> engine = OpenGolden(GoldenModel("smollm2"), {.sessions = 3, .chunk = 48});
  std::vector<Sequence> sequences;
  std::vector<Request> requests = {MakeRequest(50, 9), MakeRequest(3, 12, 5), MakeRequest(33, 4, 11)};
  requests[1].options.sampling.temperature = 1;
  for (const Request& request : requests)
    sequences.push_back(*Sequence::Create(request, engine->limits(), engine->MakePages()));
  std::vector<Sequence*> running;
  for (Sequence& sequence : sequences) running.push_back(&sequence);
  const auto unfinished = [](const Sequence& sequence) { return !sequence.finished(); };
  while (std::any_of(sequences.begin(), sequences.end(), unfinished)) {
    const Status step = engine->runner().Step(running);
    ASSERT_TRUE(step.has_value()) << step.error().message;
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    Answer together;
    for (const GeneratedToken& token : sequences[i].generated()) together.emplace_back(token.token, *token.logprob);
    EXPECT_EQ(together, GenerateAlone(GoldenModel("smollm2"), requests[i])) << "sequence " << i;
  }
}

TEST(Engine, CancellingKeepsWhatWasSaid) {
  const std::unique_ptr<Engine> engine = OpenGolden(GoldenModel("smollm2"));
  EngineSession session(*engine);
  CancelFlag cancel;
  cancel.Request();
  const Result<GenerateResult> result = session.Generate(MakeRequest(20, 30), {}, &cancel);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(result->tokens.empty());
  EXPECT_EQ(result->timings.prompt_tokens, 0u);  // none was read
  EXPECT_EQ(result->timings.PromptRate(), 0);
}

TEST(Engine, AStepStoppedBeforeItsLayersAdvancesNothingAndCanBeRunAgain) {
  const std::unique_ptr<Engine> engine = OpenGolden(GoldenModel("smollm2"));
  Result<Sequence> sequence = Sequence::Create(MakeRequest(20, 4), engine->limits(), engine->MakePages());
  ASSERT_TRUE(sequence.has_value());
  Sequence* const one = &*sequence;
  CancelFlag cancel;
  cancel.Request();
  const Status stopped = engine->runner().Step({&one, 1}, &cancel);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(sequence->cached(), 0u);
  Answer answer;
  while (!sequence->finished()) ASSERT_TRUE(engine->runner().Step({&one, 1}).has_value());
  for (const GeneratedToken& token : sequence->generated()) answer.emplace_back(token.token, *token.logprob);
  EXPECT_EQ(answer, GenerateAlone(GoldenModel("smollm2"), MakeRequest(20, 4)));
}

TEST(Engine, ACacheBeyondTheMachinesMemoryIsRefusedWithBothNumbers) {
  for (const size_t sessions : {size_t{1} << 40, ~size_t{0}}) {
    const Result<std::unique_ptr<Engine>> engine =
        Engine::Open(GoldenModel("smollm2"), {.threads = 1, .context = 500, .sessions = sessions});
    ASSERT_FALSE(engine.has_value());
    EXPECT_EQ(engine.error().code, ErrorCode::kExhausted);
    EXPECT_EQ(engine.error().message, Cat("a cache for ", sessions, " x 500 tokens of 528 bytes is more than the ",
                                          InstalledMemory(), " bytes of memory here; use a smaller context"));
  }
}

TEST(Engine, AContextBeyondTheModelsIsRefusedWithBothNumbers) {
  const Result<std::unique_ptr<Engine>> engine =
      Engine::Open(GoldenModel("smollm2"), {.threads = 1, .context = 1 << 20});
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(engine.error().message, HasSubstr("a context of 1048576 tokens is beyond the model's"));
}

TEST(PublicApi, AModelOpensAndASessionGoesOnFromTokens) {
  const Result<Model> model = Model::Open(GoldenModel("smollm2"), {.threads = 1});
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->info().family, "llama");
  const Result<std::vector<int32_t>> ids = model->Tokenize("bread", false);
  ASSERT_TRUE(ids.has_value());
  EXPECT_EQ(*model->Detokenize(*ids), "bread");
  Session session(*model);
  const Result<GenerateResult> result = session.GenerateFromTokens({1, 2, 3}, {.max_tokens = 4, .ignore_eos = true});
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->tokens.size(), 4u);
  EXPECT_THAT(session.Generate("\xFF", {}).error().message, HasSubstr("is not UTF-8: byte 0 of 1"));
}

// The tokens are PEFT's, greedily: tools/golden/adapters.py makes the adapter.
TEST(PublicApi, ASessionUsesAnAdapterUntilItIsToldNotTo) {
  const std::filesystem::path adapters = OCTET_SOURCE_DIR "/tests/golden/adapters";
  const Result<Model> model = Model::Open(GoldenModel("smollm2"), {.threads = 1});
  ASSERT_TRUE(model.has_value()) << model.error().message;
  Session session(*model);
  const auto answer = [&] {
    std::vector<int32_t> tokens;
    for (const GeneratedToken& token :
         Must(session.GenerateFromTokens({100, 101, 7}, {.max_tokens = 4, .ignore_eos = true})).tokens)
      tokens.push_back(token.token);
    return tokens;
  };
  EXPECT_THAT(answer(), ElementsAre(7, 7, 7, 7));
  ASSERT_TRUE(session.UseAdapter(adapters / "smollm2_a").has_value());
  EXPECT_THAT(answer(), ElementsAre(179, 258, 258, 258));
  EXPECT_EQ(session.UseAdapter(adapters / "gemma2_a").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(session.UseAdapter(adapters / "nothing").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(answer(), ElementsAre(179, 258, 258, 258)) << "the last one that could be opened";
  ASSERT_TRUE(session.UseAdapter({}).has_value());
  EXPECT_THAT(answer(), ElementsAre(7, 7, 7, 7));
}

}  // namespace
}  // namespace octet
