// The results of `octet bench serve` as tables, CSV, JSON and a plot.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "serve/load/load_stats.h"

namespace octet::cli {

// One load of a sweep.
struct LoadPoint {
  std::string kind;  // "concurrency" or "rate"
  double load = 0;
  serve::LoadSummary summary;
};

// In Markdown: one table of what was done, one of how long it took, in milliseconds and seconds.
std::string LoadTables(const std::vector<LoadPoint>& points);
// One line a point; times in seconds.
std::string LoadCsv(const std::vector<LoadPoint>& points);
Json LoadJson(const std::vector<LoadPoint>& points);
// Throughput against the time that answers take, as SVG.
std::string LoadPlot(const std::vector<LoadPoint>& points);

}  // namespace octet::cli
