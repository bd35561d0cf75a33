// A text's windows on their way through a model, one layer after the other: memory holds one layer's weights, what is
// known of its inputs, and the windows' residual streams; of weights and streams the original's and the other where the
// two are compared.
//
//   CalibrationPass pass = OCTET_TRY(CalibrationPass::Start(checkpoint, text, {.wanted = {.moments = true}}, run));
//   for (size_t layer = 0; layer < pass.layers(); ++layer) {
//     const LayerInputs inputs = OCTET_TRY(pass.Measure());     // "layers.3.attn.qkv" and the others
//     ...
//     OCTET_TRY(pass.Advance());                                // or with the weights that the layer has become
//   }
//   const InputStatistics head = OCTET_TRY(pass.Head({.moments = true}));
//
// Where a layer's matrices are rounded one after the other, each is measured behind those that are done:
//
//   CalibrationPass pass = OCTET_TRY(CalibrationPass::Start(checkpoint, text, {.wanted = {.moments = true},
//                                                                              .advances = false, .compares = true},
//                                                                              run));
//   for (const std::string_view part : kLayerParts) {
//     const InputStatistics inputs = OCTET_TRY(pass.MeasurePart(part, quantised));   // with moments and drift
//     ...
//   }
//   OCTET_TRY(pass.Advance(&quantised));
//
// Reading the text: quantize/calibration.h. What the statistics are: quantize/input_statistics.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/scratch_memory.h"
#include "models/layered_decoder.h"
#include "quantize/calibration.h"
#include "quantize/input_statistics.h"

namespace octet {

// Of a layer's slots, those whose inputs are measured, in the order of the forward pass.
inline constexpr std::string_view kLayerParts[] = {"attn.qkv", "attn.out", "ffn.gate_up", "ffn.down"};

class CalibrationPass {
 public:
  using WindowDone = std::function<void(size_t tokens)>;

  struct Options {
    StatisticsWanted wanted = {};        // of the layers' inputs
    bool advances = true;                // with the original's weights: Measure keeps where the windows come out
    bool compares = false;               // a second stream is the original's, for MeasurePart; without `advances`
    Decoder::Observer* heads = nullptr;  // told of what each layer attends with as it is measured
    ComputeType compute = ComputeType::kAuto;
    std::filesystem::path scratch = {};           // as in QuantizeRun, and goes before it
    uint64_t most_in_memory = uint64_t{1} << 30;  // bytes of a residual stream: tokens * hidden * 4
  };

  // Reads the embeddings. Checkpoint, text and what `run` refers to must outlive the pass. Fails as the reader of the
  // checkpoint does, with exhausted where the streams find no room, with unsupported where OCTET_CPU names no tier.
  static Result<CalibrationPass> Start(const Checkpoint& checkpoint, const CalibrationText& text,
                                       const Options& options, const QuantizeRun& run);

  CalibrationPass(CalibrationPass&&) noexcept = default;

  const ModelSpec& spec() const { return decoder_.spec(); }
  size_t layers() const { return spec().layers.size(); }

  // Takes the next layer's weights, runs all windows through it and gives what its matrices were multiplied with; the
  // same bits for any number of threads. `advance` is called with the tokens of each window once it is through. Fails
  // with corrupt where an input is no finite number, naming its matrix; with cancelled; as the checkpoint's reader
  // does.
  Result<LayerInputs> Measure(const WindowDone& advance = {});

  // The inputs of one of kLayerParts in the layer as `quantised` has it, which may have other weights for the parts
  // before, and how far they have drifted from the original's. Runs both streams through the layer up to there; fails
  // as Measure does. With `compares`.
  Result<InputStatistics> MeasurePart(std::string_view part, WeightProvider& quantised, const WindowDone& advance = {});

  // Brings the windows behind the layer that was measured. With `quantised`, which has other weights for the layer, as
  // these make them, so that the next layer's inputs are those that it will meet. Without `advances` this runs the
  // windows through the layer, the original's stream too where it is compared, and calls `advance` as Measure does.
  Status Advance(WeightProvider* quantised = nullptr, const WindowDone& advance = {});

  // Inputs of the output head, of every token; after the last layer.
  Result<InputStatistics> Head(const StatisticsWanted& wanted);

 private:
  CalibrationPass(LayeredDecoder decoder, ScratchMemory hidden)
      : decoder_(std::move(decoder)), hidden_(std::move(hidden)) {}

  // Calls body(window, its hidden states) for all windows, until one fails or the run is cancelled.
  template <class Body>
  Status ForEachWindow(Body&& body);
  // The original's stream of that window.
  float* OriginalOf(const float* hidden) { return original_->data() + (hidden - hidden_.data()); }
  Status LoadOriginal();

  const CalibrationText* text_ = nullptr;
  const CancelFlag* cancel_ = nullptr;
  Decoder::Observer* heads_ = nullptr;
  StatisticsWanted wanted_ = {};
  bool advances_ = true;
  kernels::WeightFormat format_ = kernels::WeightFormat::kBf16;  // that inputs are rounded for
  std::unique_ptr<CheckpointWeights> weights_;
  std::unique_ptr<nn::ExecutionContext> context_;
  LayeredDecoder decoder_;
  ScratchMemory hidden_;  // [tokens of all windows, hidden]
  // Where they are compared: the same of the original, and the layer that it is in.
  std::optional<ScratchMemory> original_;
  std::optional<LayeredDecoder> original_decoder_;
  std::optional<size_t> original_layer_;
  size_t layer_ = 0;
};

}  // namespace octet
