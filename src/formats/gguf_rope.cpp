#include "formats/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace octet {
namespace {

constexpr double kTolerance = 1e-4;
constexpr double kTwoPi = 6.283185307179586;

struct Llama3Scaling {
  double factor = 1;
  double low = 1;
  double high = 4;
  double original = 8192;
};

// 1 / wavelength of frequency i.
double Turns(size_t i, size_t count, double theta) {
  return std::pow(theta, -static_cast<double>(i) / static_cast<double>(count)) / kTwoPi;
}

double Divisor(const Llama3Scaling& scaling, double turns) {
  const double smooth = std::clamp((scaling.original * turns - scaling.low) / (scaling.high - scaling.low), 0.0, 1.0);
  return 1 / ((1 - smooth) / scaling.factor + smooth);
}

bool Gives(const Llama3Scaling& scaling, std::span<const float> divisors, double theta) {
  if (!(scaling.high > scaling.low) || !(scaling.original > 0)) return false;
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double expected = Divisor(scaling, Turns(i, divisors.size(), theta));
    if (!(std::abs(double{divisors[i]} - expected) <= kTolerance * expected)) return false;
  }
  return true;
}

// Between the two thresholds the smoothing is a straight line in 1 / wavelength; two points on it give the line, and
// the line the parameters for low = 1.
std::optional<Llama3Scaling> FitLine(std::span<const float> divisors, double theta, double factor) {
  std::vector<double> turns, smooth;
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double value = (1 / double{divisors[i]} - 1 / factor) / (1 - 1 / factor);
    if (value < kTolerance || value > 1 - kTolerance) continue;
    turns.push_back(Turns(i, divisors.size(), theta));
    smooth.push_back(value);
  }
  if (turns.size() < 2) return std::nullopt;
  const double slope = (smooth.front() - smooth.back()) / (turns.front() - turns.back());
  const double intercept = smooth.front() - slope * turns.front();
  if (!(intercept < 0)) return std::nullopt;
  return Llama3Scaling{factor, 1, (1 - intercept) / -intercept, slope / -intercept};
}

Json ToJson(const Llama3Scaling& scaling) {
  return {{"rope_type", "llama3"},
          {"factor", scaling.factor},
          {"low_freq_factor", scaling.low},
          {"high_freq_factor", scaling.high},
          {"original_max_position_embeddings", static_cast<int64_t>(scaling.original)}};
}

}  // namespace

Result<Json> RecoverLlama3Scaling(std::span<const float> divisors, double theta, std::string_view where) {
  const auto is_one = [](float divisor) { return divisor == 1; };
  if (std::all_of(divisors.begin(), divisors.end(), is_one)) return Json(nullptr);
  Llama3Scaling scaling;
  scaling.factor = *std::max_element(divisors.begin(), divisors.end());
  if (scaling.factor > 1 && std::isfinite(scaling.factor)) {
    if (Gives(scaling, divisors, theta)) return ToJson(scaling);
    for (double original = 16; original <= 1 << 20; original *= 2) {
      scaling.original = original;
      if (Gives(scaling, divisors, theta)) return ToJson(scaling);
    }
    if (std::optional<Llama3Scaling> fitted = FitLine(divisors, theta, scaling.factor)) {
      fitted->original = std::round(fitted->original);
      Llama3Scaling rounded = *fitted;
      rounded.high = std::round(fitted->high * 4) / 4;
      if (Gives(rounded, divisors, theta)) return ToJson(rounded);
      if (Gives(*fitted, divisors, theta)) return ToJson(*fitted);
    }
  }
  return Fail(ErrorCode::kUnsupported, where, ": the ", divisors.size(), " divisors in `rope_freqs.weight` (largest ",
              scaling.factor, ") come from no llama3 rope scaling");
}

}  // namespace octet
