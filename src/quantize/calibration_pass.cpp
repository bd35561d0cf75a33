#include "quantize/calibration_pass.h"

#include <cstdlib>

#include "quantize/streamed_model.h"

namespace octet {
namespace {

// One forward pass seen by two.
class InputsAndHeads : public Decoder::Observer {
 public:
  InputsAndHeads(Decoder::Observer& inputs, Decoder::Observer* heads) : inputs_(inputs), heads_(heads) {}
  void OnHidden(size_t, const float*, size_t) override {}
  void OnInput(std::string_view slot, const float* x, size_t rows, size_t width, size_t stride) override {
    inputs_.OnInput(slot, x, rows, width, stride);
  }
  void OnHeads(size_t layer, const float* qkv, size_t rows) override {
    if (heads_ != nullptr) heads_->OnHeads(layer, qkv, rows);
  }

 private:
  Decoder::Observer& inputs_;
  Decoder::Observer* heads_;
};

// Keeps the inputs of one part of a layer, and looks no further.
class InputsOfPart : public Decoder::Observer {
 public:
  explicit InputsOfPart(std::string_view part) : part_(part) {}
  void OnHidden(size_t, const float*, size_t) override {}
  void OnInput(std::string_view slot, const float* x, size_t rows, size_t width, size_t stride) override {
    if (!slot.ends_with(part_)) return;
    slot_ = slot;
    rows_ = rows;
    width_ = width;
    kept_.resize(rows * width);
    for (size_t row = 0; row < rows; ++row) std::copy_n(x + row * stride, width, kept_.data() + row * width);
  }
  bool IsDone() const override { return !slot_.empty(); }

  void Clear() { slot_.clear(); }
  const std::string& slot() const { return slot_; }
  nn::Rows rows() const { return {kept_.data(), width_, rows_, width_}; }

 private:
  std::string_view part_;
  std::string slot_;
  size_t rows_ = 0, width_ = 0;
  std::vector<float> kept_;
};

// The name alone: whether files can be made there matters only to a text that memory doesn't hold.
std::filesystem::path ScratchOf(const CalibrationPass::Options& options, const QuantizeRun& run) {
  if (!options.scratch.empty()) return options.scratch;
  if (!run.scratch.empty()) return run.scratch;
  const char* variable = std::getenv("TMPDIR");
  return variable == nullptr ? "/tmp" : variable;
}

}  // namespace

Result<CalibrationPass> CalibrationPass::Start(const Checkpoint& checkpoint, const CalibrationText& text,
                                               const Options& options, const QuantizeRun& run) {
  StreamedModel model = OCTET_TRY(OpenStreamed(checkpoint, options.compute, run));
  const uint64_t floats = uint64_t{TokensOf(text)} * model.decoder.spec().hidden;
  ScratchMemory hidden = OCTET_TRY(ScratchMemory::Create(floats, options.most_in_memory, ScratchOf(options, run)));
  CalibrationPass pass(std::move(model.decoder), std::move(hidden));
  std::vector<int32_t> tokens;
  for (const std::vector<int32_t>& window : text) tokens.insert(tokens.end(), window.begin(), window.end());
  OCTET_TRY(pass.decoder_.Embed(tokens, model.context->kernels, pass.hidden_.data()));
  if (options.compares) {
    OCTET_CHECK(!options.advances);
    pass.original_ = OCTET_TRY(ScratchMemory::Create(floats, options.most_in_memory, ScratchOf(options, run)));
    std::copy_n(pass.hidden_.data(), floats, pass.original_->data());
    pass.original_decoder_ = OCTET_TRY(LayeredDecoder::Open(pass.decoder_.spec(), *model.weights));
  }
  pass.text_ = &text;
  pass.cancel_ = &run.cancel;
  pass.heads_ = options.heads;
  pass.wanted_ = options.wanted;
  pass.advances_ = options.advances;
  pass.format_ = model.weights->all_f32() ? kernels::WeightFormat::kF32 : kernels::WeightFormat::kBf16;
  pass.weights_ = std::move(model.weights);
  pass.context_ = std::move(model.context);
  return pass;
}

template <class Body>
Status CalibrationPass::ForEachWindow(Body&& body) {
  float* hidden = hidden_.data();
  for (const std::vector<int32_t>& window : *text_) {
    OCTET_TRY(cancel_->Check());
    OCTET_TRY(body(window, hidden));
    hidden += window.size() * decoder_.spec().hidden;
  }
  return {};
}

Result<LayerInputs> CalibrationPass::Measure(const WindowDone& advance) {
  OCTET_CHECK(layer_ < layers());
  OCTET_TRY(cancel_->Check());
  OCTET_TRY(decoder_.Load(layer_, *weights_));
  InputCollector collector(*context_, format_, wanted_, TokensOf(*text_));
  InputsAndHeads observer(collector, heads_);
  std::vector<float> copy;
  const auto run = [&](const std::vector<int32_t>& window, float* hidden) -> Status {
    if (!advances_) {
      copy.assign(hidden, hidden + window.size() * decoder_.spec().hidden);
      hidden = copy.data();
    }
    OCTET_TRY(decoder_.Forward(window, *context_, hidden, &observer));
    if (advance) advance(window.size());
    return collector.Check();
  };
  OCTET_TRY(ForEachWindow(run));
  return collector.Take();
}

Status CalibrationPass::LoadOriginal() {
  if (original_layer_ == layer_) return {};
  original_layer_ = layer_;
  return original_decoder_->Load(layer_, *weights_);
}

Result<InputStatistics> CalibrationPass::MeasurePart(std::string_view part, WeightProvider& quantised,
                                                     const WindowDone& advance) {
  OCTET_CHECK(layer_ < layers() && original_);
  OCTET_TRY(cancel_->Check());
  OCTET_TRY(LoadOriginal());
  OCTET_TRY(decoder_.Load(layer_, quantised));
  InputCollector collector(*context_, format_, wanted_, TokensOf(*text_));
  InputsOfPart original(part), inputs(part);
  std::vector<float> copy;
  const auto see = [&](LayeredDecoder& decoder, const std::vector<int32_t>& window, const float* hidden,
                       InputsOfPart& observer) -> Status {
    observer.Clear();
    copy.assign(hidden, hidden + window.size() * decoder.spec().hidden);
    return decoder.Forward(window, *context_, copy.data(), &observer);
  };
  const auto measure = [&](const std::vector<int32_t>& window, const float* hidden) -> Status {
    OCTET_TRY(see(*original_decoder_, window, OriginalOf(hidden), original));
    OCTET_TRY(see(decoder_, window, hidden, inputs));
    const nn::Rows rows = inputs.rows();
    collector.OnInput(inputs.slot(), rows.data, rows.count, rows.width, rows.stride);
    collector.AddDrift(inputs.slot(), original.rows(), rows);
    if (advance) advance(window.size());
    return collector.Check();
  };
  OCTET_TRY(ForEachWindow(measure));
  LayerInputs of_part = OCTET_TRY(collector.Take());
  return std::move(of_part.at(inputs.slot()));
}

Status CalibrationPass::Advance(WeightProvider* quantised, const WindowDone& advance) {
  if (advances_) {
    ++layer_;
    return {};
  }
  OCTET_TRY(cancel_->Check());
  if (original_) OCTET_TRY(LoadOriginal());
  OCTET_TRY(decoder_.Load(layer_, quantised == nullptr ? *weights_ : *quantised));
  ++layer_;
  return ForEachWindow([&](const std::vector<int32_t>& window, float* hidden) -> Status {
    if (original_) OCTET_TRY(original_decoder_->Forward(window, *context_, OriginalOf(hidden), nullptr));
    OCTET_TRY(decoder_.Forward(window, *context_, hidden, nullptr));
    if (advance) advance(window.size());
    return {};
  });
}

Result<InputStatistics> CalibrationPass::Head(const StatisticsWanted& wanted) {
  OCTET_CHECK(layer_ == layers());
  InputCollector collector(*context_, format_, wanted, TokensOf(*text_));
  const size_t width = decoder_.spec().hidden;
  const auto finish = [&](const std::vector<int32_t>& window, float* hidden) -> Status {
    OCTET_TRY(context_->workspace.Reset());
    decoder_.Finish(context_->kernels, window.size(), hidden, hidden);
    collector.OnInput("head", hidden, window.size(), width, width);
    return collector.Check();
  };
  OCTET_TRY(ForEachWindow(finish));
  LayerInputs inputs = OCTET_TRY(collector.Take());
  return std::move(inputs.at("head"));
}

}  // namespace octet
