// Plots as SVG: lines over a numeric axis, or bars in groups.
//
//   std::string svg = PlotLines({.title = "What bits cost", .x_label = "bits a weight", .y_label = "KL, nats",
//                                .log_y = true, .series = {{"predicted", points}}});
//   std::string svg = PlotBars({.title = "Error", .y_label = "dB", .groups = {"fp8", "int8"}, .series = {...}});
//
// A file of its own: no script, no font of its own, nothing to fetch. Colours follow the viewer's light or dark scheme;
// each series has a colour and a legend entry. The same numbers give the same bytes.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace octet {

struct LineSeries {
  std::string name;
  std::vector<std::pair<double, double>> points = {};  // (x, y), joined in their order
  bool is_joined = true;                               // else each point alone, as a larger dot
};

struct LinePlot {
  std::string title, x_label, y_label;
  bool log_y = false;
  std::vector<LineSeries> series = {};
};

struct BarSeries {
  std::string name;
  std::vector<double> values = {};  // one a group
};

struct BarPlot {
  std::string title, y_label;
  std::vector<std::string> groups = {};
  std::vector<BarSeries> series = {};
};

// Points that are no finite numbers, or not above 0 on a logarithmic axis, are left out and end a line. Text may hold
// any characters.
std::string PlotLines(const LinePlot& plot);

// Bars stand on 0, downward for negative values; a value that is no finite number has none. Requires as many values a
// series as there are groups.
std::string PlotBars(const BarPlot& plot);

namespace internal {
// Ends and ticks of an axis that holds low .. high: ticks at 1, 2 or 5 times a power of ten, about `wanted` of them.
struct Axis {
  double low = 0, high = 1;
  std::vector<double> ticks = {};
};
Axis LinearAxis(double low, double high, int wanted);
// Powers of ten, with 2 and 5 times them where there are few. Requires 0 < low <= high.
Axis LogAxis(double low, double high);
}  // namespace internal

}  // namespace octet
