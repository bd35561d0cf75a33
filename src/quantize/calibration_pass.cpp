#include "quantize/calibration_pass.h"

#include <cstdlib>

#include "models/hf_config.h"

namespace octet {

Result<CalibrationPass> CalibrationPass::Start(const Checkpoint& checkpoint, const CalibrationText& text,
                                               const Options& options, const QuantizeRun& run) {
  const char* wish = std::getenv("OCTET_CPU");
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::SelectKernels(wish == nullptr ? "" : wish));
  ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  auto weights = std::make_unique<CheckpointWeights>(
      OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, options.compute, run.pool)));
  const uint64_t floats = uint64_t{TokensOf(text)} * spec.hidden;
  const std::filesystem::path scratch =
      options.scratch.empty() ? std::filesystem::temp_directory_path() : options.scratch;
  CalibrationPass pass(OCTET_TRY(LayeredDecoder::Open(std::move(spec), *weights)),
                       OCTET_TRY(ScratchMemory::Create(floats, options.most_in_memory, scratch)));
  std::vector<int32_t> tokens;
  for (const std::vector<int32_t>& window : text) tokens.insert(tokens.end(), window.begin(), window.end());
  OCTET_TRY(pass.decoder_.Embed(tokens, *kernels, pass.hidden_.data()));
  pass.text_ = &text;
  pass.cancel_ = &run.cancel;
  pass.path_ = checkpoint.path.string();
  pass.moments_ = options.moments;
  pass.format_ = weights->all_f32() ? kernels::WeightFormat::kF32 : kernels::WeightFormat::kBf16;
  pass.weights_ = std::move(weights);
  pass.context_ = std::make_unique<nn::ExecutionContext>(run.pool, *kernels);
  return pass;
}

Result<LayerInputs> CalibrationPass::NextLayer(const std::function<void(size_t)>& advance) {
  OCTET_CHECK(next_layer_ < layers());
  OCTET_TRY(cancel_->Check());
  OCTET_TRY(decoder_.Load(next_layer_++, *weights_));
  InputCollector collector(*context_, format_, moments_);
  float* hidden = hidden_.data();
  for (const std::vector<int32_t>& window : *text_) {
    OCTET_TRY(cancel_->Check());
    OCTET_TRY(decoder_.Forward(window, *context_, hidden, &collector));
    if (Status done = collector.Check(); !done) return Prefixed(std::move(done).error(), path_ + ": ");
    hidden += window.size() * decoder_.spec().hidden;
    if (advance) advance(window.size());
  }
  Result<LayerInputs> inputs = collector.Take();
  if (!inputs) return Prefixed(std::move(inputs).error(), path_ + ": ");
  return inputs;
}

Result<InputStatistics> CalibrationPass::Head() {
  OCTET_CHECK(next_layer_ == layers());
  InputCollector collector(*context_, format_, moments_);
  const size_t width = decoder_.spec().hidden;
  float* hidden = hidden_.data();
  for (const std::vector<int32_t>& window : *text_) {
    OCTET_TRY(cancel_->Check());
    OCTET_TRY(context_->workspace.Reset());
    decoder_.Finish(context_->kernels, window.size(), hidden, hidden);
    collector.OnInput("head", hidden, window.size(), width, width);
    hidden += window.size() * width;
  }
  Result<LayerInputs> inputs = collector.Take();
  if (!inputs) return Prefixed(std::move(inputs).error(), path_ + ": ");
  return std::move(inputs->at("head"));
}

}  // namespace octet
