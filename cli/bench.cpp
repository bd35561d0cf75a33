// `octet bench`: tokens a second that a model reads and writes, as llama-bench measures them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/counted.h"
#include "cli/model_flags.h"
#include "cli/shape_flags.h"
#include "cli/verb.h"
#include "engine/speed.h"
#include "engine/start_threads.h"

namespace octet::cli {
namespace {

struct BenchOptions {
  ShapeFlags shape;
  std::string activations = "auto";
  std::string kv = "auto";
  std::string load = "map";
  std::string numa = "off";
  std::vector<size_t> prompt_tokens = {512};
  std::vector<size_t> gen_tokens = {128};
  std::vector<size_t> threads;
  std::vector<size_t> batch = {1};
  std::vector<size_t> depth = {0};
  std::string format = "md";
  size_t repetitions = 5;

  template <class Visit>
  static void Describe(Visit&& visit) {
    using B = BenchOptions;
    visit(&B::shape);
    visit(&B::activations, "activations", kActivationsHelp, ActivationChoices());
    visit(&B::kv, "kv", kKvHelp, KvChoices());
    visit(&B::load, "load", "a pack's weights stay in the mapped file, or are copied into huge pages",
          OneOf{{"map", "copy"}});
    visit(&B::numa, "numa", kNumaHelp, NumaChoices());
    visit(&B::prompt_tokens, "prompt-tokens", "lengths of the prompts to read; 0 leaves that test out",
          Between{0, 1 << 20});
    visit(&B::gen_tokens, "gen-tokens", "numbers of tokens to write, one at a time; 0 leaves that test out",
          Between{0, 1 << 20});
    visit(&B::threads, "threads", "numbers of threads to measure with; not given: every core that this process may use",
          Between{1, 1024});
    visit(&B::batch, "batch", "numbers of sequences computed together", Between{1, 4096});
    visit(&B::depth, "depth", "tokens that the cache holds before a test begins", Between{0, 1 << 20});
    visit(&B::format, "format", "the table in Markdown or as CSV; --json goes before it", OneOf{{"md", "csv"}});
    visit(&B::repetitions, "repetitions", "runs of each test after one that isn't counted", Between{1, 1000});
  }
};

struct Row {
  std::string test;
  size_t threads = 0;
  size_t batch = 0;
  size_t depth = 0;
  Speed speed;
};

// Of --to nvfp4 the activations are part of the recipe, as far as nothing else is asked for.
nn::ActivationMode ModeOf(const BenchOptions& options) {
  const bool rounds_inputs = options.shape.to == "nvfp4" && options.activations == "auto";
  return rounds_inputs ? nn::ActivationMode::kNvfp4 : ActivationsOf(options.activations);
}

Result<Decoder> LoadShape(const BenchOptions& options) {
  ModelSpec spec = OCTET_TRY(SpecOf(options.shape));
  RandomWeights weights(spec, FormatOf(options.shape));
  return Decoder::Load(spec, weights, CacheOf(options.kv));
}

Result<Decoder> LoadDecoder(const BenchOptions& options, const Invocation& call) {
  OCTET_TRY(CheckShapeFlags(options.shape, call, "bench"));
  if (options.shape.given()) return LoadShape(options);
  const size_t most = options.threads.empty() ? 0 : *std::max_element(options.threads.begin(), options.threads.end());
  const std::unique_ptr<ThreadPool> pool =
      OCTET_TRY(StartThreads(options.numa == "off" ? 0 : most, NumaOf(options.numa)));
  LoadOptions load;
  if (options.load == "copy") load.mode = LoadMode::kCopy;
  ModelFiles files = OCTET_TRY(ModelFiles::Open(call.word(0), load, *pool));
  return Decoder::Load(std::move(files.spec), *files.weights, CacheOf(options.kv));
}

// Every test with so many threads and sequences.
std::vector<SpeedTest> TestsOf(const BenchOptions& options, size_t batch) {
  std::vector<SpeedTest> tests;
  for (const size_t depth : options.depth) {
    for (const SpeedTest::Kind kind : {SpeedTest::kPrompt, SpeedTest::kDecode}) {
      for (const size_t tokens : kind == SpeedTest::kPrompt ? options.prompt_tokens : options.gen_tokens) {
        if (tokens == 0) continue;
        tests.push_back(
            {.kind = kind, .tokens = tokens, .depth = depth, .batch = batch, .repetitions = options.repetitions});
      }
    }
  }
  return tests;
}

Status CheckTests(const BenchOptions& options) {
  if (!TestsOf(options, 1).empty()) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "--prompt-tokens and --gen-tokens are both 0, so that there is nothing to measure; give one of them a "
              "length");
}

// Before the first test runs: the ones before it may take minutes.
Status CheckContext(const BenchOptions& options, const Decoder& decoder) {
  const size_t context = decoder.spec().max_positions;
  for (const SpeedTest& test : TestsOf(options, 1)) {
    if (test.depth + test.tokens <= context) continue;
    return Fail(ErrorCode::kInvalidArgument, test.kind == SpeedTest::kPrompt ? "a prompt" : "an answer", " of ",
                Counted(test.tokens, "token"), " behind a depth of ", test.depth, " ends at ", test.depth + test.tokens,
                ", the model's context has ", context, "; give a smaller ",
                test.kind == SpeedTest::kPrompt ? "--prompt-tokens" : "--gen-tokens",
                test.depth == 0 ? "" : " or --depth");
  }
  return {};
}

Status Measure(const BenchOptions& options, const Decoder& decoder, size_t threads, Invocation& call,
               std::vector<Row>& rows) {
  const std::unique_ptr<ThreadPool> pool = OCTET_TRY(StartThreads(threads, NumaOf(options.numa)));
  nn::ExecutionContext context(*pool, kernels::ActiveKernels());
  context.activations = ModeOf(options);
  for (const size_t batch : options.batch) {
    for (const SpeedTest& test : TestsOf(options, batch)) {
      const Speed speed = OCTET_TRY(MeasureSpeed(decoder, context, test, call.cancel()));
      rows.push_back(
          {Cat(test.kind == SpeedTest::kPrompt ? "pp" : "tg", test.tokens), threads, batch, test.depth, speed});
    }
  }
  return {};
}

bool IsDecode(const Row& row) { return row.test.starts_with("tg"); }

// Time of a step over the time in which the same threads read its bytes, weights and cache, from memory.
double TimeOverBytes(const Row& row, const Decoder& decoder) {
  const auto batch = static_cast<double>(row.batch);
  const double bytes = static_cast<double>(decoder.bytes_per_token()) + batch * row.speed.cache_bytes;
  return batch / row.speed.median / (bytes / row.speed.read_rate);
}

Json ToJson(const std::vector<Row>& rows, const Decoder& decoder) {
  Json list = Json::array();
  for (const Row& row : rows) {
    list.push_back(
        {{"test", row.test},
         {"threads", row.threads},
         {"batch", row.batch},
         {"depth", row.depth},
         {"tokens_per_second", {{"median", row.speed.median}, {"min", row.speed.min}, {"max", row.speed.max}}},
         {"bytes_per_token", decoder.bytes_per_token()},
         {"tier", kernels::ActiveKernels().name}});
    if (!IsDecode(row)) continue;
    list.back()["cache_bytes_per_token"] = row.speed.cache_bytes;
    list.back()["read_bytes_per_second"] = row.speed.read_rate;
    list.back()["time_over_bytes"] = TimeOverBytes(row, decoder);
  }
  return list;
}

// Weights are read once per step, whatever the batch; of a prompt the rate of bytes says nothing, and is left empty.
std::string BytesRate(const Row& row, const Decoder& decoder) {
  if (!IsDecode(row)) return "";
  const double steps = row.speed.median / static_cast<double>(row.batch);
  return fmt::format("{:.1f}", steps * static_cast<double>(decoder.bytes_per_token()) / 1e9);
}

std::string ToTable(const std::vector<Row>& rows, const Decoder& decoder, bool is_csv) {
  const std::string_view before = is_csv ? "" : "| ", between = is_csv ? "," : " | ", behind = is_csv ? "\n" : " |\n";
  std::string table = fmt::format(
      "{}{}{}", before,
      fmt::join({"test", "depth", "threads", "batch", is_csv ? "tokens_per_second" : "tokens/s", "min", "max",
                 is_csv ? "gb_per_second" : "GB/s", is_csv ? "time_over_bytes" : "time / bytes", "tier"},
                between),
      behind);
  if (!is_csv) table += "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    const std::string cells[] = {row.test,
                                 Cat(row.depth),
                                 Cat(row.threads),
                                 Cat(row.batch),
                                 fmt::format("{:.1f}", row.speed.median),
                                 fmt::format("{:.1f}", row.speed.min),
                                 fmt::format("{:.1f}", row.speed.max),
                                 BytesRate(row, decoder),
                                 IsDecode(row) ? fmt::format("{:.2f}", TimeOverBytes(row, decoder)) : "",
                                 kernels::ActiveKernels().name};
    table += fmt::format("{}{}{}", before, fmt::join(cells, between), behind);
  }
  return table;
}

Status Bench(const BenchOptions& options, Invocation& call) {
  OCTET_TRY(CheckTests(options));
  OCTET_TRY(kernels::WantedKernels());
  const Decoder decoder = OCTET_TRY(LoadDecoder(options, call));
  OCTET_TRY(decoder.CheckActivations(ModeOf(options)));
  OCTET_TRY(CheckContext(options, decoder));
  std::vector<size_t> threads = options.threads;
  if (threads.empty()) threads.push_back(ThreadPool::AvailableCores());
  std::vector<Row> rows;
  for (const size_t count : threads) OCTET_TRY(Measure(options, decoder, count, call, rows));
  return call.json() ? call.PrintJson(ToJson(rows, decoder))
                     : call.Print(ToTable(rows, decoder, options.format == "csv"));
}

const RegisterVerb kBench(MakeVerb<BenchOptions>({.name = "bench",
                                                  .words = "[MODEL]",
                                                  .summary = "tokens a second that a model reads and writes",
                                                  .example = "octet bench build/models/fp8.octet --threads 1,2"},
                                                 Bench));

}  // namespace
}  // namespace octet::cli
