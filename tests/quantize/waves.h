// Weights of which no two are alike, without an outlier.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace octet {

inline std::vector<float> Waves(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = std::sin(static_cast<float>(i) * 0.7f) * std::cos(static_cast<float>(i) * 0.013f);
  }
  return values;
}

}  // namespace octet
