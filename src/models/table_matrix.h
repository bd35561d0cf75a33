// Integer matrices as AutoAWQ and GPTQ store them, known by `<module>.qweight`: part of models/integer_matrix.h.
//
//   std::optional<IntegerMatrix> matrix = OCTET_TRY(FindTableMatrix(tensors, slot, declared));
//
// Which of the two it is, and which version of GPTQ, the tensors say. Layout: docs/formats/awq_gptq.md.
#pragma once

#include "models/integer_matrix.h"

namespace octet {

// bits, group_size, desc_act and checkpoint_format of AutoAWQ's or GPTQ's quantization_config; of all but the last
// nothing where modules have settings of their own (`dynamic`).
DeclaredIntegers ReadDeclaredTables(const Json& quantisation);

// Requires `<module>.qweight` of the slot's module. Reads zero points and orders of inputs, and a few hundred rows of
// codes where the version of GPTQ hangs on them. Fails with corrupt, not_found or unsupported, naming tensor and sizes.
Result<std::optional<IntegerMatrix>> FindTableMatrix(const TensorSource& tensors, const WeightSlot& slot,
                                                     const DeclaredIntegers& declared);

}  // namespace octet
