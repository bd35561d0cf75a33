#include "models/decoder.h"

#include <gtest/gtest.h>

#include <tuple>

#include "golden_model.h"
#include "kernels/kernel_table.h"
#include "models/kv_scheme.h"

namespace octet {
namespace {

constexpr size_t kGoldenRows = 16;  // of hidden states

// Keeps the last rows of every step's hidden states.
class LastRows : public Decoder::Observer {
 public:
  explicit LastRows(size_t hidden) : hidden_(hidden) {}
  void OnHidden(size_t step, const float* rows, size_t count) override {
    ASSERT_EQ(step, steps.size());
    steps.emplace_back(rows + (count - kGoldenRows) * hidden_, rows + count * hidden_);
  }
  std::vector<std::vector<float>> steps;

 private:
  size_t hidden_;
};

class EveryModelAndTier : public testing::TestWithParam<std::tuple<std::string, size_t>> {
 public:
  static std::string CaseName(const testing::TestParamInfo<ParamType>& test) {
    return std::get<0>(test.param) + "_" + kernels::AvailableTiers()[std::get<1>(test.param)]->name;
  }

 protected:
  std::string Name() const { return std::get<0>(GetParam()); }
  const kernels::KernelTable& Tier() const { return *kernels::AvailableTiers()[std::get<1>(GetParam())]; }
};

auto EveryTier() { return testing::Range(size_t{0}, kernels::AvailableTiers().size()); }

INSTANTIATE_TEST_SUITE_P(Models, EveryModelAndTier, testing::Combine(testing::ValuesIn(GoldenModels()), EveryTier()),
                         EveryModelAndTier::CaseName);

// Models that between them have every mechanism: groups, windows, biases, caps, two ropes, one that depends on length.
class MechanismsAndTiers : public EveryModelAndTier {};
INSTANTIATE_TEST_SUITE_P(Models, MechanismsAndTiers,
                         testing::Combine(testing::Values("llama3", "qwen2", "phi3_long", "gemma3"), EveryTier()),
                         EveryModelAndTier::CaseName);

TEST_P(EveryModelAndTier, Fp32LogitsAndHiddenStatesEqualTheReference) {
  const Golden golden = ReadGolden(Name());
  TinyModel model(Name(), ComputeType::kF32, Tier());
  const size_t hidden = model.decoder.spec().hidden, vocab = model.decoder.spec().vocab;
  LastRows observer(hidden);
  const std::vector<float> logits = model.Logits(golden.ids, golden.ids.size(), &observer);
  ASSERT_EQ(observer.steps.size(), golden.hidden.size() / (kGoldenRows * hidden));
  for (size_t step = 0; step < observer.steps.size(); ++step) {
    const auto want = std::span(golden.hidden).subspan(step * kGoldenRows * hidden, kGoldenRows * hidden);
    EXPECT_LT(RelativeError(observer.steps[step], want), 1e-4) << "step " << step;
  }
  for (size_t row = 0; row < golden.ids.size(); ++row) {
    const auto want = std::span(golden.logits).subspan(row * vocab, vocab);
    EXPECT_LT(RelativeError(std::span(logits).subspan(row * vocab, vocab), want), 1e-4) << "position " << row;
  }
}

TEST_P(EveryModelAndTier, TheOldDialectGivesTheSameBits) {
  const Golden golden = ReadGolden(Name());
  TinyModel fresh(Name(), ComputeType::kF32, Tier()), old(Name(), ComputeType::kF32, Tier(), 1, "config_old.json");
  EXPECT_EQ(fresh.Logits(golden.ids, golden.ids.size()), old.Logits(golden.ids, golden.ids.size()));
}

// transformers rounds what Octet rounds, and the residual stream, norms and angles besides, so that Octet must be the
// nearer to FP32: its error is 0.43 to 0.60 of that one's on every tier.
TEST_P(EveryModelAndTier, Bf16LogitsAreNearerToFp32ThanTheReferencesOwn) {
  const Golden golden = ReadGolden(Name());
  TinyModel model(Name(), ComputeType::kBf16, Tier());
  const std::vector<float> logits = model.Logits(golden.ids, golden.ids.size());
  EXPECT_LT(RelativeError(logits, golden.logits), 2 * Bf16ErrorOfTheReference(Name()) / 3);
}

TEST_P(MechanismsAndTiers, ResultsDoNotDependOnHowThePromptIsCut) {
  const Golden golden = ReadGolden(Name());
  TinyModel model(Name(), ComputeType::kBf16, Tier()), exact(Name(), ComputeType::kF32, Tier());
  const std::vector<float> whole = model.Logits(golden.ids, golden.ids.size());
  for (const size_t chunk : {1, 7, 40}) EXPECT_EQ(model.Logits(golden.ids, chunk), whole) << "chunks of " << chunk;
  EXPECT_EQ(exact.Logits(golden.ids, 3), exact.Logits(golden.ids, golden.ids.size()));
}

TEST_P(MechanismsAndTiers, ResultsDoNotDependOnTheNumberOfThreads) {
  const Golden golden = ReadGolden(Name());
  TinyModel one(Name(), ComputeType::kBf16, Tier(), 1), three(Name(), ComputeType::kBf16, Tier(), 3);
  EXPECT_EQ(one.Logits(golden.ids, golden.ids.size()), three.Logits(golden.ids, golden.ids.size()));
}

TEST_P(MechanismsAndTiers, ASequenceInABatchEqualsItselfAlone) {
  const Golden golden = ReadGolden(Name());
  TinyModel model(Name(), ComputeType::kBf16, Tier());
  const size_t vocab = model.decoder.spec().vocab;
  const std::vector<int32_t> first(golden.ids.begin(), golden.ids.begin() + 41),
      second(golden.ids.begin() + 5, golden.ids.end());
  const std::vector<float> alone_first = model.Logits(first, first.size()),
                           alone_second = model.Logits(second, second.size());

  const std::vector<std::byte*> first_pages = model.Pages(first.size()), second_pages = model.Pages(second.size());
  std::vector<float> logits((10 + second.size()) * vocab);
  const Decoder::Run runs[] = {
      {.tokens = first, .first_position = 0, .pages = first_pages, .logits_from = first.size() - 10},
      {.tokens = second, .first_position = 0, .pages = second_pages, .logits_from = 0},
  };
  ASSERT_TRUE(model.decoder.Forward(runs, model.context, logits.data()).has_value());
  EXPECT_TRUE(std::equal(logits.begin(), logits.begin() + 10 * vocab, alone_first.end() - 10 * vocab));
  EXPECT_TRUE(std::equal(logits.begin() + 10 * vocab, logits.end(), alone_second.begin()));
}

TEST(Decoder, DecodeStepsDoNotDependOnTheNumberOfThreads) {
  const Golden golden = ReadGolden("gemma3");
  TinyModel one("gemma3", ComputeType::kBf16, kernels::ActiveKernels(), 1);
  TinyModel two("gemma3", ComputeType::kBf16, kernels::ActiveKernels(), 2);
  EXPECT_EQ(one.Logits(golden.ids, 1), two.Logits(golden.ids, 1));
}

// Parts of `length` tokens, as many as there are in `tokens`.
void AddParts(std::vector<size_t>& parts, size_t tokens, size_t length) {
  for (; tokens > length; tokens -= length) parts.push_back(length);
  parts.push_back(tokens);
}

// Beyond 512 positions threads that decode share the length of the context, too; gemma3 has windows. What is cut finely
// lies around the borders of the pieces.
TEST(Decoder, LongContextsDoNotDependOnThreadsOrHowThePromptIsCut) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 1060; ++i) ids.push_back((i * 13 + 5) % 60);
  const auto logits = [&](const char* name, kernels::CacheFormat cache, size_t threads, size_t length) {
    TinyModel model(name, ComputeType::kBf16, kernels::ActiveKernels(), threads, "config.json", cache);
    std::vector<size_t> parts;
    for (const size_t quickly : {500, 480}) {
      parts.push_back(quickly);
      AddParts(parts, 40, length);
    }
    return model.LogitsOfParts(ids, parts);
  };
  for (const char* name : {"smollm2", "gemma3"}) {
    for (const kernels::CacheFormat cache : {kernels::CacheFormat::kF32, kernels::CacheFormat::kBf16,
                                             kernels::CacheFormat::kE4M3, kernels::CacheFormat::kInt8}) {
      TinyModel model(name, ComputeType::kBf16, kernels::ActiveKernels(), 1, "config.json", cache);
      const std::vector<float> whole = model.Logits(ids, ids.size());
      EXPECT_EQ(logits(name, cache, 3, 1), whole) << name;
      EXPECT_EQ(logits(name, cache, 2, 21), whole) << name;
      EXPECT_EQ(logits(name, cache, 8, 40), whole) << name;  // more threads than pages of tokens
    }
  }
}

// The residual streams before the first layer, behind each, and the final norm's.
class KeepsHidden : public Decoder::Observer {
 public:
  void OnHidden(size_t, const float* hidden, size_t rows) override {
    steps.emplace_back(hidden, hidden + rows * width);
  }
  size_t width = 0;
  std::vector<std::vector<float>> steps;
};

// A layer's cache rounds what that layer reads: behind it the stream is that of a model whose every cache is the same.
TEST(Decoder, EachLayersCacheHasTheFormatThatTheSpecAsksFor) {
  const Golden golden = ReadGolden("llama3");
  Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  const auto streams = [&](const Json& scheme, const Json& kept) {
    Checkpoint changed = checkpoint;
    changed.config["quantization_config"] = {{"quant_method", "compressed-tensors"}, {"kv_cache_scheme", scheme}};
    changed.config[kKvLayersKey] = {{kBf16LayersKey, kept}};
    TinyModel model(changed, ComputeType::kBf16, kernels::ActiveKernels(), 2);
    KeepsHidden observer;
    observer.width = model.decoder.spec().hidden;
    model.Logits(golden.ids, golden.ids.size(), &observer);
    return observer.steps;
  };
  for (const char* type : {"float", "int"}) {
    const Json scheme = {{"num_bits", 8}, {"type", type}}, none = Json::array();
    const auto bf16 = streams(nullptr, none), codes = streams(scheme, none);
    const auto second = streams(scheme, Json::array({1})), others = streams(scheme, Json::array({0, 2}));
    EXPECT_NE(codes[1], bf16[1]) << type;
    EXPECT_EQ(second[1], codes[1]) << type;  // step 0 is the embedding
    EXPECT_NE(second[2], codes[2]) << type;
    EXPECT_EQ(others[1], bf16[1]) << type;
    EXPECT_NE(others[2], bf16[2]) << type;
    EXPECT_EQ(streams(scheme, Json::array({0, 1, 2})), bf16) << type;
  }
}

TEST(Decoder, ARepeatedStepAllocatesNoWorkspace) {
  const Golden golden = ReadGolden("llama3");
  TinyModel model("llama3", ComputeType::kBf16, kernels::ActiveKernels());
  model.Logits(golden.ids, 1);
  const size_t capacity = model.context.workspace.capacity();
  model.Logits(golden.ids, 1);
  EXPECT_EQ(model.context.workspace.capacity(), capacity);
}

// Wishes to stop once the first layer is done.
class StopsAfterALayer : public Decoder::Observer {
 public:
  explicit StopsAfterALayer(CancelFlag& cancel) : cancel_(cancel) {}
  void OnHidden(size_t step, const float*, size_t) override {
    last = step;
    if (step == 1) cancel_.Request();
  }
  size_t last = 0;

 private:
  CancelFlag& cancel_;
};

TEST(Decoder, AWishToStopEndsTheStepBeforeItsNextLayer) {
  TinyModel model("smollm2", ComputeType::kBf16, kernels::ActiveKernels());
  const std::vector<std::byte*> pages = model.Pages(2);
  const std::vector<int32_t> ids = {3, 5};
  const Decoder::Run run{.tokens = ids, .first_position = 0, .pages = pages, .logits_from = 2};
  CancelFlag cancel;
  StopsAfterALayer observer(cancel);
  model.context.cancel = &cancel;
  const Status status = model.decoder.Forward({&run, 1}, model.context, nullptr, &observer);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
  EXPECT_LE(observer.last, 1u);
}

TEST(Decoder, TokenOutsideTheVocabularyIsRefusedWithBothNumbers) {
  TinyModel model("smollm2", ComputeType::kBf16, kernels::ActiveKernels());
  const std::vector<std::byte*> pages = model.Pages(2);
  const std::vector<int32_t> ids = {3, 277};
  const Decoder::Run run{.tokens = ids, .first_position = 0, .pages = pages, .logits_from = 2};
  const Status status = model.decoder.Forward({&run, 1}, model.context, nullptr);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(status.error().message, "run 0: token id 277 is outside the vocabulary of 277");
}

TEST(Decoder, MissingPagesAreRefusedWithBothNumbers) {
  TinyModel model("smollm2", ComputeType::kBf16, kernels::ActiveKernels());
  const std::vector<std::byte*> pages = model.Pages(32);
  const std::vector<int32_t> ids = {3};
  const Decoder::Run run{.tokens = ids, .first_position = 32, .pages = pages, .logits_from = 0};
  const Status status = model.decoder.Forward({&run, 1}, model.context, nullptr);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, "run 0: 1 cache pages for positions up to 33, which need 2");
}

TEST(Decoder, TheEmbeddingScaleIsRoundedToTheTypeThatIsComputedIn) {
  const auto scale = [](ComputeType compute) {
    return TinyModel("gemma2", compute, kernels::ActiveKernels()).decoder.spec().embed_scale;
  };
  EXPECT_EQ(scale(ComputeType::kF32), std::sqrt(80.0F));
  EXPECT_EQ(scale(ComputeType::kBf16), 8.9375F);
}

TEST(Decoder, CacheIsFp32OnlyWhereWeightsAre) {
  const auto format = [](ComputeType compute, const char* name) {
    return TinyModel(name, compute, kernels::ActiveKernels()).decoder.kv_layout().layer(0).format;
  };
  EXPECT_EQ(format(ComputeType::kAuto, "llama2"), kernels::CacheFormat::kF32);  // stored in F32
  EXPECT_EQ(format(ComputeType::kAuto, "llama3"), kernels::CacheFormat::kBf16);
  EXPECT_EQ(format(ComputeType::kF32, "llama3"), kernels::CacheFormat::kF32);
}

}  // namespace
}  // namespace octet
