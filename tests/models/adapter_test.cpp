#include "models/adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden_model.h"
#include "kernels/kernel_table.h"

namespace octet {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::filesystem::path GoldenAdapter(const std::string& name) {
  return std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/adapters" / name;
}

std::vector<float> GoldenLogits(const std::string& name) {
  const SafetensorsFile file = Must(SafetensorsFile::Open(GoldenAdapter(name) / "logits.safetensors"));
  const auto bytes = file.Bytes(file.entries().front());
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

// One sequence of a call: its ids, computed from position 0 on.
struct Asked {
  std::vector<int32_t> ids;
  const Adapter* adapter = nullptr;
};

// All logits of several sequences that share each call, `chunk` tokens of each at a time.
std::vector<std::vector<float>> LogitsTogether(TinyModel& model, const std::vector<Asked>& all, size_t chunk) {
  const size_t vocab = model.decoder.spec().vocab;
  std::vector<std::vector<std::byte*>> pages;
  std::vector<std::vector<float>> logits(all.size());
  size_t longest = 0;
  for (const Asked& asked : all) {
    pages.push_back(model.Pages(asked.ids.size()));
    longest = std::max(longest, asked.ids.size());
  }
  for (size_t first = 0; first < longest; first += chunk) {
    std::vector<Decoder::Run> runs;
    std::vector<size_t> of;
    size_t rows = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      if (first >= all[i].ids.size()) continue;
      const size_t count = std::min(chunk, all[i].ids.size() - first);
      runs.push_back({.tokens = std::span(all[i].ids).subspan(first, count),
                      .first_position = first,
                      .pages = pages[i],
                      .prompt_length = all[i].ids.size(),
                      .adapter = all[i].adapter});
      of.push_back(i);
      rows += count;
    }
    std::vector<float> step(rows * vocab);
    const Status done = model.decoder.Forward(runs, model.context, step.data());
    EXPECT_TRUE(done.has_value()) << done.error().message;
    const float* row = step.data();
    for (size_t i = 0; i < runs.size(); ++i) {
      logits[of[i]].insert(logits[of[i]].end(), row, row + runs[i].tokens.size() * vocab);
      row += runs[i].tokens.size() * vocab;
    }
  }
  return logits;
}

std::vector<float> LogitsAlone(TinyModel& model, const Asked& asked, size_t chunk) {
  return LogitsTogether(model, {asked}, chunk).front();
}

class AdaptersAndTiers : public testing::TestWithParam<std::tuple<std::string, size_t>> {
 public:
  static std::string CaseName(const testing::TestParamInfo<ParamType>& test) {
    return std::get<0>(test.param) + "_" + kernels::AvailableTiers()[std::get<1>(test.param)]->name;
  }

 protected:
  const kernels::KernelTable& Tier() const { return *kernels::AvailableTiers()[std::get<1>(GetParam())]; }
};

INSTANTIATE_TEST_SUITE_P(Adapters, AdaptersAndTiers,
                         testing::Combine(testing::Values("smollm2_a", "smollm2_b", "llama_linear_a", "phi3_short_a",
                                                          "gemma2_a"),
                                          testing::Range(size_t{0}, kernels::AvailableTiers().size())),
                         AdaptersAndTiers::CaseName);

TEST_P(AdaptersAndTiers, Fp32LogitsEqualPeft) {
  const std::string& name = std::get<0>(GetParam());
  const std::string base = name.substr(0, name.size() - 2);
  TinyModel model(base, ComputeType::kF32, Tier());
  const std::shared_ptr<const Adapter> adapter = Must(Adapter::Open(GoldenAdapter(name), model.decoder.spec()));
  const Golden golden = ReadGolden(base);
  const std::vector<float> logits = LogitsAlone(model, {golden.ids, adapter.get()}, golden.ids.size());
  const std::vector<float> want = GoldenLogits(name);
  const size_t vocab = model.decoder.spec().vocab;
  for (size_t row = 0; row < want.size() / vocab; ++row) {
    const auto got = std::span(logits).last(want.size()).subspan(row * vocab, vocab);
    EXPECT_LT(RelativeError(got, std::span(want).subspan(row * vocab, vocab)), 1e-4) << "position " << row;
  }
}

class EveryTierWithAdapters : public testing::TestWithParam<size_t> {
 protected:
  const kernels::KernelTable& Tier() const { return *kernels::AvailableTiers()[GetParam()]; }
};

INSTANTIATE_TEST_SUITE_P(Tiers, EveryTierWithAdapters, testing::Range(size_t{0}, kernels::AvailableTiers().size()),
                         [](const testing::TestParamInfo<size_t>& test) {
                           return std::string(kernels::AvailableTiers()[test.param]->name);
                         });

// Neighbours with one adapter, with others and with none, one of which ends before the others.
TEST_P(EveryTierWithAdapters, SequencesTogetherEqualThemselvesAloneBitForBit) {
  TinyModel model("smollm2", ComputeType::kBf16, Tier()), shared("smollm2", ComputeType::kBf16, Tier(), 3);
  const std::shared_ptr<const Adapter> a = Must(Adapter::Open(GoldenAdapter("smollm2_a"), model.decoder.spec())),
                                       b = Must(Adapter::Open(GoldenAdapter("smollm2_b"), model.decoder.spec()));
  const std::vector<int32_t> ids = ReadGolden("smollm2").ids;
  const std::vector<int32_t> shorter(ids.begin() + 3, ids.begin() + 20);
  const std::vector<Asked> all = {{ids, a.get()}, {shorter, a.get()}, {ids, nullptr},
                                  {ids, b.get()}, {ids, a.get()},     {shorter, nullptr}};
  const std::vector<std::vector<float>> steps = LogitsTogether(shared, all, 1), parts = LogitsTogether(shared, all, 7);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::vector<float> alone = LogitsAlone(model, all[i], ids.size());
    EXPECT_EQ(steps[i], alone) << i << ", a token a step";
    EXPECT_EQ(parts[i], alone) << i << ", seven a step";
  }
  const std::vector<float> plain = model.Logits(ids, ids.size());
  EXPECT_EQ(steps[2], plain) << "rows without an adapter";
  EXPECT_GT(RelativeError(steps[0], plain), 0.1);
  EXPECT_GT(RelativeError(steps[3], steps[0]), 0.1);
}

TEST(Adapter, EachOneThatIsBoundHasANumberOfItsOwn) {
  TinyModel model("smollm2", ComputeType::kF32, kernels::ActiveKernels());
  const auto open = [&] { return Must(Adapter::Open(GoldenAdapter("smollm2_a"), model.decoder.spec())); };
  const std::shared_ptr<const Adapter> first = open(), second = open();
  EXPECT_NE(first->number(), second->number());
  EXPECT_EQ(first->most_rank(), 4u);
  EXPECT_EQ(first->bytes(), second->bytes());
}

TEST(Adapter, AModelThatItWasNotTrainedOnIsRefusedWithBothShapes) {
  const ModelSpec spec = Must(ReadHfConfig(ReadJsonFile(GoldenModel("llama3") / "config.json"), "config.json"));
  const auto adapter = Adapter::Open(GoldenAdapter("smollm2_a"), spec);
  ASSERT_FALSE(adapter);
  EXPECT_EQ(adapter.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(adapter.error().message, AllOf(HasSubstr("smollm2_a"), HasSubstr("down_proj.weight"),
                                             HasSubstr("[72, 96]"), HasSubstr("[64, 96]")));
}

TEST(Adapter, AMatrixThatTheModelLacksIsNamed) {
  const ModelSpec spec = Must(ReadHfConfig(ReadJsonFile(GoldenModel("phi3_short") / "config.json"), "config.json"));
  const auto adapter = Adapter::Open(GoldenAdapter("smollm2_b"), spec);
  ASSERT_FALSE(adapter);
  EXPECT_EQ(adapter.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(adapter.error().message, AllOf(HasSubstr("self_attn.q_proj.weight"), HasSubstr("doesn't have")));
}

TEST(Adapter, AFactorThatOverflowsIsCorrupt) {
  const ModelSpec spec = Must(ReadHfConfig(ReadJsonFile(GoldenModel("llama3") / "config.json"), "config.json"));
  PeftAdapter large{.path = "poems",
                    .matrices = {{.weight = "model.layers.0.self_attn.o_proj.weight",
                                  .rank = 1,
                                  .in = 64,
                                  .out = 64,
                                  .scale = 1e30F,
                                  .a = std::vector<float>(64, 1.0F),
                                  .b = std::vector<float>(64, 1e10F)}}};
  const auto adapter = Adapter::Bind(large, spec);
  ASSERT_FALSE(adapter);
  EXPECT_EQ(adapter.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(adapter.error().message, AllOf(HasSubstr("poems"), HasSubstr("o_proj"), HasSubstr("finite")));
}

TEST(Adapter, EmbeddingsAndEncodersAreRefused) {
  const ModelSpec spec = Must(ReadHfConfig(ReadJsonFile(GoldenModel("llama3") / "config.json"), "config.json"));
  PeftAdapter head{.path = "poems", .matrices = {{.weight = "lm_head.weight", .rank = 1, .in = 64, .out = 277}}};
  const auto adapter = Adapter::Bind(head, spec);
  ASSERT_FALSE(adapter);
  EXPECT_EQ(adapter.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(adapter.error().message, AllOf(HasSubstr("poems"), HasSubstr("lm_head.weight")));
  ModelSpec encoder = spec;
  encoder.encoder.emplace();
  EXPECT_EQ(Adapter::Bind(head, encoder).error().code, ErrorCode::kUnsupported);
}

TEST(Adapter, OneOfAModelWithOtherLayersIsRefusedByTheForwardPass) {
  TinyModel model("smollm2", ComputeType::kF32, kernels::ActiveKernels());
  ModelSpec shorter = model.decoder.spec();
  shorter.layers.pop_back();
  PeftAdapter none{.path = "poems", .matrices = {}};
  const std::shared_ptr<const Adapter> adapter = Must(Adapter::Bind(none, shorter));
  const std::vector<int32_t> ids = {1, 2};
  const std::vector<std::byte*> pages = model.Pages(2);
  std::vector<float> logits(2 * model.decoder.spec().vocab);
  const Decoder::Run run{.tokens = ids, .pages = pages, .adapter = adapter.get()};
  const Status done = model.decoder.Forward({&run, 1}, model.context, logits.data());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(done.error().message, AllOf(HasSubstr("2 layers"), HasSubstr("3")));
}

}  // namespace
}  // namespace octet
