#include "base/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace octet {
namespace {

constexpr double kPlotWidth = 760, kPlotHeight = 440;
constexpr double kLeft = 76, kRight = 20, kTop = 46, kBottom = 62;  // around the field
constexpr double kLegendLine = 18;
constexpr size_t kColours = 8;

// Okabe and Ito's palette, told apart by the colour-blind, darker on white and lighter on black.
constexpr const char* kLight[kColours] = {"#0072b2", "#d55e00", "#009e73", "#b6568f",
                                          "#a07d00", "#3a9bd1", "#555555", "#7b4fb5"};
constexpr const char* kDark[kColours] = {"#56b4e9", "#ff8c3a", "#2fd1a5", "#e59ac8",
                                         "#f0e442", "#8fd0f5", "#bbbbbb", "#b79ae8"};

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&')
      escaped += "&amp;";
    else if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '"')
      escaped += "&quot;";
    else if (static_cast<unsigned char>(c) < 0x20)
      escaped += ' ';  // XML has no place for control characters
    else
      escaped += c;
  }
  return escaped;
}

std::string Style() {
  std::string style =
      "text{font:13px sans-serif;fill:#222}.title{font-size:16px}.grid{stroke:#ddd}.axis{stroke:#555}"
      ".back{fill:#fff}polyline{fill:none;stroke-width:2}";
  std::string dark = "text{fill:#ddd}.grid{stroke:#3a3a3a}.axis{stroke:#aaa}.back{fill:#16181c}";
  for (size_t i = 0; i < kColours; ++i) {
    style += fmt::format(".l{0}{{stroke:{1}}}.f{0}{{fill:{1}}}", i, kLight[i]);
    dark += fmt::format(".l{0}{{stroke:{1}}}.f{0}{{fill:{1}}}", i, kDark[i]);
  }
  return fmt::format("<style>{}@media (prefers-color-scheme:dark){{{}}}</style>\n", style, dark);
}

// The drawing so far: elements in the file's order.
class Canvas {
 public:
  explicit Canvas(std::string_view title, double height) : height_(height) {
    svg_ = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" role=\"img\">\n", kPlotWidth,
                       height);
    svg_ += fmt::format("<title>{}</title>\n", Escape(title)) + Style();
    svg_ += fmt::format("<rect class=\"back\" width=\"{}\" height=\"{}\"/>\n", kPlotWidth, height);
    Text(kLeft, 26, title, "start", "title");
  }

  void Text(double x, double y, std::string_view text, std::string_view anchor, std::string_view kind = "") {
    svg_ += fmt::format("<text{} x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                        kind.empty() ? "" : fmt::format(" class=\"{}\"", kind), x, y, anchor, Escape(text));
  }
  // Reading upward.
  void Upright(double x, double y, std::string_view text) {
    svg_ += fmt::format("<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                        x, y, Escape(text));
  }
  void Line(double x1, double y1, double x2, double y2, std::string_view kind) {
    svg_ += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kind, x1, y1,
                        x2, y2);
  }
  void Rect(double x, double y, double width, double height, size_t colour) {
    svg_ += fmt::format("<rect class=\"f{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                        colour % kColours, x, y, width, height);
  }
  void Dot(double x, double y, double radius, size_t colour) {
    svg_ +=
        fmt::format("<circle class=\"f{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>\n", colour % kColours, x, y, radius);
  }
  void Polyline(const std::vector<std::pair<double, double>>& points, size_t colour) {
    if (points.size() < 2) return;
    std::string text;
    for (const auto& [x, y] : points) text += fmt::format("{}{:.1f},{:.1f}", text.empty() ? "" : " ", x, y);
    svg_ += fmt::format("<polyline class=\"l{}\" points=\"{}\"/>\n", colour % kColours, text);
  }
  double height() const { return height_; }
  std::string Finish() { return std::move(svg_) + "</svg>\n"; }

 private:
  double height_;
  std::string svg_;
};

// Where numbers lie in the field.
struct Field {
  internal::Axis x = {}, y = {};
  bool log_y = false;

  double X(double value) const { return kLeft + (value - x.low) / (x.high - x.low) * (kPlotWidth - kLeft - kRight); }
  double Y(double value) const {
    const double share =
        log_y ? std::log(value / y.low) / std::log(y.high / y.low) : (value - y.low) / (y.high - y.low);
    return kPlotHeight - kBottom - share * (kPlotHeight - kTop - kBottom);
  }
  bool Has(const std::pair<double, double>& point) const {
    return std::isfinite(point.first) && std::isfinite(point.second) && (!log_y || point.second > 0);
  }
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();

  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

void DrawYAxis(const Field& field, std::string_view label, Canvas& canvas) {
  for (const double tick : field.y.ticks) {
    canvas.Line(kLeft, field.Y(tick), kPlotWidth - kRight, field.Y(tick), "grid");
    canvas.Text(kLeft - 8, field.Y(tick) + 4, fmt::format("{:.6g}", tick), "end");
  }
  canvas.Upright(18, (kTop + kPlotHeight - kBottom) / 2, label);
  canvas.Line(kLeft, kTop, kLeft, kPlotHeight - kBottom, "axis");
}

// Entries behind each other below the field, in as many lines as they take.
constexpr double kLegendEntry = 170;
constexpr size_t kLegendColumns = static_cast<size_t>((kPlotWidth - kLeft - kRight) / kLegendEntry);
double HeightFor(size_t series) {
  return kPlotHeight + kLegendLine * static_cast<double>((series + kLegendColumns - 1) / kLegendColumns);
}
void DrawLegend(const std::vector<std::string>& names, Canvas& canvas) {
  for (size_t i = 0; i < names.size(); ++i) {
    const double x = kLeft + kLegendEntry * static_cast<double>(i % kLegendColumns);
    const double y = kPlotHeight - 2 + kLegendLine * static_cast<double>(i / kLegendColumns);
    canvas.Rect(x, y - 10, 12, 12, i);
    canvas.Text(x + 18, y + 1, names[i], "start");
  }
}

Field FieldOf(const LinePlot& plot) {
  Field field{.log_y = plot.log_y};
  Range x, y;
  for (const LineSeries& series : plot.series) {
    for (const auto& point : series.points) {
      if (!field.Has(point)) continue;
      x.Add(point.first);
      y.Add(point.second);
    }
  }
  if (x.empty()) return {.x = internal::LinearAxis(0, 1, 5), .y = internal::LinearAxis(0, 1, 5)};
  field.x = internal::LinearAxis(x.low, x.high, 8);
  field.y = plot.log_y ? internal::LogAxis(y.low, y.high) : internal::LinearAxis(y.low, y.high, 6);
  return field;
}

void DrawSeries(const LineSeries& series, const Field& field, size_t colour, Canvas& canvas) {
  std::vector<std::pair<double, double>> line;
  for (const auto& point : series.points) {
    if (!field.Has(point)) {
      canvas.Polyline(line, colour);
      line.clear();
      continue;
    }
    line.emplace_back(field.X(point.first), field.Y(point.second));
    if (!series.is_joined) canvas.Dot(line.back().first, line.back().second, 5, colour);
  }
  if (series.is_joined) canvas.Polyline(line, colour);
  if (series.is_joined && line.size() == 1) canvas.Dot(line[0].first, line[0].second, 3, colour);
}

}  // namespace

internal::Axis internal::LinearAxis(double low, double high, int wanted) {
  if (low == high) {
    const double margin = low == 0 ? 1 : std::fabs(low) / 2;
    low -= margin;
    high += margin;
  }
  const double rough = (high - low) / wanted, power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * (1 - 1e-9)) step = factor * power;
  }
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  Axis axis{.low = first * step, .high = last * step};
  for (double tick = first; tick <= last; ++tick) axis.ticks.push_back(tick * step);
  return axis;
}

internal::Axis internal::LogAxis(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = std::max(first + 1, static_cast<int>(std::ceil(std::log10(high) - 1e-9)));
  Axis axis{.low = std::pow(10.0, first), .high = std::pow(10.0, last)};
  for (int power = first; power <= last; ++power) {
    axis.ticks.push_back(std::pow(10.0, power));
    if (last - first > 2 || power == last) continue;
    for (const double factor : {2.0, 5.0}) axis.ticks.push_back(factor * std::pow(10.0, power));
  }
  return axis;
}

std::string PlotLines(const LinePlot& plot) {
  const Field field = FieldOf(plot);
  Canvas canvas(plot.title, HeightFor(plot.series.size()));
  DrawYAxis(field, plot.y_label, canvas);
  for (const double tick : field.x.ticks) {
    canvas.Line(field.X(tick), kPlotHeight - kBottom, field.X(tick), kPlotHeight - kBottom + 5, "axis");
    canvas.Text(field.X(tick), kPlotHeight - kBottom + 19, fmt::format("{:.6g}", tick), "middle");
  }
  canvas.Line(kLeft, kPlotHeight - kBottom, kPlotWidth - kRight, kPlotHeight - kBottom, "axis");
  canvas.Text((kLeft + kPlotWidth - kRight) / 2, kPlotHeight - kBottom + 38, plot.x_label, "middle");
  std::vector<std::string> names;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    DrawSeries(plot.series[i], field, i, canvas);
    names.push_back(plot.series[i].name);
  }
  DrawLegend(names, canvas);
  return canvas.Finish();
}

std::string PlotBars(const BarPlot& plot) {
  Range values;
  values.Add(0);
  for (const BarSeries& series : plot.series) {
    OCTET_CHECK(series.values.size() == plot.groups.size());
    for (const double value : series.values) {
      if (std::isfinite(value)) values.Add(value);
    }
  }
  const double groups = static_cast<double>(std::max<size_t>(plot.groups.size(), 1));
  Field field;
  field.x.high = groups;  // one unit a group
  field.y = internal::LinearAxis(values.low, values.high, 6);
  Canvas canvas(plot.title, HeightFor(plot.series.size()));
  DrawYAxis(field, plot.y_label, canvas);
  const double share = 0.8 / static_cast<double>(std::max<size_t>(plot.series.size(), 1));
  std::vector<std::string> names;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    for (size_t group = 0; group < plot.groups.size(); ++group) {
      const double value = plot.series[i].values[group];
      if (!std::isfinite(value)) continue;
      const double left = field.X(static_cast<double>(group) + 0.1 + share * static_cast<double>(i));
      const double right = field.X(static_cast<double>(group) + 0.1 + share * static_cast<double>(i + 1));
      const double top = field.Y(std::max(value, 0.0)), bottom = field.Y(std::min(value, 0.0));
      canvas.Rect(left, top, right - left - 1, bottom - top, i);
    }
    names.push_back(plot.series[i].name);
  }
  for (size_t group = 0; group < plot.groups.size(); ++group)
    canvas.Text(field.X(static_cast<double>(group) + 0.5), kPlotHeight - kBottom + 19, plot.groups[group], "middle");
  canvas.Line(kLeft, field.Y(0), kPlotWidth - kRight, field.Y(0), "axis");
  DrawLegend(names, canvas);
  return canvas.Finish();
}

}  // namespace octet
