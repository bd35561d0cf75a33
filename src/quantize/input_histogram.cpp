#include "quantize/input_histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "numeric/fp8.h"
#include "quantize/row_encoding.h"

namespace octet {
namespace {

constexpr size_t kEntropyBins = 2048, kFewestEntropyBins = 128;
constexpr int kMsePercents = 100, kFewestMsePercents = 20;

// The power of two by which kBins bins reach beyond a magnitude and half as many don't.
double WidthFor(float magnitude) {
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude < 2^exponent
  return std::ldexp(1.0, exponent) / static_cast<double>(InputHistogram::kBins);
}

float Percentile(const InputHistogram& histogram, double percent) {
  const double wanted = static_cast<double>(histogram.total()) * percent / 100;
  uint64_t below = 0;
  for (size_t bin = 0; bin < histogram.counts().size(); ++bin) {
    below += histogram.counts()[bin];
    if (static_cast<double>(below) >= wanted)
      return static_cast<float>(static_cast<double>(bin + 1) * histogram.width());
  }
  return histogram.largest();
}

double MeanSquaredError(const InputHistogram& histogram, float range) {
  const float scale = range / kE4M3Max;
  double error = 0;
  for (size_t bin = 0; bin < histogram.counts().size(); ++bin) {
    if (histogram.counts()[bin] == 0) continue;
    const auto middle = static_cast<float>((static_cast<double>(bin) + 0.5) * histogram.width());
    const double change = static_cast<double>(middle) - static_cast<double>(ToFloat(ToE4M3(middle / scale)) * scale);
    error += change * change * static_cast<double>(histogram.counts()[bin]);
  }
  return error / static_cast<double>(histogram.total());
}

float LeastSquares(const InputHistogram& histogram, ThreadPool& pool) {
  std::vector<double> errors(kMsePercents - kFewestMsePercents + 1);
  const auto range = [&](size_t i) {
    return histogram.largest() * static_cast<float>(kMsePercents - static_cast<int>(i)) / kMsePercents;
  };
  pool.ForEachShare(errors.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) errors[i] = MeanSquaredError(histogram, range(i));
  });
  return range(static_cast<size_t>(std::min_element(errors.begin(), errors.end()) - errors.begin()));
}

// Of the first `used` bins, with all behind them in the last: the divergence of what the codes keep from it; infinite
// where the last bin has no count of its own.
double CutDivergence(std::span<const double> bins, size_t used) {
  // Bins with one code become alike: each that isn't empty has their mean.
  double outliers = 0, total = 0;
  for (size_t bin = used; bin < bins.size(); ++bin) outliers += bins[bin];
  for (const double count : bins.first(used)) total += count;
  if (outliers > 0 && bins[used - 1] == 0) return std::numeric_limits<double>::infinity();
  double divergence = 0;
  for (size_t first = 0; first < used;) {
    const auto code = [&](size_t bin) {
      return ToE4M3((static_cast<float>(bin) + 0.5F) / static_cast<float>(used) * kE4M3Max).bits;
    };
    size_t end = first;
    double sum = 0, filled = 0;
    for (const uint8_t own = code(first); end < used && code(end) == own; ++end) {
      sum += bins[end];
      filled += bins[end] > 0 ? 1 : 0;
    }
    for (size_t bin = first; bin < end; ++bin) {
      if (bins[bin] == 0) continue;
      const double p = (bins[bin] + (bin + 1 == used ? outliers : 0)) / (total + outliers);
      divergence += p * std::log(p / (sum / filled / total));
    }
    first = end;
  }
  return divergence;
}

float LeastDivergence(const InputHistogram& histogram, ThreadPool& pool) {
  constexpr size_t kJoined = InputHistogram::kBins / kEntropyBins;
  std::vector<double> bins(kEntropyBins);
  for (size_t bin = 0; bin < InputHistogram::kBins; ++bin)
    bins[bin / kJoined] += static_cast<double>(histogram.counts()[bin]);
  while (bins.back() == 0) bins.pop_back();
  if (bins.size() <= kFewestEntropyBins) return histogram.largest();
  std::vector<double> divergences(bins.size() - kFewestEntropyBins + 1);
  pool.ForEachShare(divergences.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) divergences[i] = CutDivergence(bins, kFewestEntropyBins + i);
  });
  size_t best = divergences.size() - 1;  // all bins: finite, since nothing lies beyond
  for (size_t i = best; i-- > 0;) best = divergences[i] < divergences[best] ? i : best;
  if (best + 1 == divergences.size()) return histogram.largest();
  return static_cast<float>((static_cast<double>(kFewestEntropyBins + best) + 0.5) * histogram.width() * kJoined);
}

}  // namespace

std::string_view Name(Observer observer) {
  switch (observer) {
    case Observer::kAmax:
      return "amax";
    case Observer::kPercentile:
      return "percentile";
    case Observer::kMse:
      return "mse";
    case Observer::kEntropy:
      break;
  }
  return "entropy";
}

void InputHistogram::Reach(float magnitude) {
  largest_ = std::max(largest_, magnitude);
  if (counts_.empty()) counts_.resize(kBins);
  const double wanted = WidthFor(magnitude);
  if (magnitude == 0 || wanted <= width_) return;
  if (width_ == 0) {  // what was counted before are zeros
    width_ = wanted;
    return;
  }
  for (; width_ < wanted; width_ *= 2) {
    for (size_t bin = 0; bin < kBins; ++bin)
      counts_[bin] = bin < kBins / 2 ? counts_[2 * bin] + counts_[2 * bin + 1] : 0;
  }
}

void InputHistogram::Add(std::span<const float> values, ThreadPool& pool) {
  Reach(LargestMagnitude(values));
  total_ += values.size();
  std::mutex mutex;
  pool.ForEachShare(values.size(), [&](size_t begin, size_t end) {
    std::vector<uint64_t> counts(kBins);
    const double per_bin = width_ == 0 ? 0 : 1 / width_;  // exact
    for (size_t i = begin; i < end; ++i)
      ++counts[static_cast<size_t>(static_cast<double>(std::fabs(values[i])) * per_bin)];
    const std::lock_guard lock(mutex);
    for (size_t bin = 0; bin < kBins; ++bin) counts_[bin] += counts[bin];
  });
}

float ObservedRange(const InputHistogram& histogram, const ObserverChoice& choice, ThreadPool& pool) {
  if (histogram.largest() == 0) return 0;
  float range = histogram.largest();
  if (choice.observer == Observer::kPercentile) range = Percentile(histogram, choice.percentile);
  if (choice.observer == Observer::kMse) range = LeastSquares(histogram, pool);
  if (choice.observer == Observer::kEntropy) range = LeastDivergence(histogram, pool);
  return std::min(range, histogram.largest());
}

}  // namespace octet
