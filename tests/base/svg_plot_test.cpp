#include "base/svg_plot.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>
#include <regex>

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Reads XML strictly enough to tell whether a parser would take it: tags that close in order, quoted attributes, no
// attribute twice, references that XML knows, no stray markup. Gives how often each element occurs, or nothing and why.
std::map<std::string, int> Parse(std::string_view xml, std::string& wrong) {
  std::map<std::string, int> count;
  std::vector<std::string> open;
  const auto check_text = [&](const std::string& text) {
    static const std::regex reference("&(?!(amp|lt|gt|quot);)");
    if (std::regex_search(text, reference) || text.find('>') != std::string::npos) wrong = "text `" + text + "`";
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20 && c != '\n') wrong = "a control character";
    }
  };
  size_t at = 0;
  while (at < xml.size() && wrong.empty()) {
    const size_t begin = xml.find('<', at), end = xml.find('>', begin);
    check_text(std::string(xml.substr(at, begin - at)));
    if (begin == std::string_view::npos) break;
    if (end == std::string_view::npos) wrong = "a tag without end";
    const std::string tag(xml.substr(begin + 1, end - begin - 1));
    at = end + 1;
    static const std::regex opening("([a-z]+)((?: [a-zA-Z0-9-]+=\"[^\"<>]*\")*)(/?)"),
        name("([a-zA-Z0-9-]+)=\"([^\"]*)\"");
    std::smatch parts;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) wrong = "closing `" + tag + "`";
      if (!open.empty()) open.pop_back();
    } else if (std::regex_match(tag, parts, opening)) {
      ++count[parts[1]];
      std::map<std::string, int> names;
      const std::string attributes = parts[2];
      for (std::sregex_iterator i(attributes.begin(), attributes.end(), name); i != std::sregex_iterator(); ++i) {
        check_text((*i)[2]);
        if (++names[(*i)[1]] > 1) wrong = "an attribute twice in `" + tag + "`";
      }
      if (parts[3].length() == 0) open.push_back(parts[1]);
    } else {
      wrong = "tag `" + tag + "`";
    }
  }
  if (wrong.empty() && !open.empty()) wrong = "`" + open.back() + "` stays open";
  return count;
}

std::map<std::string, int> MustParse(std::string_view xml) {
  std::string wrong;
  std::map<std::string, int> count = Parse(xml, wrong);
  EXPECT_EQ(wrong, "") << xml;
  return count;
}

std::vector<std::string> All(const std::string& svg, const std::string& pattern) {
  std::vector<std::string> found;
  const std::regex regex(pattern);
  for (std::sregex_iterator i(svg.begin(), svg.end(), regex); i != std::sregex_iterator(); ++i)
    found.push_back((*i)[1]);
  return found;
}

LinePlot Line() {
  return {.title = "Cost", .x_label = "bits", .y_label = "nats", .series = {{"one", {{4, 1}, {5, 0.5}, {8, 0}}}}};
}

TEST(SvgPlot, TheReaderOfTheseTestsRefusesWhatIsNoXml) {
  for (const char* bad : {"<a>", "<a></b>", "<a x=1/>", "<a>&nbsp;</a>", "<a>\x01</a>", "<a x=\"1\" x=\"2\"/>", "<a",
                          "</a>", "<a>x > y</a>", "<a x=\"&\"/>"}) {
    std::string wrong;
    Parse(bad, wrong);
    EXPECT_NE(wrong, "") << bad;
  }
}

TEST(SvgPlot, ALinePlotIsXmlWithAxesTicksAndALegend) {
  const std::string svg = PlotLines(Line());
  std::map<std::string, int> count = MustParse(svg);
  EXPECT_EQ(count["svg"], 1);
  EXPECT_EQ(count["polyline"], 1);
  for (const char* text : {">Cost<", ">bits<", ">nats<", ">one<", ">4<", ">8<", ">0.4<", "prefers-color-scheme:dark"})
    EXPECT_THAT(svg, HasSubstr(text));
}

TEST(SvgPlot, PointsLieWhereTheTicksSay) {
  const std::string svg = PlotLines(Line());
  const std::vector<std::string> points = All(svg, "polyline class=\"l0\" points=\"([^\"]*)\"");
  ASSERT_EQ(points.size(), 1U);
  // 4 and 8 are the ends of the lower axis, 0 and 1 those of the other.
  EXPECT_EQ(points[0], "76.0,46.0 242.0,212.0 740.0,378.0");
  EXPECT_THAT(svg, HasSubstr("x=\"76.0\" y=\"397.0\" text-anchor=\"middle\">4<"));
  EXPECT_THAT(svg, HasSubstr("x=\"740.0\" y=\"397.0\" text-anchor=\"middle\">8<"));
}

TEST(SvgPlot, OnALogarithmicAxisEqualFactorsAreEqualDistances) {
  LinePlot plot = Line();
  plot.log_y = true;
  plot.series[0].points = {{0, 1}, {1, 0.1}, {2, 0.01}};
  const std::string svg = PlotLines(plot);
  MustParse(svg);
  EXPECT_THAT(All(svg, "points=\"([^\"]*)\""), ElementsAre("76.0,46.0 408.0,212.0 740.0,378.0"));
  EXPECT_THAT(svg, HasSubstr(">0.01<"));
}

TEST(SvgPlot, PointsWithoutAPlaceEndTheLineAndAreLeftOut) {
  LinePlot plot = Line();
  plot.log_y = true;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  plot.series[0].points = {{0, 1}, {1, 0.1}, {2, 0}, {3, 0.1}, {4, nan}, {5, 1}, {6, 0.5}};
  const std::string svg = PlotLines(plot);
  MustParse(svg);
  EXPECT_EQ(All(svg, "points=\"([^\"]*)\"").size(), 2U);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(SvgPlot, NothingToDrawAndOneValueAreStillPlots) {
  LinePlot plot = Line();
  for (const std::vector<std::pair<double, double>>& points :
       {std::vector<std::pair<double, double>>{}, {{3, 7}}, {{3, 0}}, {{-1, -7}, {-1, -7}}}) {
    plot.series[0].points = points;
    const std::string svg = PlotLines(plot);
    MustParse(svg);
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
  MustParse(PlotBars({}));
}

TEST(SvgPlot, PointsThatArentJoinedAreDots) {
  LinePlot plot = Line();
  plot.series.push_back({"picked", {{5, 0.5}, {6, 0.25}}, /*is_joined=*/false});
  std::map<std::string, int> count = MustParse(PlotLines(plot));
  EXPECT_EQ(count["polyline"], 1);
  EXPECT_EQ(count["circle"], 2);
}

TEST(SvgPlot, TextIsEscaped) {
  LinePlot plot = Line();
  plot.title = plot.x_label = plot.y_label = plot.series[0].name = "a < b && \"c\" > d\x01\n";
  const std::string svg = PlotLines(plot);
  MustParse(svg);
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp;&amp; &quot;c&quot; &gt; d"));
}

TEST(SvgPlot, BarsStandOnZeroAndHangBelowIt) {
  const std::string svg = PlotBars({.title = "Error",
                                    .y_label = "dB",
                                    .groups = {"fp8", "int8"},
                                    .series = {{"typical", {30, 40}}, {"worst", {-10, std::nan("")}}}});
  std::map<std::string, int> count = MustParse(svg);
  EXPECT_EQ(count["rect"], 1 + 2 + 3) << "background, legend, bars";
  // Of -10 .. 40 the field's 332 units leave 66.4 below zero.
  const std::vector<std::string> bars =
      All(svg, "rect class=\"f[01]\" (x=\"[0-9.]*\" y=\"[0-9.]*\" width=\"[0-9.]{4,}\" height=\"[0-9.]*\")");
  ASSERT_EQ(bars.size(), 5U);
  EXPECT_THAT(bars[0], HasSubstr("y=\"112.4\""));
  EXPECT_THAT(bars[0], HasSubstr("height=\"199.2\""));
  EXPECT_THAT(bars[2], HasSubstr("y=\"311.6\""));
  EXPECT_THAT(bars[2], HasSubstr("height=\"66.4\""));
}

TEST(SvgPlot, TicksAreRoundNumbersThatHoldAllValues) {
  for (const auto& [low, high] :
       {std::pair(0.0, 1.0), std::pair(-3.0, 17.0), std::pair(4.13, 16.0), std::pair(1e-9, 3e-9), std::pair(5.0, 5.0),
        std::pair(0.0, 0.0), std::pair(-2e12, -1e12)}) {
    const internal::Axis axis = internal::LinearAxis(low, high, 6);
    EXPECT_LE(axis.low, low + 1e-9 * std::fabs(low));
    EXPECT_GE(axis.high, high - 1e-9 * std::fabs(high));
    EXPECT_GE(axis.ticks.size(), 3U);
    EXPECT_LE(axis.ticks.size(), 10U);
    EXPECT_EQ(axis.ticks.front(), axis.low);
  }
  EXPECT_THAT(internal::LinearAxis(0, 10, 5).ticks, ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(
      internal::LogAxis(0.03, 0.9).ticks,
      ElementsAre(testing::DoubleEq(0.01), testing::DoubleEq(0.02), testing::DoubleEq(0.05), testing::DoubleEq(0.1),
                  testing::DoubleEq(0.2), testing::DoubleEq(0.5), testing::DoubleEq(1)));
  EXPECT_EQ(internal::LogAxis(1e-6, 1).ticks.size(), 7U);
}

}  // namespace
}  // namespace octet
