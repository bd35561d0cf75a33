#include "quantize/input_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "base/checked.h"
#include "base/random.h"
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

// One token of each of `count` equal parts of a text, somewhere in it: at equal distances samples would all stand near
// the beginning of their windows where windows are a multiple of the distance.
std::vector<uint64_t> SpreadTokens(uint64_t count, uint64_t tokens) {
  constexpr CounterRandom kRandom{.seed = 0};
  count = std::min(count, tokens);
  std::vector<uint64_t> spread;
  for (uint64_t part = 0; part < count; ++part) {
    const uint64_t begin = part * tokens / count, end = (part + 1) * tokens / count;
    spread.push_back(begin + kRandom.Bits(0, static_cast<uint32_t>(part)) % (end - begin));
  }
  return spread;
}

}  // namespace

InputCollector::InputCollector(nn::ExecutionContext& context, kernels::WeightFormat format,
                               const StatisticsWanted& wanted, size_t tokens)
    : context_(context), format_(format), wanted_(wanted), sampled_(SpreadTokens(wanted.sampled_tokens, tokens)) {}

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

void InputCollector::AddDrift(std::string_view slot, const nn::Rows& original, const nn::Rows& x) {
  if (!status_) return;
  OCTET_CHECK(original.count == x.count && original.width == x.width);
  std::vector<float> change(x.count * x.width);
  context_.pool.ForEachShare(x.count, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      for (size_t i = 0; i < x.width; ++i)
        change[row * x.width + i] = original.data[row * original.stride + i] - x.data[row * x.stride + i];
    }
  });
  std::vector<float>& drift = inputs_.find(slot)->second.drift;
  drift.resize(x.width * x.width);
  status_ = nn::AddCrossMoments(context_, {change.data(), x.width, x.count, x.width}, x, format_, drift);
  if (!status_) status_ = Prefixed(status_.error(), Cat("inputs of ", slot, " "));
}

Status InputCollector::Add(const nn::Rows& x, InputStatistics& statistics) {
  const float amax = LargestOfRows(x, context_.pool);
  if (std::isnan(amax)) {
    return Fail(ErrorCode::kCorrupt,
                "aren't finite numbers on the calibration text; the weights are damaged or overflow");
  }
  statistics.amax = std::max(statistics.amax, amax);
  if (!sampled_.empty()) Sample(x, statistics);
  if (wanted_.counted_block != 0) Count(x, statistics);
  statistics.rows += x.count;
  if (!wanted_.moments) return {};
  statistics.moments.resize(x.width * x.width);
  return nn::AddSecondMoments(context_, x, format_, statistics.moments);
}

void InputCollector::Sample(const nn::Rows& x, InputStatistics& statistics) const {
  size_t next = statistics.samples.size() / x.width;
  for (; next < sampled_.size() && sampled_[next] < statistics.rows + x.count; ++next) {
    const float* row = x.data + (sampled_[next] - statistics.rows) * x.stride;
    statistics.samples.insert(statistics.samples.end(), row, row + x.width);
  }
  statistics.column_amax.resize(x.width);
  context_.pool.ForEachShare(x.width, [&](size_t begin, size_t end) {
    for (size_t row = 0; row < x.count; ++row) {
      for (size_t i = begin; i < end; ++i)
        statistics.column_amax[i] = std::max(statistics.column_amax[i], std::fabs(x.data[row * x.stride + i]));
    }
  });
}

void InputCollector::Count(const nn::Rows& x, InputStatistics& statistics) const {
  const size_t block = wanted_.counted_block, blocks = CeilDivide(x.width, block);
  std::vector<float> counted(x.count * blocks);
  context_.pool.ForEachShare(x.count, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const std::span<const float> values(x.data + row * x.stride, x.width);
      for (size_t i = 0; i < blocks; ++i)
        counted[row * blocks + i] = LargestMagnitude(values.subspan(i * block, std::min(block, x.width - i * block)));
    }
  });
  statistics.histogram.Add(counted, context_.pool);
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
