#include "quantize/worst_tensors.h"

#include <algorithm>
#include <cmath>

namespace octet {

std::vector<const QuantizedTensor*> WorstTensors(const QuantizeReport& report, size_t count) {
  std::vector<const QuantizedTensor*> rounded;
  for (const QuantizedTensor& tensor : report.tensors) {
    if (tensor.precision.quantised() && std::isfinite(tensor.decibels)) rounded.push_back(&tensor);
  }
  std::stable_sort(rounded.begin(), rounded.end(),
                   [](const QuantizedTensor* a, const QuantizedTensor* b) { return a->decibels < b->decibels; });
  rounded.resize(std::min(count, rounded.size()));
  return rounded;
}

}  // namespace octet
