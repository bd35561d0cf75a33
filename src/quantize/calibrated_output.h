// Writing the layers of a model as the windows of a calibration text go through them.
//
//   EditedSource edited(*checkpoint.tensors);
//   CalibratedOutput output{checkpoint, plan, globals, directory, edited};
//   Calibrated calibrated = OCTET_TRY(WriteCalibrated(output, writer, run, written));
//
// What goes through: quantize/calibration_pass.h. The rest of a checkpoint: quantize/tensor_output.h.
#pragma once

#include <optional>

#include "quantize/edited_source.h"
#include "quantize/tensor_output.h"

namespace octet {

struct CalibratedOutput {
  const Checkpoint& checkpoint;
  const QuantizePlan& plan;  // with windows
  const GlobalScales& globals;
  std::filesystem::path scratch;  // directory for hidden states that memory shouldn't hold
  EditedSource& edited;           // of the checkpoint's tensors; norms and biases that changed stay in it
};

// Encodes every quantised matrix with what its inputs were, a layer after the other, and notes it in `written`, which
// is parallel to the map's tensors. Gives the inputs' ranges, of all matrices of the layers, and of a quantised head,
// and how far the layers were smoothed. Fails as CalibrationPass and EncodeTensor do.
Result<Calibrated> WriteCalibrated(const CalibratedOutput& output, ShardedSafetensorsWriter& writer,
                                   const QuantizeRun& run, std::vector<std::optional<QuantizedTensor>>& written);

}  // namespace octet
