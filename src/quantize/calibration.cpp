#include "quantize/calibration.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <mutex>

#include "engine/cache/page_pool.h"
#include "engine/cache/page_table.h"
#include "models/decoder.h"
#include "models/hf_config.h"
#include "quantize/row_encoding.h"

namespace octet {
namespace {

class LargestInputs : public Decoder::Observer {
 public:
  explicit LargestInputs(ThreadPool& pool) : pool_(pool) {}

  void OnHidden(size_t, const float*, size_t) override {}

  void OnInput(std::string_view slot, const float* x, size_t rows, size_t width, size_t stride) override {
    float amax = 0;
    bool finite = true;
    std::mutex mutex;
    pool_.ForEachShare(rows, [&](size_t begin, size_t end) {
      float of_share = 0;
      bool finite_share = true;
      for (size_t row = begin; row < end; ++row) {
        const std::span<const float> values(x + row * stride, width);
        finite_share = finite_share && FirstNotFinite(values) == width;
        of_share = std::max(of_share, LargestMagnitude(values));
      }
      const std::lock_guard lock(mutex);
      amax = std::max(amax, of_share);
      finite = finite && finite_share;
    });
    if (!finite && bad_.empty()) bad_ = slot;
    const auto found = ranges_.find(slot);
    if (found == ranges_.end())
      ranges_.emplace(slot, amax);
    else
      found->second = std::max(found->second, amax);
  }

  InputRanges Take() { return std::move(ranges_); }
  // The first matrix one of whose inputs is infinite or no number; empty where there is none.
  const std::string& bad() const { return bad_; }

 private:
  ThreadPool& pool_;
  InputRanges ranges_;
  std::string bad_;
};

// All inputs of the layers, and the head's of the last token.
Status RunWindow(const Decoder& decoder, std::span<const int32_t> window, nn::ExecutionContext& context,
                 Decoder::Observer& observer) {
  PagePool cache = OCTET_TRY(PagePool::Create(decoder.kv_layout().page_bytes(), nn::KvLayout::PagesFor(window.size())));
  PageTable pages(cache, window.size());
  OCTET_TRY(pages.Cover(window.size()));
  std::vector<float> logits(decoder.spec().vocab);
  const Decoder::Run run{.tokens = window, .pages = pages.pages(), .logits_from = window.size() - 1};
  return decoder.Forward({&run, 1}, context, logits.data(), &observer);
}

}  // namespace

Result<InputRanges> MeasureInputs(const Checkpoint& checkpoint, const CalibrationText& text, const QuantizeRun& run,
                                  ComputeType compute) {
  const char* wish = std::getenv("OCTET_CPU");
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::SelectKernels(wish == nullptr ? "" : wish));
  ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  CheckpointWeights weights = OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, compute, run.pool));
  const Decoder decoder = OCTET_TRY(Decoder::Load(std::move(spec), weights));
  nn::ExecutionContext context(run.pool, *kernels);
  context.cancel = &run.cancel;
  LargestInputs observer(run.pool);
  run.progress.Begin("calibrate", TokensOf(text), "tokens");
  for (const std::vector<int32_t>& window : text) {
    OCTET_TRY(RunWindow(decoder, window, context, observer));
    if (!observer.bad().empty()) {
      return Fail(ErrorCode::kCorrupt, checkpoint.path, ": inputs of ", observer.bad(),
                  " aren't finite numbers on the calibration text; the weights are damaged or overflow");
    }
    run.progress.Advance(window.size());
  }
  run.progress.End();
  return observer.Take();
}

}  // namespace octet
