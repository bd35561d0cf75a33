#include "models/layered_decoder.h"

#include <gmock/gmock.h>

#include <map>

#include "golden_model.h"

namespace octet {
namespace {

// What an observer is told, by step and slot.
class Record : public Decoder::Observer {
 public:
  void OnHidden(size_t step, const float* hidden, size_t rows) override {
    if (width != 0) steps[step].assign(hidden, hidden + rows * width);
  }
  void OnInput(std::string_view slot, const float* x, size_t rows, size_t count, size_t stride) override {
    std::vector<float>& kept = inputs[std::string(slot)];
    for (size_t row = 0; row < rows; ++row) kept.insert(kept.end(), x + row * stride, x + row * stride + count);
  }
  size_t width = 0;
  std::map<size_t, std::vector<float>> steps;
  std::map<std::string, std::vector<float>> inputs;
};

class EveryGoldenModel : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Models, EveryGoldenModel, testing::ValuesIn(GoldenModels()),
                         [](const auto& name) { return name.param; });

TEST_P(EveryGoldenModel, LayersOneAtATimeGiveTheBitsOfTheWholeDecoder) {
  const kernels::KernelTable& table = kernels::ActiveKernels();
  const std::vector<int32_t> ids = ReadGolden(GetParam()).ids;
  for (const ComputeType compute : {ComputeType::kF32, ComputeType::kBf16}) {
    TinyModel whole(GetParam(), compute, table, 2);
    Record want, got;
    want.width = got.width = whole.decoder.spec().hidden;
    whole.Logits(ids, ids.size(), &want);

    const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel(GetParam())));
    const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, GetParam()));
    CheckpointWeights weights = Must(CheckpointWeights::Open(checkpoint, spec, compute, whole.pool));
    LayeredDecoder layered = Must(LayeredDecoder::Open(spec, weights));
    std::vector<float> hidden(ids.size() * spec.hidden);
    ASSERT_TRUE(layered.Embed(ids, table, hidden.data()).has_value());
    for (size_t layer = 0; layer < spec.layers.size(); ++layer) {
      ASSERT_TRUE(layered.Load(layer, weights).has_value());
      // The second sequence finds what the first has left in the cache.
      for (int sequence = 0; sequence < 2; ++sequence) {
        std::vector<float> stream = hidden;
        Record observer;
        observer.width = spec.hidden;
        ASSERT_TRUE(layered.Forward(ids, whole.context, stream.data(), &observer).has_value());
        if (sequence == 1) hidden = stream;
        if (sequence == 1) got.inputs.merge(observer.inputs);
        if (sequence == 1) got.steps.merge(observer.steps);
      }
    }
    got.steps[spec.layers.size()] = hidden;
    layered.Finish(table, ids.size(), hidden.data(), hidden.data());
    got.steps[spec.layers.size() + 1] = got.inputs["head"] = hidden;
    EXPECT_EQ(got.steps, want.steps);
    EXPECT_EQ(got.inputs, want.inputs);
  }
}

// Keeps inputs until it has seen one part of a layer.
class UntilPart : public Decoder::Observer {
 public:
  explicit UntilPart(std::string_view part) : part_(part) {}
  void OnHidden(size_t, const float*, size_t) override {}
  void OnInput(std::string_view slot, const float* x, size_t rows, size_t width, size_t stride) override {
    std::vector<float>& kept = inputs[std::string(slot)];
    for (size_t row = 0; row < rows; ++row) kept.insert(kept.end(), x + row * stride, x + row * stride + width);
    is_done_ = slot.ends_with(part_);
  }
  bool IsDone() const override { return is_done_; }

  std::map<std::string, std::vector<float>> inputs;

 private:
  std::string_view part_;
  bool is_done_ = false;
};

TEST_P(EveryGoldenModel, AnObserverThatIsDoneIsToldOfNothingMore) {
  const std::vector<int32_t> ids = ReadGolden(GetParam()).ids;
  TinyModel whole(GetParam(), ComputeType::kBf16, kernels::ActiveKernels(), 2);
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel(GetParam())));
  const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, GetParam()));
  CheckpointWeights weights = Must(CheckpointWeights::Open(checkpoint, spec, ComputeType::kBf16, whole.pool));
  LayeredDecoder layered = Must(LayeredDecoder::Open(spec, weights));
  std::vector<float> embedded(ids.size() * spec.hidden);
  ASSERT_TRUE(layered.Embed(ids, kernels::ActiveKernels(), embedded.data()).has_value());
  ASSERT_TRUE(layered.Load(0, weights).has_value());
  UntilPart all("no part");
  std::vector<float> hidden = embedded;
  ASSERT_TRUE(layered.Forward(ids, whole.context, hidden.data(), &all).has_value());
  ASSERT_EQ(all.inputs.size(), 4U);
  size_t seen = 0;
  for (const char* part : {"attn.qkv", "attn.out", "ffn.gate_up", "ffn.down"}) {
    UntilPart some(part);
    hidden = embedded;
    ASSERT_TRUE(layered.Forward(ids, whole.context, hidden.data(), &some).has_value());
    EXPECT_EQ(some.inputs.size(), ++seen) << part;
    for (const auto& [slot, inputs] : some.inputs) EXPECT_EQ(inputs, all.inputs.at(slot)) << part << ", " << slot;
  }
}

TEST_P(EveryGoldenModel, LogitsOfLayersOneAtATimeAreThoseOfTheWholeDecoder) {
  const kernels::KernelTable& table = kernels::ActiveKernels();
  const std::vector<int32_t> ids = ReadGolden(GetParam()).ids;
  TinyModel whole(GetParam(), ComputeType::kBf16, table, 2);
  const std::vector<float> want = whole.Logits(ids, ids.size());

  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel(GetParam())));
  const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, GetParam()));
  CheckpointWeights weights = Must(CheckpointWeights::Open(checkpoint, spec, ComputeType::kBf16, whole.pool));
  LayeredDecoder layered = Must(LayeredDecoder::Open(spec, weights));
  ASSERT_TRUE(layered.LoadHead(weights).has_value());
  std::vector<float> hidden(ids.size() * spec.hidden), got(want.size());
  ASSERT_TRUE(layered.Embed(ids, table, hidden.data()).has_value());
  for (size_t layer = 0; layer < spec.layers.size(); ++layer) {
    ASSERT_TRUE(layered.Load(layer, weights).has_value());
    ASSERT_TRUE(layered.Forward(ids, whole.context, hidden.data(), nullptr).has_value());
  }
  ASSERT_TRUE(layered.Logits(ids.size(), whole.context, hidden.data(), got.data()).has_value());
  EXPECT_EQ(got, want);
}

TEST(LayeredDecoder, ATokenOutsideTheVocabularyIsRefused) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, "llama3"));
  ThreadPool pool(1);
  CheckpointWeights weights = Must(CheckpointWeights::Open(checkpoint, spec, ComputeType::kAuto, pool));
  LayeredDecoder layered = Must(LayeredDecoder::Open(spec, weights));
  std::vector<float> hidden(2 * spec.hidden);
  const std::vector<int32_t> tokens = {1, static_cast<int32_t>(spec.vocab)};
  const Status done = layered.Embed(tokens, kernels::ActiveKernels(), hidden.data());
  ASSERT_FALSE(done.has_value());
  EXPECT_THAT(done.error().message, testing::HasSubstr("is outside the vocabulary of"));
}

}  // namespace
}  // namespace octet
