// How often which magnitudes occur, counted as a text streams by, and up to where a static E4M3 scale should reach.
//
//   InputHistogram histogram;
//   histogram.Add(x, width, pool);                       // any order and any split of the values: the same counts
//   const float range = ObservedRange(histogram, {Observer::kPercentile, 99.9}, pool);    // scale = range / 448
//
// What is counted: of inputs that E4M3 codes stand for, every magnitude; of NVFP4 inputs the largest magnitude of each
// block of 16, since that is what is stored in E4M3 there. Who collects: quantize/input_statistics.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"

namespace octet {

// How a static scale's range is found; what each means stands at ObservedRange.
enum class Observer : uint8_t { kAmax, kPercentile, kMse, kEntropy };

// "amax", "percentile", "mse", "entropy".
std::string_view Name(Observer observer);

struct ObserverChoice {
  Observer observer = Observer::kAmax;
  double percentile = 99.9;  // of magnitudes that the range holds, above 0 and up to 100
};

// Magnitudes in bins of one width, a power of two that doubles, neighbours joined, where a magnitude lies beyond the
// last bin: the counts are those that the final width gives, whatever came first. 128 KB.
class InputHistogram {
 public:
  static constexpr size_t kBins = 16384;  // the upper half of which the largest magnitude lies in

  // Counts values, finite ones, by their magnitudes.
  void Add(std::span<const float> values, ThreadPool& pool);

  uint64_t total() const { return total_; }
  float largest() const { return largest_; }
  double width() const { return width_; }  // bin i holds i * width .. (i + 1) * width, its end left out
  const std::vector<uint64_t>& counts() const { return counts_; }  // empty before the first value

 private:
  void Reach(float magnitude);

  std::vector<uint64_t> counts_;
  double width_ = 0;
  uint64_t total_ = 0;
  float largest_ = 0;
};

// The range of inputs that a static scale is made for; no more than the largest magnitude, which it is where the others
// have nothing to choose by: without values, for zeros alone, for one magnitude alone.
//
//   kAmax        the largest magnitude
//   kPercentile  the end of the first bin up to which P % of the magnitudes lie; numpy.percentile with `inverted_cdf`,
//   up to
//   a
//                bin's width
//   kMse         of 1, 0.99 .. 0.2 times the largest the one whose E4M3 codes, saturated beyond the range, have the
//   least
//                mean squared error, a bin's magnitudes taken for its middle; pytorch-quantization's calibrator of that
//                name with another list of candidates
//   kEntropy     the threshold of Migacz, "8-bit inference with TensorRT", GTC 2017: 2048 bins; of the first i = 128 ..
//                2048, what is beyond added to the last, the i whose distribution the codes' own has the least
//                Kullback-Leibler divergence from. Codes are those of E4M3 instead of 128 equal steps; ties go to the
//                larger range.
//
// Work: 2 million codes at most. The result doesn't depend on the number of threads.
float ObservedRange(const InputHistogram& histogram, const ObserverChoice& choice, ThreadPool& pool);

}  // namespace octet
