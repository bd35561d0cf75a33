#include "engine/speed.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "engine/cache/page_pool.h"
#include "engine/cache/page_table.h"

namespace octet {
namespace {

// The sequences of one test and their pages.
class Bench {
 public:
  static Result<Bench> Create(const Decoder& decoder, nn::ExecutionContext& context, const SpeedTest& test) {
    if (test.tokens == 0 || test.batch == 0 || test.repetitions == 0 || test.chunk == 0) {
      return Fail(ErrorCode::kInvalidArgument, "tokens, batch, repetitions and chunk must each be at least 1");
    }
    const size_t pages = nn::KvLayout::PagesFor(test.tokens) * test.batch;
    PagePool pool = OCTET_TRY(PagePool::Create(decoder.kv_layout().page_bytes(), pages));
    return Bench(decoder, context, test, std::move(pool));
  }

  Status RunOnce(const CancelFlag& cancel) {
    std::vector<PageTable> tables;
    for (size_t i = 0; i < test_.batch; ++i) {
      tables.emplace_back(pool_, test_.tokens);
      OCTET_TRY(tables.back().Cover(test_.tokens));
    }
    context_.cancel = &cancel;
    const Status run = test_.kind == SpeedTest::kPrompt ? RunPrompts(tables) : RunDecode(tables);
    context_.cancel = nullptr;  // the flag may be gone before the context
    return run;
  }

  Status CheckLogits() const {
    const size_t vocab = decoder_.spec().vocab;
    if (std::all_of(logits_.begin(), logits_.begin() + static_cast<std::ptrdiff_t>(vocab),
                    [](float x) { return std::isfinite(x); })) {
      return {};
    }
    return Fail(ErrorCode::kInternal,
                "the model's logits are not numbers, so its speed means nothing; `octet doctor` tests the kernels");
  }

 private:
  Bench(const Decoder& decoder, nn::ExecutionContext& context, const SpeedTest& test, PagePool pool)
      : decoder_(decoder),
        context_(context),
        test_(test),
        pool_(std::move(pool)),
        logits_(test.batch * decoder.spec().vocab) {
    for (size_t i = 0; i < test.tokens; ++i)
      tokens_.push_back(static_cast<int32_t>((i * 31 + 7) % decoder.spec().vocab));
  }

  Status RunPrompts(const std::vector<PageTable>& tables) {
    for (const PageTable& table : tables) {
      for (size_t begin = 0; begin < test_.tokens; begin += test_.chunk) {
        const size_t count = std::min(test_.chunk, test_.tokens - begin);
        const bool last = begin + count == test_.tokens;
        const Decoder::Run run{.tokens = std::span(tokens_).subspan(begin, count),
                               .first_position = begin,
                               .pages = table.pages(),
                               .logits_from = last ? count - 1 : count,
                               .prompt_length = test_.tokens};
        OCTET_TRY(decoder_.Forward({&run, 1}, context_, logits_.data()));
      }
    }
    return {};
  }

  Status RunDecode(const std::vector<PageTable>& tables) {
    std::vector<Decoder::Run> runs(tables.size());
    for (size_t position = 0; position < test_.tokens; ++position) {
      for (size_t i = 0; i < tables.size(); ++i) {
        runs[i] = {
            .tokens = std::span(tokens_).subspan(position, 1), .first_position = position, .pages = tables[i].pages()};
      }
      OCTET_TRY(decoder_.Forward(runs, context_, logits_.data()));
    }
    return {};
  }

  const Decoder& decoder_;
  nn::ExecutionContext& context_;
  SpeedTest test_;
  PagePool pool_;
  std::vector<int32_t> tokens_;
  std::vector<float> logits_;
};

}  // namespace

Result<Speed> MeasureSpeed(const Decoder& decoder, nn::ExecutionContext& context, const SpeedTest& test,
                           const CancelFlag& cancel) {
  using Clock = std::chrono::steady_clock;
  Bench bench = OCTET_TRY(Bench::Create(decoder, context, test));
  OCTET_TRY(bench.RunOnce(cancel));
  OCTET_TRY(bench.CheckLogits());
  std::vector<double> rates;
  for (size_t i = 0; i < test.repetitions; ++i) {
    const Clock::time_point begin = Clock::now();
    OCTET_TRY(bench.RunOnce(cancel));
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    rates.push_back(static_cast<double>(test.tokens * test.batch) / seconds);
  }
  std::sort(rates.begin(), rates.end());
  const size_t middle = rates.size() / 2;
  const double median = rates.size() % 2 == 1 ? rates[middle] : (rates[middle - 1] + rates[middle]) / 2;
  return Speed{.median = median, .min = rates.front(), .max = rates.back()};
}

}  // namespace octet
