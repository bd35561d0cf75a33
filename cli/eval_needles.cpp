// `octet eval needles`: whether a model finds what a long text tells once.
#include <fmt/format.h>

#include <algorithm>

#include "cli/scoring_flags.h"
#include "cli/verb.h"
#include "engine/prompt.h"
#include "eval/answers.h"
#include "eval/choices.h"
#include "eval/needles.h"

namespace octet::cli {
namespace {

struct NeedlesOptions {
  std::vector<size_t> lengths;
  std::vector<size_t> depths = {0, 25, 50, 75, 100};
  uint32_t trials = 2;
  uint64_t seed = 0;
  bool chat = false;
  bool per_item = false;
  ScoringFlags model;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&NeedlesOptions::lengths, "lengths",
          "tokens of prompt and answer; not given: 512, 1024, 2048 and 4096, as far as the model's context goes",
          Between{32, 1 << 26});
    visit(&NeedlesOptions::depths, "depths", "where the needle stands, in percent of the text", Between{0, 100});
    visit(&NeedlesOptions::trials, "trials", "texts of each length", Between{1, 1 << 20});
    visit(&NeedlesOptions::seed, "seed", "the same seed makes the same texts");
    visit(&NeedlesOptions::chat, "chat", "the prompt is a user's message in the model's chat template");
    visit(&NeedlesOptions::per_item, "per-item", "with --json: what came out of each text, too");
    visit(&NeedlesOptions::model);
  }
};

// One length at one depth.
struct NeedleCell {
  size_t length = 0, depth = 0;
  Accuracy accuracy;
};

struct NeedleTotals {
  Accuracy all;
  std::vector<NeedleCell> cells;  // lengths in order, in each the depths
  Json items = Json::array();
};

Result<std::vector<size_t>> LengthsFor(const NeedlesOptions& options, size_t context) {
  std::vector<size_t> lengths = options.lengths;
  for (const size_t length : lengths) {
    if (length > context) {
      return Fail(ErrorCode::kInvalidArgument, "--lengths: ", length, " tokens are more than the model's context of ",
                  context);
    }
  }
  if (!lengths.empty()) return lengths;
  for (const size_t length : {512, 1024, 2048, 4096}) {
    if (length <= context) lengths.push_back(length);
  }
  if (lengths.empty()) lengths.push_back(context);
  return lengths;
}

// Tokens of a chat's prompt that aren't those of its message.
Result<size_t> TokensAround(const Engine& engine, bool as_chat) {
  if (!as_chat) return size_t{0};
  return OCTET_TRY(AnswerPrompt(engine, "x", true)).size();
}

class NeedleRun {
 public:
  NeedleRun(const NeedlesOptions& options, Engine& engine, Invocation& call)
      : options_(options), engine_(engine), call_(call), session_(engine) {}

  // Of one length and trial every depth, the deepest first, since the next then begins with the same text for longest.
  Status Trial(const NeedleTest& test, size_t length, uint32_t trial, std::span<NeedleCell> cells) {
    std::vector<size_t> order(cells.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return cells[a].depth > cells[b].depth; });
    for (const size_t i : order) {
      const std::string prompt = NeedlePrompt(test, cells[i].depth, options_.chat);
      std::vector<int32_t> ids = OCTET_TRY(AnswerPrompt(engine_, prompt, options_.chat));
      const size_t tokens = ids.size();
      const GivenAnswer answer = OCTET_TRY(
          AskFor(session_, std::move(ids), {.until = {"\n"}, .max_tokens = kNeedleAnswerTokens}, call_.cancel()));
      const bool is_right = FirstNumber(answer.text) == test.number;
      cells[i].accuracy.Add(is_right);
      totals_.all.Add(is_right);
      totals_.items.push_back({{"length", length},
                               {"depth", cells[i].depth},
                               {"trial", trial},
                               {"tokens", tokens},
                               {"number", test.number},
                               {"text", answer.text},
                               {"right", is_right}});
      call_.progress().Advance(tokens);
    }
    return {};
  }

  Result<NeedleTotals> Run(const std::vector<size_t>& lengths) {
    const size_t around = OCTET_TRY(TokensAround(engine_, options_.chat));
    const Tokenizer& tokenizer = *OCTET_TRY(RequireTokenizer(engine_));
    // The shortest first, so that a length which has no room is told before anything runs.
    OCTET_TRY(MakeNeedleTest(
        tokenizer,
        {.length = *std::min_element(lengths.begin(), lengths.end()), .seed = options_.seed, .around = around}));
    size_t total = 0;
    for (const size_t length : lengths) total += length * options_.depths.size() * options_.trials;
    call_.progress().Begin("needles", total, "tokens");
    for (const size_t length : lengths) {
      std::vector<NeedleCell> cells;
      for (const size_t depth : options_.depths) cells.push_back({.length = length, .depth = depth, .accuracy = {}});
      for (uint32_t trial = 0; trial < options_.trials; ++trial) {
        const NeedleTest test = OCTET_TRY(
            MakeNeedleTest(tokenizer, {.length = length, .trial = trial, .seed = options_.seed, .around = around}));
        OCTET_TRY(Trial(test, length, trial, cells));
      }
      totals_.cells.insert(totals_.cells.end(), cells.begin(), cells.end());
    }
    call_.progress().End();
    return std::move(totals_);
  }

 private:
  const NeedlesOptions& options_;
  Engine& engine_;
  Invocation& call_;
  EngineSession session_;
  NeedleTotals totals_;
};

// Lengths down, depths across.
std::string NeedleTable(const NeedleTotals& totals, const std::vector<size_t>& depths) {
  std::string text = fmt::format("{:>9}", "tokens");
  for (const size_t depth : depths) text += fmt::format("{:>7}", Cat(depth, " %"));
  for (size_t i = 0; i < totals.cells.size(); ++i) {
    if (i % depths.size() == 0) text += fmt::format("\n{:>9}", totals.cells[i].length);
    text += fmt::format("{:>7}", Cat(totals.cells[i].accuracy.right, "/", totals.cells[i].accuracy.items));
  }
  return text + fmt::format("\nfound {:.4f} +/- {:.4f}  {} of {}\n", totals.all.Share(), totals.all.Error(),
                            totals.all.right, totals.all.items);
}

Status RunNeedles(const NeedlesOptions& options, Invocation& call) {
  if (options.per_item && !call.json()) return Fail(ErrorCode::kInvalidArgument, "--per-item is of --json; give both");
  if (options.depths.empty()) return Fail(ErrorCode::kInvalidArgument, "--depths names no depth");
  const std::unique_ptr<Engine> engine = OCTET_TRY(Engine::Open(call.word(0), ToEngineOptions(options.model)));
  const std::vector<size_t> lengths = OCTET_TRY(LengthsFor(options, engine->context()));
  NeedleRun run(options, *engine, call);
  NeedleTotals totals = OCTET_TRY(run.Run(lengths));
  if (!call.json()) return call.Print(NeedleTable(totals, options.depths));
  Json cells = Json::array();
  for (const NeedleCell& cell : totals.cells) {
    cells.push_back({{"length", cell.length},
                     {"depth", cell.depth},
                     {"right", cell.accuracy.right},
                     {"trials", cell.accuracy.items}});
  }
  Json json = {{"accuracy", totals.all.Share()},
               {"accuracy_stderr", totals.all.Error()},
               {"items", totals.all.items},
               {"cells", std::move(cells)}};
  if (options.per_item) json["per_item"] = std::move(totals.items);
  return call.PrintJson(json);
}

const RegisterVerb kNeedles(
    MakeVerb<NeedlesOptions>({.name = "eval needles",
                              .words = "MODEL",
                              .summary = "whether a model finds what a long text tells once",
                              .example = "octet eval needles build/models/fp8 --lengths 512,2048"},
                             RunNeedles));

}  // namespace
}  // namespace octet::cli
