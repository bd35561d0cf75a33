// What rounding to each format costs every matrix of a model, on the inputs that it meets in a text.
//
//   for (const StudiedMatrix& matrix : OCTET_TRY(StudyRounding(checkpoint, windows, run))) Print(matrix.slot, ...);
//
// One layer is in memory at a time. The measurement of one matrix: quantize/rounding_error.h.
#pragma once

#include <string>
#include <vector>

#include "quantize/calibration_text.h"
#include "quantize/quantize.h"
#include "quantize/rounding_error.h"

namespace octet {

struct StudiedMatrix {
  std::string slot;  // "layers.3.attn.qkv"
  size_t layer = 0;
  std::string part;  // "attn.qkv"
  RoundingErrors errors;
};

// Every joined matrix of every layer, in the order of slots. Fails as the reader of the checkpoint does, with corrupt,
// naming the matrix, where an input or a weight is no finite number, with cancelled.
Result<std::vector<StudiedMatrix>> StudyRounding(const Checkpoint& checkpoint, const CalibrationText& windows,
                                                 const QuantizeRun& run);

}  // namespace octet
