#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace octet::nn {
namespace {

// theta^(2i / dim): what positions are divided by, in pair i.
double Wavelength(double theta, size_t pair, size_t dim) {
  return std::pow(theta, 2.0 * static_cast<double>(pair) / static_cast<double>(dim));
}

// Bloc97's rule: the base grows so that the slowest pair spans `length` as it spanned max_positions.
double DynamicTheta(const RopeSpec& spec, size_t length) {
  const double stretched =
      static_cast<double>(std::max(length, spec.max_positions)) / static_cast<double>(spec.max_positions);
  const double dim = static_cast<double>(spec.dim);
  return spec.theta * std::pow(spec.factor * stretched - (spec.factor - 1), dim / (dim - 2));
}

// Llama 3.1: long waves are slowed by the factor, short ones kept, those between blended.
double Llama3Frequency(const RopeSpec& spec, double frequency) {
  const double rotations = static_cast<double>(spec.original_max) * frequency / (2 * std::numbers::pi);
  if (rotations < spec.low_frequency) return frequency / spec.factor;
  if (rotations > spec.high_frequency) return frequency;
  const double kept = (rotations - spec.low_frequency) / (spec.high_frequency - spec.low_frequency);
  return (1 - kept) * frequency / spec.factor + kept * frequency;
}

// The pair index that turns `rotations` times within the original length (Peng et al. 2023, section 3.2).
double YarnPair(const RopeSpec& spec, double rotations) {
  const double original = static_cast<double>(spec.original_max);
  return static_cast<double>(spec.dim) * std::log(original / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(spec.theta));
}

std::vector<float> YarnFrequencies(const RopeSpec& spec) {
  double low = YarnPair(spec, spec.beta_fast);
  double high = YarnPair(spec, spec.beta_slow);
  if (spec.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(spec.dim) - 1);
  if (low == high) high += 0.001;  // as the reference does, against a division by zero
  std::vector<float> frequencies(spec.dim / 2);
  for (size_t pair = 0; pair < frequencies.size(); ++pair) {
    const double slowed = std::clamp((static_cast<double>(pair) - low) / (high - low), 0.0, 1.0);
    const double frequency = 1 / Wavelength(spec.theta, pair, spec.dim);
    frequencies[pair] = static_cast<float>(frequency / spec.factor * slowed + frequency * (1 - slowed));
  }
  return frequencies;
}

std::vector<float> Frequencies(const RopeSpec& spec, const std::vector<double>& factors) {
  if (spec.kind == RopeKind::kYarn) return YarnFrequencies(spec);
  std::vector<float> frequencies(spec.dim / 2);
  for (size_t pair = 0; pair < frequencies.size(); ++pair) {
    double frequency = 1 / Wavelength(spec.theta, pair, spec.dim);
    if (spec.kind == RopeKind::kLinear) frequency /= spec.factor;
    if (spec.kind == RopeKind::kLlama3) frequency = Llama3Frequency(spec, frequency);
    if (spec.kind == RopeKind::kLongrope) frequency /= factors[pair];
    frequencies[pair] = static_cast<float>(frequency);
  }
  return frequencies;
}

bool IsPositive(double value) { return std::isfinite(value) && value > 0; }

Status CheckLists(const RopeSpec& spec) {
  for (const std::vector<double>* factors : {&spec.short_factors, &spec.long_factors}) {
    if (factors->size() != spec.dim / 2) {
      return Fail(ErrorCode::kInvalidArgument, "longrope: ", factors->size(), " factors in a list, expected ",
                  spec.dim / 2, ", half the rotated width");
    }
    if (!std::all_of(factors->begin(), factors->end(), IsPositive)) {
      return Fail(ErrorCode::kInvalidArgument, "longrope: a factor isn't a positive number");
    }
  }
  return {};
}

Status CheckNumbers(const RopeSpec& spec) {
  if (spec.dim == 0 || spec.dim % 2 != 0) {
    return Fail(ErrorCode::kInvalidArgument, "rope: a rotated width of ", spec.dim, " isn't a positive even number");
  }
  if (!IsPositive(spec.theta) || !IsPositive(spec.factor) || !IsPositive(spec.attention_factor)) {
    return Fail(ErrorCode::kInvalidArgument, "rope: theta ", spec.theta, ", factor ", spec.factor,
                " and attention factor ", spec.attention_factor, " must be positive numbers");
  }
  if (spec.kind == RopeKind::kDynamic && (spec.max_positions == 0 || spec.dim == 2 || spec.factor < 1)) {
    return Fail(ErrorCode::kInvalidArgument, "dynamic rope: needs a length (", spec.max_positions,
                "), a rotated width above 2 (", spec.dim, ") and a factor of 1 or more (", spec.factor, ")");
  }
  const bool has_original =
      spec.kind == RopeKind::kLlama3 || spec.kind == RopeKind::kYarn || spec.kind == RopeKind::kLongrope;
  if (has_original && spec.original_max == 0)
    return Fail(ErrorCode::kInvalidArgument, "rope: the original length is 0");
  if (spec.kind == RopeKind::kLlama3 && !(spec.high_frequency > spec.low_frequency && IsPositive(spec.low_frequency))) {
    return Fail(ErrorCode::kInvalidArgument, "llama3 rope: high_freq_factor ", spec.high_frequency,
                " must be above low_freq_factor ", spec.low_frequency, ", both above 0");
  }
  if (spec.kind == RopeKind::kYarn && !(IsPositive(spec.beta_fast) && IsPositive(spec.beta_slow) && spec.theta > 1)) {
    return Fail(ErrorCode::kInvalidArgument, "yarn rope: beta_fast ", spec.beta_fast, " and beta_slow ", spec.beta_slow,
                " must be positive, theta ", spec.theta, " above 1");
  }
  return spec.kind == RopeKind::kLongrope ? CheckLists(spec) : Status();
}

}  // namespace

bool SwitchesBetween(const RopeSpec& spec, size_t length, size_t other_length) {
  return spec.kind == RopeKind::kLongrope && (length > spec.original_max) != (other_length > spec.original_max);
}

bool AnglesAreEqual(std::span<const RopeSpec> ropes, size_t length, size_t other_length) {
  return std::none_of(ropes.begin(), ropes.end(), [&](const RopeSpec& rope) {
    return (rope.kind == RopeKind::kDynamic && length != other_length) || SwitchesBetween(rope, length, other_length);
  });
}

Result<RopeTable> RopeTable::Make(RopeSpec spec) {
  OCTET_TRY(CheckNumbers(spec));
  RopeTable table;
  table.frequencies_ = Frequencies(spec, spec.short_factors);
  if (spec.kind == RopeKind::kLongrope) table.long_frequencies_ = Frequencies(spec, spec.long_factors);
  table.spec_ = std::move(spec);
  return table;
}

void RopeTable::Fill(size_t position, size_t length, float* cosines, float* sines) const {
  length = std::max(length, position + 1);
  if (spec_.kind == RopeKind::kDynamic && length > spec_.max_positions) {
    const double theta = DynamicTheta(spec_, length);
    for (size_t pair = 0; pair < half(); ++pair) {
      const float angle = static_cast<float>(1 / Wavelength(theta, pair, spec_.dim)) * static_cast<float>(position);
      cosines[pair] = std::cos(angle);
      sines[pair] = std::sin(angle);
    }
    return;
  }
  const bool is_long = spec_.kind == RopeKind::kLongrope && length > spec_.original_max;
  const float* frequencies = is_long ? long_frequencies_.data() : frequencies_.data();
  const float factor = static_cast<float>(spec_.attention_factor);
  for (size_t pair = 0; pair < half(); ++pair) {
    const float angle = frequencies[pair] * static_cast<float>(position);
    cosines[pair] = std::cos(angle) * factor;
    sines[pair] = std::sin(angle) * factor;
  }
}

}  // namespace octet::nn
