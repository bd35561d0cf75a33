#include "quantize/layer_probe.h"

#include <gmock/gmock.h>

#include <limits>

#include "models/score.h"
#include "tests/models/editable_source.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

class LayerProbeTest : public testing::Test {
 protected:
  // The checkpoint with a tensor's values multiplied.
  static Checkpoint Scaled(const Checkpoint& checkpoint, const std::string& name, float factor) {
    Checkpoint changed = checkpoint;
    auto source = std::make_shared<EditableSource>(*checkpoint.tensors);
    std::vector<float> values = ReadTensor(*source, name);
    for (float& value : values) value *= factor;
    source->Set(name, source->Find(name)->dtype, source->Find(name)->shape, values);
    changed.tensors = source;
    return changed;
  }
  // By running both models whole: every second token of each window, the second first.
  double WantedDivergence(const Checkpoint& original, const Checkpoint& changed) {
    double sum = 0;
    size_t token = 0, scored = 0;
    for (const std::vector<int32_t>& window : windows_) {
      TinyModel a(original, ComputeType::kAuto, kernels::ActiveKernels());
      TinyModel b(changed, ComputeType::kAuto, kernels::ActiveKernels());
      const size_t vocab = a.decoder.spec().vocab;
      const std::vector<float> of_a = a.Logits(window, window.size()), of_b = b.Logits(window, window.size());
      for (size_t i = 0; i < window.size(); ++i, ++token) {
        if (token % 2 == 0) continue;
        sum += Compare(std::span(of_a).subspan(i * vocab, vocab), std::span(of_b).subspan(i * vocab, vocab), 0).kl;
        ++scored;
      }
    }
    return sum / static_cast<double>(scored);
  }
  // Divergences of every layer's up_proj, multiplied, and of the layer as it is.
  std::vector<std::vector<double>> Probe(const Checkpoint& checkpoint, size_t threads) {
    ThreadPool pool(threads);
    const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, "probe"));
    LayerProbe probe = Must(LayerProbe::Start(checkpoint, windows_, {pool, progress_, cancel_}));
    std::vector<std::vector<double>> all;
    for (size_t layer = 0; layer < spec.layers.size(); ++layer) {
      const Checkpoint changed = Scaled(checkpoint, UpOf(layer), 1.25F);
      CheckpointWeights same = Must(CheckpointWeights::Open(checkpoint, spec, ComputeType::kAuto, pool));
      CheckpointWeights weights = Must(CheckpointWeights::Open(changed, spec, ComputeType::kAuto, pool));
      EXPECT_TRUE(probe.Try(weights).has_value());
      EXPECT_TRUE(probe.Try(same).has_value());
      all.push_back(Must(probe.Finish()));
    }
    return all;
  }
  static std::string UpOf(size_t layer) { return Cat("model.layers.", layer, ".mlp.up_proj.weight"); }

  CalibrationText windows_ = {ReadGolden("llama3").ids, {5, 6, 7}};
  Progress progress_;
  CancelFlag cancel_;
};

TEST_F(LayerProbeTest, DivergencesAreThoseOfTheWholeModelWithOneLayerChanged) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  const std::vector<std::vector<double>> got = Probe(checkpoint, 2);
  ASSERT_GE(got.size(), 2U);
  for (size_t layer = 0; layer < got.size(); ++layer) {
    const double want = WantedDivergence(checkpoint, Scaled(checkpoint, UpOf(layer), 1.25F));
    EXPECT_GT(want, 0);
    EXPECT_EQ(got[layer], (std::vector<double>{want, 0})) << "layer " << layer;
  }
}

TEST_F(LayerProbeTest, DivergencesAreTheSameForAnyNumberOfThreads) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  EXPECT_EQ(Probe(checkpoint, 1), Probe(checkpoint, 3));
}

TEST_F(LayerProbeTest, LogitsThatAreNoNumbersAreAnErrorThatNamesTheLayer) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  ThreadPool pool(1);
  const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, "probe"));
  const Checkpoint broken = Scaled(checkpoint, UpOf(0), std::numeric_limits<float>::quiet_NaN());
  LayerProbe probe = Must(LayerProbe::Start(checkpoint, windows_, {pool, progress_, cancel_}));
  CheckpointWeights weights = Must(CheckpointWeights::Open(broken, spec, ComputeType::kAuto, pool));
  ASSERT_TRUE(probe.Try(weights).has_value());
  const Result<std::vector<double>> divergences = probe.Finish();
  ASSERT_FALSE(divergences.has_value());
  EXPECT_EQ(divergences.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(divergences.error().message, testing::HasSubstr("layer 0: "));
}

}  // namespace
}  // namespace octet
