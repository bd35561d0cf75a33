// How a quantised matrix lies in a checkpoint, in either dialect: the tensors that stand for it, their names, types and
// shapes.
//
//   const TensorLayout layout = LayoutOf(precision);
//   writer.Write(layout.codes.name, ...);
//
// Who fills them: quantize/tensor_output.h. The layouts: docs/formats/compressed_tensors.md, docs/formats/modelopt.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/safetensors_writer.h"
#include "quantize/precision_map.h"

namespace octet {

// A number for the whole tensor, or for its inputs.
struct TensorNumber {
  TensorSpec spec;
  bool of_inputs = false;
  bool is_reciprocal = false;  // of what codes or inputs are multiplied with
};

struct TensorLayout {
  TensorSpec codes;
  std::optional<TensorSpec> scales = {};  // of rows, groups or blocks
  std::vector<TensorNumber> numbers = {};
  std::optional<TensorSpec> shape = {};  // [rows, columns], where packed codes don't tell
};

// Requires a quantised tensor. A tensor of more than two axes counts as rows of the rest.
TensorLayout LayoutOf(const TensorPrecision& tensor);

// Whether two rows of INT4 share a byte.
bool PairsRows(const TensorPrecision& tensor);

// Whether readers take the matrix in this precision whatever the others have: its rows in whole groups, in pairs where
// two share a byte, and in packed words that tell 4 bits from 8.
bool IsReadable(const TensorPrecision& tensor);

// Fails with unsupported where a matrix has no form in its dialect, naming it and what it lacks.
Status CheckLayouts(const PrecisionMap& map);

}  // namespace octet
