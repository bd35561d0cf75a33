// Which tensors of a quantised model lost most to rounding: candidates for --keep.
//
//   for (const QuantizedTensor* tensor : WorstTensors(report, 5)) Print(tensor->precision.name, tensor->decibels);
#pragma once

#include <vector>

#include "quantize/quantize.h"

namespace octet {

inline constexpr size_t kWorstTensors = 5;  // of a report

// At most `count` quantised tensors by their ratio of signal to noise, the least first, equal ones in the order of the
// report; those that are exact aren't among them. The report must outlive the pointers.
std::vector<const QuantizedTensor*> WorstTensors(const QuantizeReport& report, size_t count);

}  // namespace octet
