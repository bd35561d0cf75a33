#include "engine/speed.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <vector>

#include "engine/cache/page_pool.h"
#include "engine/cache/page_table.h"
#include "engine/read_rate.h"

namespace octet {
namespace {

using Clock = std::chrono::steady_clock;

// The sequences of one test and their pages.
class Bench {
 public:
  static Result<Bench> Create(const Decoder& decoder, nn::ExecutionContext& context, const SpeedTest& test) {
    if (test.tokens == 0 || test.batch == 0 || test.repetitions == 0 || test.chunk == 0) {
      return Fail(ErrorCode::kInvalidArgument, "tokens, batch, repetitions and chunk must each be at least 1");
    }
    const size_t pages = nn::KvLayout::PagesFor(test.depth + test.tokens) * test.batch;
    PagePool pool = OCTET_TRY(PagePool::Create(decoder.kv_layout().page_bytes(), pages));
    return Bench(decoder, context, test, std::move(pool));
  }

  // Gives each sequence its pages and fills them up to the depth. Once, before the runs.
  Status Fill(const CancelFlag& cancel) {
    const size_t most = test_.depth + test_.tokens;
    for (size_t i = 0; i < test_.batch; ++i) {
      tables_.emplace_back(pool_, most);
      OCTET_TRY(tables_.back().Cover(most));
    }
    return WithCancel(cancel, [&] { return Read(0, test_.depth, /*with_logits=*/false); });
  }

  Status RunOnce(const CancelFlag& cancel) {
    return WithCancel(cancel, [&] {
      return test_.kind == SpeedTest::kPrompt ? Read(test_.depth, test_.depth + test_.tokens, /*with_logits=*/true)
                                              : Write();
    });
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
    for (size_t i = 0; i < test.depth + test.tokens; ++i)
      tokens_.push_back(static_cast<int32_t>((i * 31 + 7) % decoder.spec().vocab));
  }

  template <class Function>
  Status WithCancel(const CancelFlag& cancel, Function&& function) {
    context_.cancel = &cancel;
    Status status = function();
    context_.cancel = nullptr;  // the flag may be gone before the context
    return status;
  }

  // Tokens first .. end - 1 of every sequence, in chunks; the last has logits if wanted.
  Status Read(size_t first, size_t end, bool with_logits) {
    for (const PageTable& table : tables_) {
      for (size_t begin = first; begin < end; begin += test_.chunk) {
        const size_t count = std::min(test_.chunk, end - begin);
        const bool last = begin + count == end;
        const Decoder::Run run{.tokens = std::span(tokens_).subspan(begin, count),
                               .first_position = begin,
                               .pages = table.pages(),
                               .logits_from = last && with_logits ? count - 1 : count,
                               .prompt_length = end};
        OCTET_TRY(decoder_.Forward({&run, 1}, context_, logits_.data()));
      }
    }
    return {};
  }

  // Behind the depth, one token of every sequence at a time.
  Status Write() {
    std::vector<Decoder::Run> runs(tables_.size());
    for (size_t position = test_.depth; position < test_.depth + test_.tokens; ++position) {
      for (size_t i = 0; i < tables_.size(); ++i) {
        runs[i] = {
            .tokens = std::span(tokens_).subspan(position, 1), .first_position = position, .pages = tables_[i].pages()};
      }
      OCTET_TRY(decoder_.Forward(runs, context_, logits_.data()));
    }
    return {};
  }

  const Decoder& decoder_;
  nn::ExecutionContext& context_;
  SpeedTest test_;
  PagePool pool_;
  std::vector<PageTable> tables_;
  std::vector<int32_t> tokens_;
  std::vector<float> logits_;
};

// Whole pages of what the token behind `position` others sees.
uint64_t CacheBytesRead(const Decoder& decoder, size_t position) {
  uint64_t bytes = 0;
  for (size_t layer = 0; layer < decoder.kv_layout().layers(); ++layer) {
    const size_t window = decoder.spec().layers[layer].attn.window, seen = position + 1;
    const size_t first = window == 0 || seen < window ? 0 : seen - window;
    const size_t pages = nn::KvLayout::PagesFor(seen) - first / kernels::kPagePositions;
    bytes += pages * decoder.kv_layout().LayerBytes(layer);
  }
  return bytes;
}

double MeanCacheBytes(const Decoder& decoder, const SpeedTest& test) {
  uint64_t total = 0;
  for (size_t i = 0; i < test.tokens; ++i) total += CacheBytesRead(decoder, test.depth + i);
  return static_cast<double>(total) / static_cast<double>(test.tokens);
}

double SortedMedian(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

Result<Speed> MeasureSpeed(const Decoder& decoder, nn::ExecutionContext& context, const SpeedTest& test,
                           const CancelFlag& cancel) {
  Bench bench = OCTET_TRY(Bench::Create(decoder, context, test));
  OCTET_TRY(bench.Fill(cancel));
  OCTET_TRY(bench.RunOnce(cancel));
  OCTET_TRY(bench.CheckLogits());
  std::optional<ReadRate> memory;
  Speed speed;
  if (test.kind == SpeedTest::kDecode) {
    speed.cache_bytes = MeanCacheBytes(decoder, test);
    const double bytes =
        static_cast<double>(decoder.bytes_per_token()) + static_cast<double>(test.batch) * speed.cache_bytes;
    memory = OCTET_TRY(ReadRate::Create(static_cast<size_t>(bytes)));
  }
  std::vector<double> rates, read_rates;
  for (size_t i = 0; i < test.repetitions; ++i) {
    const Clock::time_point begin = Clock::now();
    OCTET_TRY(bench.RunOnce(cancel));
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    rates.push_back(static_cast<double>(test.tokens * test.batch) / seconds);
    if (memory) read_rates.push_back(memory->Measure(context.pool));
  }
  speed.median = SortedMedian(rates);
  speed.min = rates.front();
  speed.max = rates.back();
  if (memory) speed.read_rate = SortedMedian(read_rates);
  return speed;
}

}  // namespace octet
