// The sums of a load run against numpy's, from given times and not by a clock.
#include "serve/load/load_stats.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/mapped_file.h"
#include "serve/load/load_run.h"

namespace octet::serve {
namespace {

Json LoadGolden() {
  const std::string path = std::string(OCTET_SOURCE_DIR) + "/tests/golden/serve/load_stats.json";
  return *ParseJson(*ReadTextFile(path, 1 << 20), path);
}

std::vector<LoadRecord> RecordsOf(const Json& golden) {
  std::vector<LoadRecord> records;
  for (const Json& entry : golden["records"])
    records.push_back({.sent = entry["sent"],
                       .ended = entry["ended"],
                       .pieces = entry["pieces"].get<std::vector<double>>(),
                       .prompt_tokens = entry["prompt_tokens"],
                       .answer_tokens = entry["answer_tokens"],
                       .failure = entry["failure"]});
  return records;
}

void ExpectSpread(const Spread& got, const Json& want, const char* name) {
  const double parts[] = {got.mean, got.p50, got.p90, got.p95, got.p99};
  const char* names[] = {"mean", "p50", "p90", "p95", "p99"};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(parts[i], want[names[i]].get<double>(), 1e-12) << name << " " << names[i];
}

TEST(LoadStats, RatesPercentilesAndGoodputAreThoseOfNumpy) {
  const Json golden = LoadGolden();
  std::vector<LoadLimit> limits;
  for (const Json& text : golden["limits"]) limits.push_back(*ParseLoadLimit(text.get<std::string>()));
  const LoadSummary summary = Summarise(RecordsOf(golden), limits);
  EXPECT_EQ(summary.answered, golden["answered"].get<size_t>());
  EXPECT_EQ(summary.failed, golden["failed"].get<size_t>());
  EXPECT_NEAR(summary.seconds, golden["seconds"].get<double>(), 1e-12);
  EXPECT_NEAR(summary.requests_per_second, golden["requests_per_second"].get<double>(), 1e-12);
  EXPECT_NEAR(summary.answer_tokens_per_second, golden["answer_tokens_per_second"].get<double>(), 1e-12);
  EXPECT_NEAR(summary.all_tokens_per_second, golden["all_tokens_per_second"].get<double>(), 1e-12);
  ASSERT_TRUE(summary.goodput.has_value());
  EXPECT_NEAR(*summary.goodput, golden["goodput"].get<double>(), 1e-12);
  ExpectSpread(summary.ttft, golden["ttft"], "ttft");
  ExpectSpread(summary.itl, golden["itl"], "itl");
  ExpectSpread(summary.tpot, golden["tpot"], "tpot");
  ExpectSpread(summary.e2e, golden["e2e"], "e2e");
}

TEST(LoadStats, WithoutAnAnsweredRequestThereAreNoRates) {
  const LoadSummary summary = Summarise({{.sent = 1, .ended = 3, .failure = "HTTP 500"}}, {});
  EXPECT_EQ(summary.answered, 0u);
  EXPECT_EQ(summary.failed, 1u);
  EXPECT_EQ(summary.seconds, 2);
  EXPECT_EQ(summary.requests_per_second, 0);
  EXPECT_EQ(summary.e2e.p99, 0);
  EXPECT_FALSE(summary.goodput.has_value());
  EXPECT_EQ(Summarise({}, {}).seconds, 0);
}

TEST(LoadStats, ALimitIsAMetricAndATime) {
  EXPECT_EQ(ParseLoadLimit("e2e=15s")->seconds, 15);
  EXPECT_EQ(ParseLoadLimit("ttft=500ms")->seconds, 0.5);
  EXPECT_EQ(ParseLoadLimit("ttft=500ms")->metric, LoadMetric::kTtft);
  EXPECT_EQ(ParseLoadLimit("tpot=0.25")->seconds, 0.25);
  for (const char* wrong : {"", "e2e", "e2e=", "e2e=s", "e2e=0", "e2e=-1s", "e2e=nan", "latency=1s", "e2e=1h", "=1s"}) {
    const Result<LoadLimit> read = ParseLoadLimit(wrong);
    ASSERT_FALSE(read.has_value()) << wrong;
    EXPECT_NE(read.error().message.find("is no limit"), std::string::npos);
  }
}

// The mean of an exponential is 1 / rate, its standard deviation too, and 1 - 1/e of its draws lie below the mean.
TEST(LoadStats, ArrivalsAreExponentialAndRepeat) {
  constexpr size_t kDraws = 20000;
  double sum = 0, squares = 0;
  size_t below = 0;
  for (size_t i = 0; i < kDraws; ++i) {
    const double gap = NextGap(3, i, 4);
    EXPECT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
    below += gap < 0.25 ? 1 : 0;
  }
  const double mean = sum / kDraws, deviation = std::sqrt(squares / kDraws - mean * mean);
  const double error = 0.25 / std::sqrt(kDraws);  // of the mean; five of them are a chance of one in a million
  EXPECT_NEAR(mean, 0.25, 5 * error);
  EXPECT_NEAR(deviation, 0.25, 10 * error);
  EXPECT_NEAR(static_cast<double>(below) / kDraws, 1 - std::exp(-1.0), 5 * 0.5 / std::sqrt(kDraws));
  EXPECT_EQ(NextGap(3, 5, 4), NextGap(3, 5, 4));
  EXPECT_NE(NextGap(3, 5, 4), NextGap(4, 5, 4));
}

}  // namespace
}  // namespace octet::serve
