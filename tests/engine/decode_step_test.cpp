// What a step of the engine takes of memory once it has run: nothing, on any thread.
#include <gtest/gtest.h>

#include "base/json_text.h"
#include "base/mapped_file.h"
#include "engine/engine.h"
#include "models/adapter.h"
#include "tests/base/temporary_directory.h"
#include "tests/engine/count_allocations.h"

namespace octet {
namespace {

constexpr size_t kPrompt = 1100;  // three pieces of attention
constexpr size_t kAnswer = 60;

// A golden model that takes longer contexts.
class LongModel : public TemporaryDirectory {
 public:
  LongModel() {
    const std::filesystem::path golden = OCTET_SOURCE_DIR "/tests/golden/models/smollm2";
    for (const char* file : {"model.safetensors", "tokenizer.json", "tokenizer_config.json"})
      std::filesystem::copy(golden / file, path() / file);
    const Result<std::string> text = ReadTextFile(golden / "config.json");
    Json config = *ParseJson(*text, "config.json");
    config["max_position_embeddings"] = 2048;
    Write("config.json", Dump(config));
  }
};

// Every processor of logits at once: penalties, biases, bans, a least length, nucleus sampling; and stop strings.
Request EveryOption() {
  Request request;
  for (size_t i = 0; i < kPrompt; ++i) request.prompt.push_back(static_cast<int32_t>(i * 7 % 50));
  request.options.max_tokens = kAnswer;
  request.options.ignore_eos = true;
  request.options.stop = {"never to be found in the answer"};
  SamplingOptions& sampling = request.options.sampling;
  sampling.temperature = 0.8F;
  sampling.top_p = 0.9F;
  sampling.repetition_penalty = 1.1F;
  sampling.frequency_penalty = 0.1F;
  sampling.presence_penalty = 0.1F;
  sampling.min_tokens = 2;
  sampling.logit_bias = {{5, 0.5F}};
  sampling.banned_tokens = {3};
  sampling.banned_sequences = {{7, 14, 21}};
  sampling.logprobs = 0;
  return request;
}

class DecodeStep : public testing::TestWithParam<std::tuple<size_t, kernels::CacheFormat, bool>> {};

INSTANTIATE_TEST_SUITE_P(ThreadsAndCaches, DecodeStep,
                         testing::Combine(testing::Values(size_t{1}, size_t{2}),
                                          testing::Values(kernels::CacheFormat::kBf16, kernels::CacheFormat::kE4M3),
                                          testing::Bool()),
                         [](const testing::TestParamInfo<DecodeStep::ParamType>& test) {
                           const bool is_bf16 = std::get<1>(test.param) == kernels::CacheFormat::kBf16;
                           return Cat(std::get<0>(test.param), "_threads_", is_bf16 ? "bf16" : "fp8",
                                      std::get<2>(test.param) ? "_adapter" : "");
                         });

TEST_P(DecodeStep, TakesNoMemoryOnceOneHasRun) {
  const LongModel model;
  const auto& [threads, cache, is_adapted] = GetParam();
  const Result<std::unique_ptr<Engine>> engine =
      Engine::Open(model.path(), {.threads = threads, .context = kPrompt + kAnswer, .cache = cache});
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  ASSERT_NE((*engine)->tokenizer(), nullptr);
  Request request = EveryOption();
  if (is_adapted) {
    const auto adapter = Adapter::Open(OCTET_SOURCE_DIR "/tests/golden/adapters/smollm2_a", (*engine)->spec());
    ASSERT_TRUE(adapter.has_value()) << adapter.error().message;
    request.adapter = *adapter;
  }
  Result<Sequence> sequence = Sequence::Create(std::move(request), (*engine)->limits(), (*engine)->MakePages());
  ASSERT_TRUE(sequence.has_value()) << sequence.error().message;
  Sequence* const one = &*sequence;
  std::string text;
  text.reserve(4096);
  // The prompt's steps, and two of one token: the first finds the workspace in several blocks.
  while (sequence->generated().size() < 3) ASSERT_TRUE((*engine)->runner().Step({&one, 1}).has_value());
  text += sequence->TakeText();
  const size_t before = AllocationCount();
  for (int i = 0; i < 50; ++i) {  // over the edge of a page, so that one is taken
    ASSERT_TRUE((*engine)->runner().Step({&one, 1}).has_value());
    text += sequence->TakeText();
  }
  EXPECT_EQ(AllocationCount() - before, 0u);
  EXPECT_EQ(sequence->generated().size(), 53u);
  EXPECT_FALSE(text.empty());
}

// The count sees what it should: a list that grows, and memory that Octet's own code maps.
TEST(AllocationCounter, CountsListsAndMappings) {
  size_t before = AllocationCount();
  std::vector<int> list(1000);
  EXPECT_GT(AllocationCount(), before);
  before = AllocationCount();
  const Result<std::shared_ptr<AlignedBuffer>> buffer = AlignedBuffer::Allocate(size_t{4} << 20);
  EXPECT_TRUE(buffer.has_value());
  EXPECT_GE(AllocationCount() - before, 2u);  // the object and its memory
  list[0] = 1;
}

}  // namespace
}  // namespace octet
