#include "engine/embed/encoder_passes.h"

#include <algorithm>
#include <atomic>

namespace octet {
namespace {

// Of each thread, before other callers have their turn. Threads take the next pass as they are ready, so that a slow
// one holds up the others at a turn's end alone.
constexpr size_t kPassesInTurn = 4;

}  // namespace

EncoderPasses::EncoderPasses(const Encoder& encoder, ThreadPool& pool, const kernels::KernelTable& kernels,
                             nn::ActivationMode activations, size_t chunk)
    : encoder_(encoder), pool_(pool), chunk_(chunk), together_(pool, kernels) {
  together_.context.activations = activations;
  for (size_t i = 0; pool.threads() > 1 && i < pool.threads(); ++i) {
    apart_.push_back(std::make_unique<Lane>(alone_, kernels));
    apart_.back()->context.activations = activations;
  }
}

std::vector<EncoderPasses::Place> EncoderPasses::Cut(std::span<const Encoder::Run> runs) const {
  std::vector<Place> places;
  for (size_t i = 0; i < runs.size(); ++i) {
    const size_t tokens = runs[i].tokens.size();
    if (places.empty() || places.back().tokens + tokens > chunk_) places.push_back({.first = i});
    ++places.back().count;
    places.back().tokens += tokens;
  }
  return places;
}

Status EncoderPasses::RunPass(Lane& lane, const Place& place, std::span<const Encoder::Run> runs,
                              const CancelFlag* cancel, const OnPass& on_pass) const {
  if (cancel != nullptr) OCTET_TRY(cancel->Check());
  const std::span<const Encoder::Run> own = runs.subspan(place.first, place.count);
  lane.hidden.resize(place.tokens * encoder_.spec().hidden);
  lane.context.cancel = cancel;
  const Status computed = encoder_.Forward(own, lane.context, lane.hidden.data());
  lane.context.cancel = nullptr;  // the flag may be gone before the next pass
  OCTET_TRY(computed);
  return on_pass({.first = place.first, .runs = own, .hidden = lane.hidden.data(), .context = lane.context});
}

// At least one pass for each thread, and not many more.
Status EncoderPasses::RunApart(std::span<const Place> places, std::span<const Encoder::Run> runs,
                               const CancelFlag* cancel, const OnPass& on_pass) {
  std::vector<Status> statuses(places.size());
  std::atomic<size_t> next{0};
  pool_.ForEachShare(apart_.size(), [&](size_t begin, size_t end) {
    for (size_t lane = begin; lane < end; ++lane) {
      for (size_t i = next++; i < places.size(); i = next++)
        statuses[i] = RunPass(*apart_[lane], places[i], runs, cancel, on_pass);
    }
  });
  for (const Status& status : statuses) OCTET_TRY(status);
  return {};
}

Status EncoderPasses::Run(std::span<const Encoder::Run> runs, const CancelFlag* cancel, const OnPass& on_pass) {
  const std::vector<Place> places = Cut(runs);
  const size_t threads = apart_.size();
  for (size_t done = 0; done < places.size();) {
    const std::lock_guard lock(turn_);
    const size_t left = places.size() - done;
    if (threads > 0 && left >= threads) {
      const size_t count = std::min(left / threads, kPassesInTurn) * threads;
      OCTET_TRY(RunApart(std::span(places).subspan(done, count), runs, cancel, on_pass));
      done += count;
    } else {
      OCTET_TRY(RunPass(together_, places[done], runs, cancel, on_pass));
      ++done;
    }
  }
  return {};
}

}  // namespace octet
