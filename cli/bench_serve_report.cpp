#include "cli/bench_serve_report.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/svg_plot.h"

namespace octet::cli {
namespace {

using serve::LoadSummary;
using serve::Spread;

struct NamedSpread {
  const char* name;  // of JSON and CSV
  const char* title;
  const char* unit;
  double scale;  // from seconds
  Spread LoadSummary::*spread;
};
constexpr std::array<NamedSpread, 4> kSpreads = {{{"ttft", "first text", "ms", 1e3, &LoadSummary::ttft},
                                                  {"itl", "between texts", "ms", 1e3, &LoadSummary::itl},
                                                  {"tpot", "per token", "ms", 1e3, &LoadSummary::tpot},
                                                  {"e2e", "end to end", "s", 1, &LoadSummary::e2e}}};
constexpr std::array<std::pair<const char*, double Spread::*>, 5> kParts = {{{"mean", &Spread::mean},
                                                                             {"p50", &Spread::p50},
                                                                             {"p90", &Spread::p90},
                                                                             {"p95", &Spread::p95},
                                                                             {"p99", &Spread::p99}}};

double PerAnswer(size_t tokens, const LoadSummary& summary) {
  return summary.answered == 0 ? 0 : static_cast<double>(tokens) / static_cast<double>(summary.answered);
}

std::string TimesOf(const LoadPoint& point) {
  std::string rows;
  for (const NamedSpread& spread : kSpreads) {
    rows += fmt::format("| {:g} | {}, {} |", point.load, spread.title, spread.unit);
    for (const auto& [name, part] : kParts)
      rows += fmt::format(" {:.{}f} |", (point.summary.*spread.spread).*part * spread.scale, spread.scale == 1 ? 2 : 1);
    rows += '\n';
  }
  return rows;
}

}  // namespace

std::string LoadTables(const std::vector<LoadPoint>& points) {
  const std::string kind = points.empty() ? "load" : points[0].kind;
  const bool has_goodput = !points.empty() && points[0].summary.goodput.has_value();
  std::string done = fmt::format(
      "| {} | answered | failed | prompt tokens | answer tokens | requests/s | tokens/s |{} seconds "
      "|\n|---|---|---|---|---|"
      "---|---|{}---|\n",
      kind, has_goodput ? " goodput/s |" : "", has_goodput ? "---|" : "");
  std::string times =
      fmt::format("\n| {} | time | mean | p50 | p90 | p95 | p99 |\n|---|---|---|---|---|---|---|\n", kind);
  for (const LoadPoint& point : points) {
    const LoadSummary& summary = point.summary;
    done += fmt::format("| {:g} | {} | {} | {:.1f} | {:.1f} | {:.3f} | {:.1f} |{} {:.1f} |\n", point.load,
                        summary.answered, summary.failed, PerAnswer(summary.prompt_tokens, summary),
                        PerAnswer(summary.answer_tokens, summary), summary.requests_per_second,
                        summary.answer_tokens_per_second,
                        has_goodput ? fmt::format(" {:.3f} |", summary.goodput.value_or(0)) : "", summary.seconds);
    times += TimesOf(point);
  }
  return done + times;
}

std::string LoadCsv(const std::vector<LoadPoint>& points) {
  std::string out =
      "kind,load,answered,failed,seconds,prompt_tokens,answer_tokens,requests_per_second,answer_tokens_per_second,"
      "all_tokens_per_second,goodput";
  for (const NamedSpread& spread : kSpreads) {
    for (const auto& [name, part] : kParts) out += fmt::format(",{}_{}", spread.name, name);
  }
  out += '\n';
  for (const LoadPoint& point : points) {
    const LoadSummary& summary = point.summary;
    out += fmt::format("{},{:g},{},{},{:.3f},{},{},{:.4f},{:.2f},{:.2f},{}", point.kind, point.load, summary.answered,
                       summary.failed, summary.seconds, summary.prompt_tokens, summary.answer_tokens,
                       summary.requests_per_second, summary.answer_tokens_per_second, summary.all_tokens_per_second,
                       summary.goodput ? fmt::format("{:.4f}", *summary.goodput) : "");
    for (const NamedSpread& spread : kSpreads) {
      for (const auto& [name, part] : kParts) out += fmt::format(",{:.6f}", (summary.*spread.spread).*part);
    }
    out += '\n';
  }
  return out;
}

Json LoadJson(const std::vector<LoadPoint>& points) {
  Json list = Json::array();
  for (const LoadPoint& point : points) {
    const LoadSummary& summary = point.summary;
    Json entry = {{point.kind, point.load},
                  {"answered", summary.answered},
                  {"failed", summary.failed},
                  {"seconds", summary.seconds},
                  {"prompt_tokens", summary.prompt_tokens},
                  {"answer_tokens", summary.answer_tokens},
                  {"requests_per_second", summary.requests_per_second},
                  {"answer_tokens_per_second", summary.answer_tokens_per_second},
                  {"all_tokens_per_second", summary.all_tokens_per_second}};
    if (summary.goodput) entry["goodput"] = *summary.goodput;
    for (const NamedSpread& spread : kSpreads) {
      for (const auto& [name, part] : kParts) entry[spread.name][name] = (summary.*spread.spread).*part;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

std::string LoadPlot(const std::vector<LoadPoint>& points) {
  LineSeries median{.name = "median"}, most{.name = "95 of 100"};
  for (const LoadPoint& point : points) {
    if (point.summary.answered == 0) continue;
    median.points.emplace_back(point.summary.e2e.p50, point.summary.answer_tokens_per_second);
    most.points.emplace_back(point.summary.e2e.p95, point.summary.answer_tokens_per_second);
  }
  return PlotLines({.title = "Throughput at a latency",
                    .x_label = "end to end, seconds",
                    .y_label = "answer tokens a second",
                    .series = {std::move(median), std::move(most)}});
}

}  // namespace octet::cli
