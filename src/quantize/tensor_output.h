// One tensor of a checkpoint on its way into a safetensors file, a slice of rows at a time.
//
//   OCTET_TRY(CopyTensor(source, precision, writer, run));
//   const RoundingNoise noise = OCTET_TRY(WriteE4M3Tensor(source, precision, writer, run));
#pragma once

#include "formats/safetensors_writer.h"
#include "quantize/quantize.h"

namespace octet {

// Sums over a tensor: of squared weights, and of the squares of what rounding changed.
struct RoundingNoise {
  double signal = 0;
  double noise = 0;

  // 10 log10(signal / noise); infinity where nothing changed.
  double Decibels() const;
};

// "model.layers.0.mlp.up_proj.weight_scale" of "model.layers.0.mlp.up_proj.weight".
std::string ScaleNameOf(std::string_view tensor);

// The tensors that a plan writes, in order: a quantised one is followed by its scales.
std::vector<TensorSpec> OutputTensors(const PrecisionMap& map);

// Bit for bit where the type stays, rounded to nearest even where it becomes BF16 or FP16. Fails with unsupported for a
// type that can't be converted.
Status CopyTensor(const TensorSource& source, const TensorPrecision& tensor, ShardedSafetensorsWriter& writer,
                  const QuantizeRun& run);

// Codes [rows, columns], then scales [rows, 1] (quantize/e4m3_rows.h). A tensor of more than two axes counts as rows of
// the rest.
Result<RoundingNoise> WriteE4M3Tensor(const TensorSource& source, const TensorPrecision& tensor,
                                      ShardedSafetensorsWriter& writer, const QuantizeRun& run);

}  // namespace octet
