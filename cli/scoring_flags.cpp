#include "cli/scoring_flags.h"

namespace octet::cli {
namespace {

ComputeType ComputeTypeOf(const ScoringFlags& flags) {
  return flags.dtype == "bf16" ? ComputeType::kBf16 : flags.dtype == "f32" ? ComputeType::kF32 : ComputeType::kAuto;
}

}  // namespace

size_t ThreadsOf(const ScoringFlags& flags) {
  return flags.threads > 0 ? static_cast<size_t>(flags.threads) : ThreadPool::AvailableCores();
}

DecoderModelOptions ToDecoderOptions(const ScoringFlags& flags, size_t context, const CancelFlag& cancel) {
  return {.context = context, .compute = ComputeTypeOf(flags), .cache = CacheOf(flags.kv), .cancel = &cancel};
}

EngineOptions ToEngineOptions(const ScoringFlags& flags) {
  EngineOptions options;
  options.threads = ThreadsOf(flags);
  options.load.compute = ComputeTypeOf(flags);
  options.activations = ActivationsOf(flags.activations);
  options.cache = CacheOf(flags.kv);
  return options;
}

Status CheckItemFlags(const ItemFlags& flags, const Invocation& call) {
  if (flags.shots && flags.examples.empty())
    return Fail(ErrorCode::kInvalidArgument, "--shots counts the items of --examples FILE, which isn't given");
  if (flags.per_item && !call.json()) return Fail(ErrorCode::kInvalidArgument, "--per-item is of --json; give both");
  return {};
}

}  // namespace octet::cli
