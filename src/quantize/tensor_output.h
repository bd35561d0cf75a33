// One tensor of a checkpoint on its way into a safetensors file, a slice of rows at a time.
//
//   const GlobalScales globals = OCTET_TRY(MeasureGlobalScales(source, map, run));
//   OCTET_TRY(WriteHeads(map, globals, ranges, writer));
//   OCTET_TRY(CopyTensor(source, precision, writer, run));
//   const RoundingNoise noise = OCTET_TRY(EncodeTensor(source, precision, globals, {}, writer, run));
#pragma once

#include "formats/safetensors_writer.h"
#include "numeric/bf16.h"
#include "quantize/error_weights.h"
#include "quantize/global_scales.h"
#include "quantize/quantize.h"
#include "quantize/row_encoding.h"

namespace octet {

// The tensors that a plan writes, in order: first the shapes of integer matrices and the scales of whole tensors and of
// their inputs, numbers of 8 and 4 bytes that stay aligned there; then each tensor, a quantised one followed by its
// scales.
std::vector<TensorSpec> OutputTensors(const PrecisionMap& map);

// [rows, columns] of every integer matrix, whose packed words don't tell, the scale of every tensor that has one for
// the whole, and that of its inputs where they are rounded.
Status WriteHeads(const PrecisionMap& map, const GlobalScales& globals, const InputRanges& inputs,
                  ShardedSafetensorsWriter& writer);

// Slots of joined matrices whose inputs were, on the text, zeros or too near to 0 for a scale: theirs is 1, which fits
// nothing that was seen. Each once.
std::vector<std::string> SlotsWithoutRange(const PrecisionMap& map, const InputRanges& inputs);

// Bit for bit where the type stays, rounded to nearest even where it becomes BF16 or FP16. Fails with unsupported for a
// type that can't be converted.
Status CopyTensor(const TensorSource& source, const TensorPrecision& tensor, ShardedSafetensorsWriter& writer,
                  const QuantizeRun& run);

struct KnownInputs {
  const ErrorWeights* weights = nullptr;
  std::vector<Bf16>* decoded = nullptr;
};

// Codes of a quantised tensor [rows, columns], packed as the dialect packs them, then scales [rows, groups]. A tensor
// of more than two axes counts as rows of the rest. Inputs that are known weigh the errors of all encodings that
// compensate (CanCompensate in round_trip.h); what their codes stand for is appended to `decoded` where it is given.
Result<RoundingNoise> EncodeTensor(const TensorSource& source, const TensorPrecision& tensor,
                                   const GlobalScales& globals, const KnownInputs& known,
                                   ShardedSafetensorsWriter& writer, const QuantizeRun& run);

}  // namespace octet
