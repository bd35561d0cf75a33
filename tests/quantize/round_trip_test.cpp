#include "quantize/round_trip.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "models/weights.h"
#include "quantize/global_scales.h"
#include "quantize/quantize.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

class EveryEncoding : public testing::TestWithParam<Encoding> {
 protected:
  ThreadPool pool_{2};
  Progress progress_;
  CancelFlag cancel_;
};
INSTANTIATE_TEST_SUITE_P(Encodings, EveryEncoding,
                         testing::Values(Encoding::kE4M3, Encoding::kE4M3Tensor, Encoding::kE4M3Blocks,
                                         Encoding::kMxfp8, Encoding::kNvfp4, Encoding::kInt8, Encoding::kInt4));

// What reading a written checkpoint's own codes and scales gives, by the code that reads foreign ones.
std::vector<float> ReadBack(const Checkpoint& written, const std::string& name, ThreadPool& pool) {
  const ModelSpec spec = Must(ReadHfConfig(written.config, "written"));
  CheckpointWeights weights = Must(CheckpointWeights::Open(written, spec, ComputeType::kF32, pool));
  const PackedMatrix matrix = Must(weights.Matrix(name));
  std::vector<float> floats(matrix.columns * matrix.depth);
  const size_t panel_bytes = kernels::PanelBytes(matrix.format, matrix.depth);
  for (size_t column = 0; column < matrix.columns; ++column) {
    const size_t panel = column / kernels::kPanelColumns;
    const float* scales =
        matrix.column_scales.empty() ? nullptr : matrix.column_scales.data() + panel * kernels::kPanelColumns;
    kernels::ActiveKernels().unpack_column[static_cast<size_t>(matrix.format)](
        matrix.panels.data() + panel * panel_bytes, scales, matrix.depth, column % kernels::kPanelColumns,
        floats.data() + column * matrix.depth);
  }
  return floats;
}

// Equal to half a step of BF16, which is what the round trip of 4 bits and readers of powers of two round to.
TEST_P(EveryEncoding, TheWeightsAreThoseOfACheckpointThatWasWrittenAndReadBack) {
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  for (const Recipe& recipe : Recipes()) {
    if (recipe.encoding != GetParam() || recipe.needs_calibration() != (GetParam() == Encoding::kE4M3Tensor)) continue;
    QuantizePlan plan = Must(PlanQuantization(checkpoint, recipe, {.group = 64}));
    const QuantizeRun run{pool_, progress_, cancel_};
    for (const TensorPrecision& tensor : plan.map.tensors) plan.inputs[tensor.joined] = 1;
    Must(QuantizeCheckpoint(checkpoint, plan, directory / "out", run));
    const std::vector<float> want = ReadBack(Must(Checkpoint::Open(directory / "out")), "layers.1.ffn.down", pool_);
    const GlobalScales globals = Must(MeasureGlobalScales(*checkpoint.tensors, plan.map, run));
    for (const TensorPrecision& tensor : plan.map.tensors) {
      if (tensor.name != name) continue;
      const float global = HasTensorScale(GetParam()) ? globals.at(name) : 1;
      const std::vector<float> got =
          Must(RoundTrip(tensor, ReadTensor(*checkpoint.tensors, name), global, nullptr, pool_));
      ASSERT_EQ(got.size(), want.size());
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_NEAR(got[i], want[i], std::fabs(want[i]) / 256) << recipe.name << ", weight " << i;
    }
    return;
  }
  FAIL() << "no recipe";
}

}  // namespace
}  // namespace octet
