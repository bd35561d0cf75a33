// Answers that grow past the length at which a rope's angles change, against transformers' generate().
#include <gtest/gtest.h>

#include "engine/sequence.h"
#include "engine/session.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

constexpr size_t kGoldenPrompt = 24;  // as tools/golden/rope_decode.py has it

// Feeds a sequence the golden ids as if it had chosen them; at most `chunk` tokens in a pass.
class ForcedAnswer {
 public:
  ForcedAnswer(const std::string& name, const kernels::KernelTable& tier)
      : model_(name, ComputeType::kF32, tier), ids_(ReadGolden(name).ids) {}

  // Logits behind each token from the prompt's last one on, as decode.safetensors has them.
  std::vector<float> Logits(size_t chunk) {
    const size_t vocab = model_.decoder.spec().vocab;
    PagePool pool = Must(PagePool::Create(model_.decoder.kv_layout().page_bytes(), 8));
    Request request;
    request.prompt.assign(ids_.begin(), ids_.begin() + kGoldenPrompt);
    request.options.ignore_eos = true;
    const SequenceLimits limits{.context = ids_.size() + 2,
                                .vocab = vocab,
                                .end_tokens = {},
                                .tokenizer = nullptr,
                                .ropes = model_.decoder.spec().ropes};
    Sequence sequence = Must(Sequence::Create(std::move(request), limits, PageTable(pool, limits.context)));
    std::vector<float> all, logits(vocab);
    while (sequence.tokens().size() <= ids_.size()) {
      const Decoder::Run run = Must(sequence.NextRun(chunk));
      EXPECT_TRUE(model_.decoder.Forward({&run, 1}, model_.context, logits.data()).has_value());
      tokens_read += run.tokens.size();
      std::vector<float> chosen(vocab);
      if (run.logits_from < run.tokens.size()) {
        all.insert(all.end(), logits.begin(), logits.end());
        chosen[sequence.tokens().size() < ids_.size() ? ids_[sequence.tokens().size()] : 0] = 1;
      }
      EXPECT_TRUE(sequence.Advance(run, chosen.data()).has_value());
    }
    return all;
  }

  size_t tokens_read = 0;

 private:
  TinyModel model_;
  std::vector<int32_t> ids_;
};

TEST(RopeDecode, AnswersPastTheLengthWhereAnglesChangeEqualTheReference) {
  for (const kernels::KernelTable* tier : kernels::AvailableTiers()) {
    for (const char* name : {"llama_dynamic", "phi3_short", "phi3_long"}) {
      const std::vector<float> want = ReadGoldenFloats(name, "decode.safetensors"),
                               got = ForcedAnswer(name, *tier).Logits(512);
      ASSERT_EQ(got.size(), want.size());
      const size_t rows = ReadGolden(name).ids.size() - kGoldenPrompt + 1, vocab = want.size() / rows;
      for (size_t row = 0; row < rows; ++row) {
        EXPECT_LT(
            RelativeError(std::span(got).subspan(row * vocab, vocab), std::span(want).subspan(row * vocab, vocab)),
            1e-4)
            << name << ", " << tier->name << ", row " << row;
      }
    }
  }
}

TEST(RopeDecode, KeysAreComputedAnewOnceAndInAnyChunks) {
  ForcedAnswer whole("phi3_long", kernels::ActiveKernels()), cut("phi3_long", kernels::ActiveKernels());
  EXPECT_EQ(whole.Logits(512), cut.Logits(7));
  // 70 tokens, and once more those up to the first one past the original length of 40.
  EXPECT_EQ(whole.tokens_read, 70u + 40);
  ForcedAnswer dynamic("llama_dynamic", kernels::ActiveKernels());
  dynamic.Logits(512);
  EXPECT_EQ(dynamic.tokens_read, 70u);
}

// What a session answers to each prompt in turn, and how many tokens of each it had in the cache.
std::vector<GenerateResult> Answers(Engine& engine, std::initializer_list<size_t> prompts, bool in_one_session) {
  const std::vector<int32_t> ids = ReadGolden("phi3_long").ids;
  std::vector<GenerateResult> answers;
  EngineSession session(engine);
  for (const size_t prompt : prompts) {
    EngineSession alone(engine);
    Request request;
    request.prompt.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(prompt));
    request.options.max_tokens = 3;
    request.options.ignore_eos = true;
    request.options.sampling.logprobs = 0;
    answers.push_back(Must((in_one_session ? session : alone).Generate(std::move(request), {}, nullptr)));
  }
  return answers;
}

TEST(RopeDecode, ASessionReusesKeysOnlyOnOneSideOfTheOriginalLength) {
  // The cache holds keys of both kinds of factors in turn: 20 and 30 are below 40, 39 grows past it as it is answered.
  const std::initializer_list<size_t> prompts = {20, 30, 45, 60, 30, 39, 50, 55};
  const std::unique_ptr<Engine> engine =
      Must(Engine::Open(GoldenModel("phi3_long"), {.threads = 1, .context = 80, .sessions = 2}));
  const std::vector<GenerateResult> alone = Answers(*engine, prompts, false), reused = Answers(*engine, prompts, true);
  std::vector<size_t> cached;
  for (size_t i = 0; i < prompts.size(); ++i) {
    cached.push_back(reused[i].timings.cached_tokens);
    EXPECT_EQ(reused[i].timings.prompt_tokens, *(prompts.begin() + i));
    ASSERT_EQ(reused[i].tokens.size(), alone[i].tokens.size());
    for (size_t token = 0; token < alone[i].tokens.size(); ++token) {
      EXPECT_EQ(reused[i].tokens[token].token, alone[i].tokens[token].token) << "prompt " << i;
      EXPECT_EQ(reused[i].tokens[token].logprob, alone[i].tokens[token].logprob) << "prompt " << i;
    }
  }
  EXPECT_EQ(cached, (std::vector<size_t>{0, 20, 0, 45, 0, 30, 39, 50}));
}

TEST(RopeDecode, AContextMayBeAsLongAsTheRopeStretchesIt) {
  // llama_dynamic: max_position_embeddings 32, factor 2.
  EXPECT_EQ(Must(Engine::Open(GoldenModel("llama_dynamic"), {.threads = 1}))->context(), 64u);
  EXPECT_TRUE(Engine::Open(GoldenModel("llama_dynamic"), {.threads = 1, .context = 64}).has_value());
  EXPECT_EQ(Engine::Open(GoldenModel("llama_dynamic"), {.threads = 1, .context = 65}).error().message,
            "a context of 65 tokens is beyond the model's 64");
}

}  // namespace
}  // namespace octet
