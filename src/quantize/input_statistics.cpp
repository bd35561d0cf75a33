#include "quantize/input_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "nn/second_moments.h"
#include "quantize/row_encoding.h"

namespace octet {
namespace {

// The largest magnitude of the rows; NaN where one of them isn't finite.
float LargestOfRows(const nn::Rows& x, ThreadPool& pool) {
  float amax = 0;
  bool finite = true;
  std::mutex mutex;
  pool.ForEachShare(x.count, [&](size_t begin, size_t end) {
    float of_share = 0;
    bool finite_share = true;
    for (size_t row = begin; row < end; ++row) {
      const std::span<const float> values(x.data + row * x.stride, x.width);
      finite_share = finite_share && FirstNotFinite(values) == x.width;
      of_share = std::max(of_share, LargestMagnitude(values));
    }
    const std::lock_guard lock(mutex);
    amax = std::max(amax, of_share);
    finite = finite && finite_share;
  });
  return finite ? amax : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace

std::vector<float> InputStatistics::MeanSquares() const {
  std::vector<float> squares(width);
  for (size_t i = 0; i < width; ++i)
    squares[i] = moments[i * width + i] / static_cast<float>(std::max<uint64_t>(rows, 1));
  return squares;
}

void InputCollector::OnInput(std::string_view slot, const float* x, size_t rows, size_t width, size_t stride) {
  if (!status_) return;
  InputStatistics& statistics = inputs_.try_emplace(std::string(slot)).first->second;
  statistics.width = width;
  status_ = Add({x, stride, rows, width}, statistics);
  if (!status_) status_ = Prefixed(status_.error(), Cat("inputs of ", slot, " "));
}

Status InputCollector::Add(const nn::Rows& x, InputStatistics& statistics) {
  const float amax = LargestOfRows(x, context_.pool);
  if (std::isnan(amax)) {
    return Fail(ErrorCode::kCorrupt,
                "aren't finite numbers on the calibration text; the weights are damaged or overflow");
  }
  statistics.amax = std::max(statistics.amax, amax);
  statistics.rows += x.count;
  if (!moments_) return {};
  statistics.moments.resize(x.width * x.width);
  return nn::AddSecondMoments(context_, x, format_, statistics.moments);
}

Result<LayerInputs> InputCollector::Take() {
  OCTET_TRY(Check());
  for (auto& [slot, statistics] : inputs_) {
    if (statistics.moments.empty()) continue;
    nn::MirrorSecondMoments(context_.pool, statistics.width, statistics.moments);
    if (std::isfinite(LargestOfRows({statistics.moments.data(), statistics.width, statistics.width, statistics.width},
                                    context_.pool)))
      continue;
    return Fail(ErrorCode::kCorrupt, "inputs of ", slot, " reach ", statistics.amax,
                ", whose squares leave the range of floats; the weights are damaged or overflow");
  }
  return std::move(inputs_);
}

}  // namespace octet
