#include "quantize/rounding_study.h"

#include <algorithm>
#include <map>

#include "models/hf_config.h"
#include "models/layered_decoder.h"
#include "quantize/row_encoding.h"

namespace octet {
namespace {

// Keeps the inputs of one layer's matrices.
class InputKeeper : public Decoder::Observer {
 public:
  struct Inputs {
    size_t width = 0;
    std::vector<float> values;
  };

  void OnHidden(size_t, const float*, size_t) override {}
  void OnInput(std::string_view slot, const float* x, size_t rows, size_t width, size_t stride) override {
    Inputs& inputs = inputs_[std::string(slot)];
    inputs.width = width;
    for (size_t row = 0; row < rows; ++row)
      inputs.values.insert(inputs.values.end(), x + row * stride, x + row * stride + width);
  }
  const std::map<std::string, Inputs>& inputs() const { return inputs_; }

 private:
  std::map<std::string, Inputs> inputs_;
};

// Rows of the slot's parts, one after the other.
Result<std::vector<float>> ReadJoined(const TensorSource& tensors, const std::vector<WeightSlot>& slots,
                                      const std::string& joined, size_t width) {
  std::vector<std::string> parts = FusedParts(joined);
  if (parts.empty()) parts.push_back(joined);
  std::vector<float> weights;
  for (const WeightSlot& slot : slots) {
    if (std::find(parts.begin(), parts.end(), slot.name) == parts.end()) continue;
    OCTET_CHECK(slot.columns == width);
    const size_t before = weights.size();
    weights.resize(before + slot.rows * width);
    OCTET_TRY(tensors.ReadRows(slot.tensor, slot.first_row, slot.rows, weights.data() + before));
  }
  return weights;
}

Status CheckFinite(std::span<const float> values, std::string_view what, const std::string& slot) {
  if (FirstNotFinite(values) == values.size()) return {};
  return Fail(ErrorCode::kCorrupt, "one of the ", what, " of ", slot, " is no finite number");
}

}  // namespace

Result<std::vector<StudiedMatrix>> StudyRounding(const Checkpoint& checkpoint, const CalibrationText& windows,
                                                 const QuantizeRun& run) {
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::WantedKernels());
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  const std::vector<WeightSlot> slots = WeightSlots(spec);
  CheckpointWeights weights = OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, ComputeType::kAuto, run.pool));
  weights.UseOwnMemory();
  LayeredDecoder decoder = OCTET_TRY(LayeredDecoder::Open(spec, weights));
  nn::ExecutionContext context(run.pool, *kernels);
  std::vector<int32_t> tokens;
  for (const std::vector<int32_t>& window : windows) tokens.insert(tokens.end(), window.begin(), window.end());
  std::vector<float> hidden(tokens.size() * spec.hidden);
  OCTET_TRY(decoder.Embed(tokens, *kernels, hidden.data()));
  run.progress.Begin("round", spec.layers.size(), "layers");
  std::vector<StudiedMatrix> matrices;
  for (size_t layer = 0; layer < spec.layers.size(); ++layer) {
    OCTET_TRY(decoder.Load(layer, weights));
    InputKeeper keeper;
    float* stream = hidden.data();
    for (const std::vector<int32_t>& window : windows) {
      OCTET_TRY(run.cancel.Check());
      OCTET_TRY(decoder.Forward(window, context, stream, &keeper));
      stream += window.size() * spec.hidden;
    }
    for (const auto& [slot, inputs] : keeper.inputs()) {
      OCTET_TRY(run.cancel.Check());
      const std::vector<float> joined = OCTET_TRY(ReadJoined(*checkpoint.tensors, slots, slot, inputs.width));
      OCTET_TRY(CheckFinite(inputs.values, "inputs", slot));
      OCTET_TRY(CheckFinite(joined, "weights", slot));
      matrices.push_back({slot, layer, slot.substr(LayerSlot(layer, "").size()),
                          MeasureRounding(inputs.values, joined, inputs.width, run.pool)});
    }
    run.progress.Advance(1);
  }
  run.progress.End();
  return matrices;
}

}  // namespace octet
