// Functions of single values are computed in double and rounded once: the other tiers are measured against that.
#include <cmath>
#include <numbers>

#include "kernels/reference/reference.h"

namespace octet::kernels::reference {

void RmsNorm(const float* x, const float* weight, float offset, float eps, size_t count, float* out) {
  double squares = 0;
  for (size_t i = 0; i < count; ++i) squares += double{x[i]} * x[i];
  const float factor = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(count) + eps));
  for (size_t i = 0; i < count; ++i) out[i] = x[i] * factor * (weight[i] + offset);
}

// Ba, Kiros and Hinton 2016.
void LayerNorm(const float* x, const float* weight, const float* bias, float eps, size_t count, float* out) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; ++i) sum += x[i];
  const float mean = static_cast<float>(sum / static_cast<double>(count));
  for (size_t i = 0; i < count; ++i) squares += double{x[i] - mean} * (x[i] - mean);
  const float factor = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(count) + eps));
  for (size_t i = 0; i < count; ++i) out[i] = (x[i] - mean) * factor * weight[i] + bias[i];
}

void Add(const float* y, size_t count, float* x) {
  for (size_t i = 0; i < count; ++i) x[i] += y[i];
}

void Scale(float factor, size_t count, float* x) {
  for (size_t i = 0; i < count; ++i) x[i] *= factor;
}

void SiluMultiply(const float* gate, const float* up, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    const double x = gate[i];
    out[i] = static_cast<float>(x / (1 + std::exp(-x))) * up[i];
  }
}

// Hendrycks and Gimpel 2016, the tanh approximation.
void GeluTanhMultiply(const float* gate, const float* up, size_t count, float* out) {
  const double factor = std::sqrt(2 / std::numbers::pi);
  for (size_t i = 0; i < count; ++i) {
    const double x = gate[i];
    out[i] = static_cast<float>(0.5 * x * (1 + std::tanh(factor * (x + 0.044715 * x * x * x)))) * up[i];
  }
}

void GeluErfMultiply(const float* gate, const float* up, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    const double x = gate[i];
    out[i] = static_cast<float>(0.5 * x * std::erfc(-x / std::numbers::sqrt2)) * up[i];
  }
}

void Softcap(float cap, size_t count, float* x) {
  for (size_t i = 0; i < count; ++i) x[i] = static_cast<float>(cap * std::tanh(double{x[i]} / cap));
}

void Rope(const float* cosines, const float* sines, size_t half, float* x) {
  for (size_t i = 0; i < half; ++i) {
    const float first = x[i], second = x[i + half];
    x[i] = first * cosines[i] - second * sines[i];
    x[i + half] = second * cosines[i] + first * sines[i];
  }
}

size_t ArgMax(const float* x, size_t count) {
  size_t best = 0;
  for (size_t i = 1; i < count; ++i) {
    if (x[i] > x[best] || (std::isnan(x[best]) && !std::isnan(x[i]))) best = i;
  }
  return best;
}

double SumExp(const float* x, float shift, float factor, size_t count, float* terms) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const double term = std::exp(double{(x[i] - shift) * factor});
    if (terms != nullptr) terms[i] = static_cast<float>(term);
    sum += term;
  }
  return sum;
}

}  // namespace octet::kernels::reference
