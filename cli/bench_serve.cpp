// `octet bench serve`: load on a server of OpenAI's API, and how long its answers take.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/atomic_file.h"
#include "base/counted.h"
#include "base/open_files.h"
#include "cli/bench_serve_report.h"
#include "cli/verb.h"
#include "serve/load/load_run.h"

namespace octet::cli {
namespace {

constexpr size_t kUsualRequests = 32;
constexpr const char* kClientKeyVariable = "OCTET_API_KEY";

struct BenchServeOptions {
  std::vector<size_t> concurrency;
  std::vector<double> rate;
  std::optional<size_t> requests;
  std::optional<double> seconds;
  std::filesystem::path dataset;
  std::optional<size_t> prompt_tokens;
  size_t gen_tokens = 128;
  bool ignore_eos = true;
  double temperature = 0;
  std::string api = "chat";
  std::string model;
  std::vector<std::string> limit;
  double timeout = 600;
  uint64_t seed = 0;
  std::string format = "md";
  std::filesystem::path plot;

  template <class Visit>
  static void Describe(Visit&& visit) {
    using B = BenchServeOptions;
    visit(&B::concurrency, "concurrency",
          "numbers of requests under way at a time, each a load of its own; 1 unless --rate is given",
          Between{1, 65536});
    visit(&B::rate, "rate", "instead: requests a second that arrive at random, whether the server keeps up or not",
          Between{1e-3, 1e6});
    visit(&B::requests, "requests", "of each load; 32 unless --seconds is given", Between{1, 1e9});
    visit(&B::seconds, "seconds", "after which a load begins no further request", Between{0.1, 1e6});
    visit(&B::dataset, "dataset", "JSONL file with a prompt, or messages, in each line; not given: made-up prompts");
    visit(&B::prompt_tokens, "prompt-tokens",
          "length of made-up prompts, template and all, right within some tokens; 128 unless given",
          Between{1, 1 << 20});
    visit(&B::gen_tokens, "gen-tokens", "length of answers, where a line of the dataset has no max_tokens",
          Between{1, 1 << 20});
    visit(&B::ignore_eos, "ignore-eos", "ask for answers of full length; a field that some servers refuse");
    visit(&B::temperature, "temperature", "of the requests", Between{0, 100});
    visit(&B::api, "api", "what is asked: /chat/completions or /completions", OneOf{{"chat", "completions"}});
    visit(&B::model, "model", "name to ask for; not given: the server's first", Takes{"NAME"});
    visit(&B::limit, "limit",
          "a request counts as good within it: ttft, itl, tpot or e2e, and a time, as in e2e=15s; may be repeated",
          Takes{"LIMIT"});
    visit(&B::timeout, "timeout", "seconds after which a request has failed", Between{0.1, 1e6});
    visit(&B::seed, "seed", "of arrivals and made-up prompts");
    visit(&B::format, "format", "the results in Markdown or as CSV; --json goes before it", OneOf{{"md", "csv"}});
    visit(&B::plot, "plot", "SVG file of throughput against the time that answers take, over all loads");
  }
};

struct PlannedLoad {
  std::string kind;
  double load = 0;
  serve::LoadShape shape;
};

Result<std::vector<PlannedLoad>> LoadsOf(const BenchServeOptions& options) {
  if (!options.concurrency.empty() && !options.rate.empty())
    return Fail(ErrorCode::kInvalidArgument, "give either --concurrency or --rate: both say how requests come");
  serve::LoadShape shape{.requests = options.requests, .seconds = options.seconds, .seed = options.seed};
  if (!shape.requests && !shape.seconds) shape.requests = kUsualRequests;
  std::vector<PlannedLoad> loads;
  for (const double rate : options.rate) {
    shape.rate = rate;
    loads.push_back({"rate", rate, shape});
  }
  if (!loads.empty()) return loads;
  for (const size_t count : options.concurrency.empty() ? std::vector<size_t>{1} : options.concurrency) {
    shape.concurrency = count;
    loads.push_back({"concurrency", static_cast<double>(count), shape});
  }
  return loads;
}

Result<serve::LoadPrompts> PromptsOf(const BenchServeOptions& options, const serve::LoadTarget& target,
                                     const serve::AskSettings& settings, const CancelFlag& cancel) {
  if (options.dataset.empty()) {
    const size_t words =
        OCTET_TRY(target.WordsFor(options.prompt_tokens.value_or(128), settings, options.seed, cancel));
    return serve::LoadPrompts::OfWords(words, options.seed);
  }
  if (options.prompt_tokens)
    return Fail(ErrorCode::kInvalidArgument,
                "--prompt-tokens is of made-up prompts, those of --dataset have lengths "
                "of their own; leave one of them out");
  serve::LoadPrompts prompts = OCTET_TRY(serve::LoadPrompts::Read(options.dataset));
  if (prompts.has_messages() && !settings.is_chat)
    return Fail(ErrorCode::kInvalidArgument, options.dataset,
                " has lists of messages, which --api completions doesn't take; leave --api out");
  return prompts;
}

// What went wrong how often, the most frequent first.
void NoteFailures(const PlannedLoad& load, const serve::LoadOutcome& outcome, Invocation& call) {
  constexpr size_t kMostKinds = 3;
  std::map<std::string, size_t> kinds;
  size_t failed = 0;
  for (const serve::LoadRecord& record : outcome.records) {
    if (record.answered()) continue;
    ++failed;
    ++kinds[record.failure];
  }
  if (outcome.cut_off > 0)
    call.Note(Cat(load.kind, " ", load.load, ": stopped with ", Counted(outcome.cut_off, "request"), " under way"));
  if (failed == 0) return;
  std::vector<std::pair<size_t, std::string>> order;
  for (const auto& [text, count] : kinds) order.emplace_back(count, text);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  call.Note(
      Cat(load.kind, " ", load.load, ": ", failed, " of ", Counted(outcome.records.size(), "request"), " failed"));
  for (size_t i = 0; i < std::min(order.size(), kMostKinds); ++i)
    call.Note(Cat("  ", order[i].first, " x ", order[i].second));
}

Status PrintPoints(const BenchServeOptions& options, const std::vector<LoadPoint>& points, Invocation& call) {
  OCTET_TRY(call.json()               ? call.PrintJson(LoadJson(points))
            : options.format == "csv" ? call.Print(LoadCsv(points))
                                      : call.Print(LoadTables(points)));
  if (!options.plot.empty()) OCTET_TRY(WriteFileAtomically(options.plot, LoadPlot(points)));
  const auto best = std::max_element(points.begin(), points.end(), [](const LoadPoint& a, const LoadPoint& b) {
    return a.summary.goodput.value_or(0) < b.summary.goodput.value_or(0);
  });
  if (points.size() > 1 && best->summary.goodput.value_or(0) > 0)
    call.Note(fmt::format("most goodput: {:.3f} requests/s at {} {:g}, with {:.1f} tokens/s", *best->summary.goodput,
                          best->kind, best->load, best->summary.answer_tokens_per_second));
  const bool none =
      std::all_of(points.begin(), points.end(), [](const LoadPoint& p) { return p.summary.answered == 0; });
  if (none && !call.cancel().requested()) call.FailGate("no request was answered");
  return {};
}

Status BenchServe(const BenchServeOptions& options, Invocation& call) {
  const serve::ServerUrl url = OCTET_TRY(serve::ParseServerUrl(call.word(0)));
  const std::vector<PlannedLoad> loads = OCTET_TRY(LoadsOf(options));
  std::vector<serve::LoadLimit> limits;
  for (const std::string& text : options.limit) {
    const serve::LoadLimit limit = OCTET_TRY(serve::ParseLoadLimit(text));
    limits.push_back(limit);
  }
  RaiseOpenFileLimit();
  const char* key = std::getenv(kClientKeyVariable);
  const serve::ClientOptions client{.key = key == nullptr ? "" : key, .seconds = options.timeout};
  const serve::LoadTarget target = OCTET_TRY(serve::LoadTarget::Open(url, client, options.model, call.cancel()));
  const serve::AskSettings settings{.model = target.model,
                                    .is_chat = options.api == "chat",
                                    .max_tokens = options.gen_tokens,
                                    .ignore_eos = options.ignore_eos,
                                    .temperature = options.temperature};
  const serve::LoadPrompts prompts = OCTET_TRY(PromptsOf(options, target, settings, call.cancel()));
  std::vector<LoadPoint> points;
  for (const PlannedLoad& load : loads) {
    call.progress().Begin(fmt::format("{} {:g}", load.kind, load.load), load.shape.requests.value_or(0), "requests");
    const serve::LoadOutcome outcome =
        serve::RunLoad(target, prompts, settings, load.shape, call.cancel(), call.progress());
    call.progress().End();
    NoteFailures(load, outcome, call);
    if (!outcome.records.empty()) points.push_back({load.kind, load.load, serve::Summarise(outcome.records, limits)});
    if (call.cancel().requested()) break;
  }
  if (!points.empty()) OCTET_TRY(PrintPoints(options, points, call));
  return call.cancel().Check();
}

const RegisterVerb kBenchServe(
    MakeVerb<BenchServeOptions>({.name = "bench serve",
                                 .words = "URL",
                                 .summary = "how long answers of a server take under load",
                                 .example = "octet bench serve http://127.0.0.1:8080 --concurrency 1,8,32"},
                                BenchServe));

}  // namespace
}  // namespace octet::cli
