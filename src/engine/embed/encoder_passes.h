// An encoder's passes over many sequences, several of them at the same time.
//
//   EncoderPasses passes(encoder, pool, kernels, activations, /*chunk=*/256);
//   OCTET_TRY(passes.Run(runs, cancel, [&](EncoderPasses::Pass pass) { ... pass.hidden ... }));
//
// A pass holds sequences in order, up to `chunk` tokens. Where there are as many passes as threads, each thread
// computes one by itself: threads that share a pass wait for each other some 30 times in it, and for a core that others
// use most of all. What is left over is computed by all threads together. No bit of a result depends on it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "models/encoder.h"
#include "nn/execution_context.h"

namespace octet {

class EncoderPasses {
 public:
  // What was computed, for one call: sequences first .. first + runs.size() - 1.
  struct Pass {
    size_t first = 0;
    std::span<const Encoder::Run> runs;
    float* hidden = nullptr;  // [tokens of the runs, spec.hidden]; may be written to
    nn::ExecutionContext& context;
  };
  using OnPass = std::function<Status(Pass pass)>;

  // All but the options must outlive it. Requires chunk > 0.
  EncoderPasses(const Encoder& encoder, ThreadPool& pool, const kernels::KernelTable& kernels,
                nn::ActivationMode activations, size_t chunk);

  // on_pass is called once for each pass, from several threads at once, with results that stand during the call. From
  // any thread; callers take turns between passes. Fails as Encoder::Forward and on_pass do, of several errors with
  // that of the earliest sequences, and with cancelled once the flag, which may be null, is set.
  Status Run(std::span<const Encoder::Run> runs, const CancelFlag* cancel, const OnPass& on_pass);

  // Held by who uses the pool for other work.
  std::mutex& turn() { return turn_; }

 private:
  // Who computes a pass: all threads, or one that is alone.
  struct Lane {
    Lane(ThreadPool& threads, const kernels::KernelTable& kernels) : context(threads, kernels) {}
    nn::ExecutionContext context;
    std::vector<float> hidden;
  };
  struct Place {
    size_t first = 0, count = 0, tokens = 0;
  };

  std::vector<Place> Cut(std::span<const Encoder::Run> runs) const;
  Status RunPass(Lane& lane, const Place& place, std::span<const Encoder::Run> runs, const CancelFlag* cancel,
                 const OnPass& on_pass) const;
  Status RunApart(std::span<const Place> places, std::span<const Encoder::Run> runs, const CancelFlag* cancel,
                  const OnPass& on_pass);

  const Encoder& encoder_;
  ThreadPool& pool_;
  size_t chunk_;
  std::mutex turn_;  // guards all below, and the pool
  ThreadPool alone_{1};
  Lane together_;
  std::vector<std::unique_ptr<Lane>> apart_;  // one for each thread of the pool
};

}  // namespace octet
