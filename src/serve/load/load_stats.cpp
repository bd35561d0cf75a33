#include "serve/load/load_stats.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

namespace octet::serve {
namespace {

constexpr std::array<LoadMetric, 4> kMetrics = {LoadMetric::kTtft, LoadMetric::kItl, LoadMetric::kTpot,
                                                LoadMetric::kE2e};

std::vector<double> Gaps(const LoadRecord& record) {
  std::vector<double> gaps(record.pieces.size());
  std::adjacent_difference(record.pieces.begin(), record.pieces.end(), gaps.begin());
  if (!gaps.empty()) gaps.erase(gaps.begin());
  return gaps;
}

// Of an answered request; nothing where it has no such time, as an answer of one token has none between tokens.
std::optional<double> ValueOf(const LoadRecord& record, LoadMetric metric) {
  switch (metric) {
    case LoadMetric::kTtft:
      return record.pieces.front() - record.sent;
    case LoadMetric::kE2e:
      return record.ended - record.sent;
    case LoadMetric::kTpot:
      if (record.answer_tokens < 2) return std::nullopt;
      return (record.pieces.back() - record.pieces.front()) / static_cast<double>(record.answer_tokens - 1);
    case LoadMetric::kItl:
      break;
  }
  const std::vector<double> gaps = Gaps(record);
  if (gaps.empty()) return std::nullopt;
  return *std::max_element(gaps.begin(), gaps.end());
}

bool IsGood(const LoadRecord& record, const std::vector<LoadLimit>& limits) {
  return std::all_of(limits.begin(), limits.end(), [&](const LoadLimit& limit) {
    return ValueOf(record, limit.metric).value_or(0) <= limit.seconds;
  });
}

double Percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

Spread SpreadOfMetric(const std::vector<const LoadRecord*>& records, LoadMetric metric) {
  std::vector<double> values;
  for (const LoadRecord* record : records) {
    if (metric == LoadMetric::kItl) {  // every gap of every request
      const std::vector<double> gaps = Gaps(*record);
      values.insert(values.end(), gaps.begin(), gaps.end());
    } else if (const std::optional<double> value = ValueOf(*record, metric)) {
      values.push_back(*value);
    }
  }
  return SpreadOf(std::move(values));
}

// From the first sending to the last end, of what failed too: it took the server's time.
double SecondsOf(const std::vector<LoadRecord>& records) {
  if (records.empty()) return 0;
  double first = records[0].sent, last = records[0].ended;
  for (const LoadRecord& record : records) {
    first = std::min(first, record.sent);
    last = std::max(last, record.ended);
  }
  return last - first;
}

}  // namespace

std::string_view NameOf(LoadMetric metric) {
  static constexpr std::array<std::string_view, 4> kNames = {"ttft", "itl", "tpot", "e2e"};
  return kNames[static_cast<size_t>(metric)];
}

Result<LoadLimit> ParseLoadLimit(std::string_view text) {
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  std::string_view value = equals == std::string_view::npos ? "" : text.substr(equals + 1);
  double scale = 1;
  if (value.ends_with("ms")) {
    scale = 1e-3;
    value.remove_suffix(2);
  } else if (value.ends_with('s')) {
    value.remove_suffix(1);
  }
  double seconds = 0;
  const std::from_chars_result read = std::from_chars(value.data(), value.data() + value.size(), seconds);
  const bool is_number = read.ec == std::errc() && read.ptr == value.data() + value.size();
  const auto* metric = std::find_if(kMetrics.begin(), kMetrics.end(), [&](LoadMetric m) { return NameOf(m) == name; });
  if (metric == kMetrics.end() || !is_number || !(seconds > 0))
    return Fail(ErrorCode::kInvalidArgument, "`", text,
                "` is no limit; it is ttft, itl, tpot or e2e, then = and a time above 0, as in e2e=15s or ttft=500ms");
  return LoadLimit{*metric, seconds * scale};
}

Spread SpreadOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {sum / static_cast<double>(values.size()), Percentile(values, 0.5), Percentile(values, 0.9),
          Percentile(values, 0.95), Percentile(values, 0.99)};
}

LoadSummary Summarise(const std::vector<LoadRecord>& records, const std::vector<LoadLimit>& limits) {
  LoadSummary summary;
  std::vector<const LoadRecord*> answered;
  size_t good = 0;
  for (const LoadRecord& record : records) {
    if (!record.answered()) continue;
    answered.push_back(&record);
    summary.prompt_tokens += record.prompt_tokens;
    summary.answer_tokens += record.answer_tokens;
    good += IsGood(record, limits) ? 1 : 0;
  }
  summary.answered = answered.size();
  summary.failed = records.size() - answered.size();
  summary.seconds = SecondsOf(records);
  const auto rate = [&](size_t count) {
    return summary.seconds > 0 ? static_cast<double>(count) / summary.seconds : 0.0;
  };
  summary.requests_per_second = rate(summary.answered);
  summary.answer_tokens_per_second = rate(summary.answer_tokens);
  summary.all_tokens_per_second = rate(summary.prompt_tokens + summary.answer_tokens);
  if (!limits.empty()) summary.goodput = rate(good);
  summary.ttft = SpreadOfMetric(answered, LoadMetric::kTtft);
  summary.itl = SpreadOfMetric(answered, LoadMetric::kItl);
  summary.tpot = SpreadOfMetric(answered, LoadMetric::kTpot);
  summary.e2e = SpreadOfMetric(answered, LoadMetric::kE2e);
  return summary;
}

}  // namespace octet::serve
