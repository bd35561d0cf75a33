// What the inputs of one matrix were on a text: their largest magnitude, how they move together, some of them as they
// were, how often which magnitudes occurred.
//
//   InputCollector collector(context, format, {.moments = true}, tokens);      // an observer of a forward pass
//   OCTET_TRY(decoder.Forward(window, context, hidden, &collector));
//   std::map statistics = OCTET_TRY(collector.Take());                // by slot: "layers.3.attn.qkv"
//
// Who runs the windows: quantize/calibration_pass.h. What they are good for: quantize/gptq.h, quantize/nvfp4_rows.h,
// quantize/smoothquant.h, quantize/input_histogram.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "nn/linear.h"
#include "quantize/input_histogram.h"

namespace octet {

// What is to be known beside the largest magnitude.
struct StatisticsWanted {
  bool moments = false;
  size_t sampled_tokens = 0;  // whose inputs are kept, and the largest magnitude of each input
  size_t counted_block = 0;   // a histogram: 1, of all magnitudes; 16, of the largest of 16 neighbours; 0: none
};

struct InputStatistics {
  size_t width = 0;
  uint64_t rows = 0;                // tokens seen
  float amax = 0;                   // the largest magnitude
  std::vector<float> moments = {};  // [width, width]: sums of x[i] * x[j] over the tokens; empty where nobody asked
  // [width, width]: sums of (o[i] - x[i]) * x[j], where the original model has o for the x of a model whose layers
  // before were rounded; empty where nobody compared.
  std::vector<float> drift = {};
  std::vector<float> samples = {};      // [sampled tokens, width]: inputs of tokens spread over the text
  std::vector<float> column_amax = {};  // [width]: the largest magnitude of each input, with samples
  InputHistogram histogram = {};

  // Mean square of each input, [width]. Requires moments.
  std::vector<float> MeanSquares() const;
};

// By the slot of the joined matrix (models/model_spec.h).
using LayerInputs = std::map<std::string, InputStatistics, std::less<>>;

// Sums over all calls. The bits don't depend on the number of threads.
class InputCollector : public Decoder::Observer {
 public:
  // `format` is what products round their inputs for: kF32 or kBf16 (nn/second_moments.h). The context is that of the
  // forward pass, whose workspace is used. `tokens` are those of the whole text, of which samples are taken.
  InputCollector(nn::ExecutionContext& context, kernels::WeightFormat format, const StatisticsWanted& wanted,
                 size_t tokens = 0);

  void OnHidden(size_t, const float*, size_t) override {}
  void OnInput(std::string_view slot, const float* x, size_t rows, size_t width, size_t stride) override;

  // What these inputs, which OnInput was told of, are in the original model.
  void AddDrift(std::string_view slot, const nn::Rows& original, const nn::Rows& x);

  // Fails with corrupt where an input is no finite number, naming its matrix, or moments leave the range of floats;
  // with exhausted where memory was out.
  Status Check() const { return status_; }
  // Moments complete. The collector is empty then.
  Result<LayerInputs> Take();

 private:
  Status Add(const nn::Rows& x, InputStatistics& statistics);
  void Sample(const nn::Rows& x, InputStatistics& statistics) const;
  void Count(const nn::Rows& x, InputStatistics& statistics) const;

  nn::ExecutionContext& context_;
  kernels::WeightFormat format_;
  StatisticsWanted wanted_;
  std::vector<uint64_t> sampled_;  // which tokens, in order
  LayerInputs inputs_;
  Status status_;
};

}  // namespace octet
