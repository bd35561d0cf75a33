// `octet plan`: what a model will take of memory, before it is loaded.
#include <cstdio>

#include "base/memory.h"
#include "cli/model_flags.h"
#include "cli/verb.h"
#include "engine/memory_plan.h"

namespace octet::cli {
namespace {

struct PlanOptions {
  size_t context = 0;
  size_t users = 1;
  size_t chunk = 128;
  std::string compute = "auto";
  std::string kv = "auto";

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&PlanOptions::context, "context", "tokens of prompt and answer of each user; 0: what the model was made for",
          Between{0, 1 << 26});
    visit(&PlanOptions::users, "users", "requests at the same time, each with a context of its own", Between{1, 65536});
    visit(&PlanOptions::chunk, "chunk", "most tokens in one forward pass", Between{1, 65536});
    visit(&PlanOptions::compute, "compute",
          "type of matrices that aren't quantised; auto: f32 where the model's files have it, else bf16",
          OneOf{{"auto", "bf16", "f32"}});
    visit(&PlanOptions::kv, "kv", kKvHelp, KvChoices());
  }
};

std::string Line(std::string_view label, uint64_t bytes, std::string_view remark) {
  char line[160];
  std::snprintf(line, sizeof line, "%-10.*s %10.1f MB  %.*s\n", static_cast<int>(label.size()), label.data(),
                static_cast<double>(bytes) / 1e6, static_cast<int>(remark.size()), remark.data());
  return line;
}

Status Plan(const PlanOptions& options, Invocation& call) {
  ThreadPool pool(1);
  LoadOptions load;
  load.compute = options.compute == "bf16"  ? ComputeType::kBf16
                 : options.compute == "f32" ? ComputeType::kF32
                                            : ComputeType::kAuto;
  const ModelFiles files = OCTET_TRY(ModelFiles::OpenForPlan(call.word(0), load, pool));
  const MemoryPlan plan = OCTET_TRY(PlanMemory(
      files,
      {.context = options.context, .users = options.users, .chunk = options.chunk, .cache = CacheOf(options.kv)}));
  const uint64_t available = AvailableMemory();
  if (call.json()) {
    return call.PrintJson({{"weights_bytes", plan.weights},
                           {"weights_from", files.weights == nullptr ? "config" : "tensors"},
                           {"cache_bytes", plan.cache},
                           {"cache_bytes_per_token", plan.cache_per_token},
                           {"workspace_bytes", plan.workspace},
                           {"total_bytes", plan.Total()},
                           {"available_bytes", available},
                           {"context", plan.context},
                           {"users", options.users},
                           {"fits", available == 0 || plan.Total() <= available}});
  }
  OCTET_TRY(
      call.Print(Line("weights", plan.weights, files.weights == nullptr ? "by config.json, no tensors are there" : "") +
                 Line("cache", plan.cache,
                      Cat(options.users, " x ", plan.context, " tokens of ", plan.cache_per_token, " bytes")) +
                 Line("workspace", plan.workspace, Cat("up to ", options.chunk, " tokens in one pass")) +
                 Line("total", plan.Total(), "")));
  if (available != 0 && plan.Total() > available) {
    call.Note(Cat("this machine has ", available / 1000000, " MB left: use a smaller --context or fewer --users"));
  }
  return {};
}

const RegisterVerb kPlan(MakeVerb<PlanOptions>({.name = "plan",
                                                .words = "MODEL",
                                                .summary = "memory that a model will take, before it is loaded",
                                                .example = "octet plan build/models/fp8 --context 4096 --users 4"},
                                               Plan));

}  // namespace
}  // namespace octet::cli
