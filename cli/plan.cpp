// `octet plan`: what a model will take of memory, before it is loaded.
#include <cstdio>

#include "base/counted.h"
#include "base/memory.h"
#include "cli/model_flags.h"
#include "cli/shape_flags.h"
#include "cli/verb.h"
#include "engine/memory_plan.h"

namespace octet::cli {
namespace {

struct PlanOptions {
  ShapeFlags shape;
  size_t context = 0;
  size_t users = 1;
  size_t chunk = 128;
  size_t threads = 0;
  std::string load = "map";
  std::string compute = "auto";
  std::string kv = "auto";

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&PlanOptions::shape);
    visit(&PlanOptions::context, "context", "tokens of prompt and answer of each user; 0: what the model was made for",
          Between{0, 1 << 26});
    visit(&PlanOptions::users, "users", "requests at the same time, each with a context of its own", Between{1, 65536});
    visit(&PlanOptions::chunk, "chunk", "most tokens in one forward pass", Between{1, 65536});
    visit(&PlanOptions::threads, "threads", "threads that will compute; 0: every core that this process may use",
          Between{0, 1024});
    visit(&PlanOptions::load, "load", "a pack's weights stay in the mapped file, or are copied into huge pages",
          OneOf{{"map", "copy"}});
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

Result<ModelFiles> OpenFiles(const PlanOptions& options, const Invocation& call, ThreadPool& pool) {
  OCTET_TRY(CheckShapeFlags(options.shape, call, "plan"));
  LoadOptions load;
  load.mode = options.load == "copy" ? LoadMode::kCopy : LoadMode::kMap;
  load.compute = options.compute == "bf16"  ? ComputeType::kBf16
                 : options.compute == "f32" ? ComputeType::kF32
                                            : ComputeType::kAuto;
  if (!options.shape.given()) return ModelFiles::OpenForPlan(call.word(0), load, pool);
  ModelFiles files;
  files.kind = "shape";
  files.spec = OCTET_TRY(SpecOf(options.shape));
  files.weights = std::make_unique<RandomWeights>(files.spec, FormatOf(options.shape));
  files.weight_bytes = files.weights->bytes();
  return files;
}

std::string Table(const PlanOptions& options, const ModelFiles& files, const MemoryPlan& plan) {
  const bool is_mapped = files.kind == "octet" && options.load == "map";
  const std::string weights = files.weights == nullptr ? "by config.json, no tensors are there"
                              : is_mapped ? "mapped; all but the table of embeddings where the head has its own"
                                          : "in memory of this process";
  std::string table = Line("program", plan.program, "with its libraries, and this model's tokenizer and texts");
  table += Line("weights", plan.weights, plan.embedding_rows == 0 && is_mapped ? "mapped" : weights);
  if (plan.embedding_rows != 0)
    table += Line("embedding", plan.embedding_rows,
                  Cat("rows of the table that text of ", Counted(plan.context, "token"), " reads"));
  table +=
      Line("cache", plan.cache,
           Cat(options.users, " x ", Counted(plan.context, "token"), " of ", Counted(plan.cache_per_token, "byte")));
  table += Line(
      "buffers", plan.buffers,
      Cat("up to ", plan.pass_tokens, plan.pass_tokens == 1 ? " token" : " tokens", " in one pass, logits, sampling"));
  return table + Line("total", plan.Total(), "");
}

Json ToJson(const PlanOptions& options, const ModelFiles& files, const MemoryPlan& plan, uint64_t available) {
  return {{"weights_bytes", plan.all_weights},
          {"weights_from", files.weights == nullptr ? "config"
                           : options.shape.given()  ? "shape"
                                                    : "tensors"},
          {"resident_weights_bytes", plan.weights},
          {"embedding_rows_bytes", plan.embedding_rows},
          {"cache_bytes", plan.cache},
          {"cache_bytes_per_token", plan.cache_per_token},
          {"buffers_bytes", plan.buffers},
          {"program_bytes", plan.program},
          {"total_bytes", plan.Total()},
          {"available_bytes", available},
          {"context", plan.context},
          {"users", options.users},
          {"fits", available == 0 || plan.Total() <= available}};
}

Status Plan(const PlanOptions& options, Invocation& call) {
  ThreadPool pool(1);
  const ModelFiles files = OCTET_TRY(OpenFiles(options, call, pool));
  const MemoryPlan plan =
      OCTET_TRY(PlanMemory(files, {.context = options.context,
                                   .users = options.users,
                                   .chunk = options.chunk,
                                   .threads = options.threads == 0 ? ThreadPool::AvailableCores() : options.threads,
                                   .load = options.load == "copy" ? LoadMode::kCopy : LoadMode::kMap,
                                   .cache = CacheOf(options.kv)}));
  const uint64_t available = AvailableMemory();
  if (call.json()) return call.PrintJson(ToJson(options, files, plan, available));
  OCTET_TRY(call.Print(Table(options, files, plan)));
  if (available != 0 && plan.Total() > available) {
    call.Note(Cat("this machine has ", available / 1000000, " MB left: use a smaller --context or fewer --users"));
  }
  return {};
}

const RegisterVerb kPlan(MakeVerb<PlanOptions>({.name = "plan",
                                                .words = "[MODEL]",
                                                .summary = "memory that a model will take, before it is loaded",
                                                .example = "octet plan build/models/fp8 --context 4096 --users 4"},
                                               Plan));

}  // namespace
}  // namespace octet::cli
