// `octet eval perplexity` and `octet eval compare`: how well a model predicts a text, and what a quantisation costs.
#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"
#include "base/mapped_file.h"
#include "cli/scoring_flags.h"
#include "cli/verb.h"
#include "eval/compare.h"
#include "eval/decoder_model.h"

namespace octet::cli {
namespace {

struct EvalOptions {
  std::filesystem::path text;
  int context = 512;
  int score_from = 0;
  int chunks = 0;
  ScoringFlags model;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&EvalOptions::text, "text", "text to predict; tokenised as one string", Required{});
    visit(&EvalOptions::context, "context", "tokens of a window", Between{2, 1 << 20}, Short{'c'});
    visit(&EvalOptions::score_from, "score-from", "first token of a window that counts; 0: context / 2 + 1",
          Between{0, 1 << 20});
    visit(&EvalOptions::chunks, "chunks", "at most so many windows; 0: all", Between{0, 1 << 30});
    visit(&EvalOptions::model);
  }
};

WindowOptions Windows(const EvalOptions& options) {
  return {.context = static_cast<size_t>(options.context),
          .score_from = static_cast<size_t>(options.score_from),
          .chunks = static_cast<size_t>(options.chunks)};
}

DecoderModelOptions ModelOptions(const EvalOptions& options, const CancelFlag& cancel) {
  return ToDecoderOptions(options.model, static_cast<size_t>(options.context), cancel);
}

Json ToJson(const Perplexity& result) {
  return {{"perplexity", result.perplexity},
          {"stderr", result.standard_error},
          {"tokens", result.tokens},
          {"chunks", result.windows},
          {"nll", result.nll}};
}

std::string PerplexityText(const Perplexity& result) {
  return fmt::format("perplexity {:.4f} +/- {:.4f} over {} in {}", result.perplexity, result.standard_error,
                     Counted(result.tokens, "token"), Counted(result.windows, "window"));
}

Status RunPerplexity(const EvalOptions& options, Invocation& call) {
  const std::string content = OCTET_TRY(ReadTextFile(options.text));
  const std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(ThreadsOf(options.model)));
  const std::unique_ptr<DecoderModel> model =
      OCTET_TRY(DecoderModel::Open(call.word(0), ModelOptions(options, call.cancel()), *pool));
  OCTET_TRY(model->SetActivations(ActivationsOf(options.model.activations)));
  const EvaluationText text = OCTET_TRY(model->Tokenize(content, Windows(options)));
  const Perplexity result = OCTET_TRY(MeasurePerplexity(*model, text, {*pool, call.progress(), call.cancel()}));
  if (!call.json()) return call.Print(PerplexityText(result) + "\n");
  Json json = ToJson(result);
  json["tier"] = model->tier();
  return call.PrintJson(json);
}

// Ids by two tokenizers mean the same only where they are the same.
Status CheckSameTokens(const EvaluationText& a, const EvaluationText& b) {
  if (a.ids == b.ids && a.bos == b.bos) return {};
  const auto place = std::mismatch(a.ids.begin(), a.ids.end(), b.ids.begin(), b.ids.end());
  return Fail(ErrorCode::kInvalidArgument, "the models' tokenizers disagree at token ", place.first - a.ids.begin(),
              "; a comparison needs two versions of one model");
}

// Both where they take them: the original of a quantised model has no weights for fp8 or int8.
Status SetActivations(nn::ActivationMode mode, DecoderModel& a, DecoderModel& b) {
  const bool is_set = a.SetActivations(mode).has_value();
  Status second = b.SetActivations(mode);
  return is_set ? Status() : second;
}

Status RunCompare(const EvalOptions& options, Invocation& call) {
  const std::string content = OCTET_TRY(ReadTextFile(options.text));
  const std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(ThreadsOf(options.model)));
  DecoderModelOptions with_usual_cache = ModelOptions(options, call.cancel());
  with_usual_cache.cache = std::nullopt;
  const std::unique_ptr<DecoderModel> a = OCTET_TRY(DecoderModel::Open(call.word(0), with_usual_cache, *pool));
  const std::unique_ptr<DecoderModel> b =
      OCTET_TRY(DecoderModel::Open(call.word(1), ModelOptions(options, call.cancel()), *pool));
  OCTET_TRY(SetActivations(ActivationsOf(options.model.activations), *a, *b));
  const EvaluationText text = OCTET_TRY(a->Tokenize(content, Windows(options)));
  const EvaluationText same = OCTET_TRY(b->Tokenize(content, Windows(options)));
  OCTET_TRY(CheckSameTokens(text, same));
  const Comparison result = OCTET_TRY(CompareModels(*a, *b, text, {*pool, call.progress(), call.cancel()}));
  if (call.json()) {
    return call.PrintJson({{"kl_mean", result.kl_mean},
                           {"kl_p99", result.kl_p99},
                           {"kl_max", result.kl_max},
                           {"top1", result.top1},
                           {"tokens", result.a.tokens},
                           {"a", ToJson(result.a)},
                           {"b", ToJson(result.b)}});
  }
  return call.Print(
      fmt::format("KL divergence mean {:.6f}, 99th percentile {:.6f}, largest {:.4f}\nsame first choice {:.2f} %\n"
                  "A: {}\nB: {}\n",
                  result.kl_mean, result.kl_p99, result.kl_max, 100 * result.top1, PerplexityText(result.a),
                  PerplexityText(result.b)));
}

const RegisterVerb kPerplexity(
    MakeVerb<EvalOptions>({.name = "eval perplexity",
                           .words = "MODEL",
                           .summary = "how well a model predicts a text",
                           .example = "octet eval perplexity build/models/fp8 --text examples/perplexity.txt"},
                          RunPerplexity));
const RegisterVerb kCompare(MakeVerb<EvalOptions>(
    {.name = "eval compare",
     .words = "A B",
     .summary = "how far model B's predictions are from model A's on a text",
     .example = "octet eval compare build/models/bf16 build/models/fp8 --text examples/perplexity.txt"},
    RunCompare));

}  // namespace
}  // namespace octet::cli
