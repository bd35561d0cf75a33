#include "engine/memory_plan.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/checked.h"
#include "base/counted.h"
#include "base/memory.h"
#include "models/kv_scheme.h"
#include "models/step_memory.h"
#include "nn/kv_layout.h"
#include "tensor/weight_arena.h"

namespace octet {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kWindow = 65536;   // of a mapped file, that one read brings in
constexpr size_t kSamplingBytes = 8;  // per user and token of the vocabulary: logits, and weights or changed logits

// Resident bytes of memory that asks for huge pages and of which so much is written.
uint64_t InPages(uint64_t bytes) {
  const uint64_t huge = HugePageBytes();
  return RoundUp(bytes, bytes >= huge ? huge : kPage);
}

// Windows of a table of panels that `tokens` tokens of text touch, as far as can be expected. Tokenizers number
// frequent tokens first: an id occurs about as (id + 400)^-1.7, which gives the windows of English text within 6 % from
// 16 to 8,192 tokens (docs/verbs/plan.md).
uint64_t EmbeddingRows(uint64_t table_bytes, size_t vocab, size_t tokens) {
  const size_t panels = kernels::Panels(vocab);
  const uint64_t panel_bytes = table_bytes / panels;
  const auto tail = [](size_t id) { return std::pow(static_cast<double>(id) + 400, -0.7); };
  const double all = tail(0) - tail(panels * kernels::kPanelColumns);
  std::vector<double> shares(CeilDivide(table_bytes, kWindow), 0.0);
  for (size_t panel = 0; panel < panels; ++panel) {
    const size_t first = panel * kernels::kPanelColumns;
    const double share = (tail(first) - tail(first + kernels::kPanelColumns)) / all;
    const uint64_t last = ((panel + 1) * panel_bytes - 1) / kWindow;
    for (uint64_t window = panel * panel_bytes / kWindow; window <= last; ++window) shares[window] += share;
  }
  double touched = 0;
  for (const double share : shares)
    touched += 1 - std::exp(static_cast<double>(tokens) * std::log1p(-std::min(share, 0.999999)));
  return std::min(table_bytes, static_cast<uint64_t>(touched * static_cast<double>(kWindow)));
}

// Weights in place in a mapped file: all are read for every token, but for the table of embeddings where the head
// doesn't multiply with it.
void PlanMapped(const ModelFiles& files, const MemoryWish& wish, MemoryPlan& plan) {
  for (const WeightProvider::Entry& entry : files.weights->Entries()) {
    if (entry.name == "embedding" && !files.spec.tied) {
      plan.embedding_rows = EmbeddingRows(entry.bytes, files.spec.vocab, plan.context * wish.users);
    } else {
      plan.weights += RoundUp(entry.bytes, kPage);
    }
  }
}

void PlanCopied(const ModelFiles& files, MemoryPlan& plan) {
  std::vector<uint64_t> pieces;
  for (const WeightProvider::Entry& entry : files.weights->Entries()) {
    if (entry.is_matrix)
      pieces.push_back(entry.bytes);
    else
      plan.weights += entry.bytes;
  }
  plan.weights += ArenaBytes(pieces);
}

// A decoder's cache and buffers.
Status PlanSteps(const ModelFiles& files, const MemoryWish& wish, MemoryPlan& plan) {
  const kernels::CacheFormat usual = files.all_f32 ? kernels::CacheFormat::kF32 : kernels::CacheFormat::kBf16;
  const nn::KvLayout layout = OCTET_TRY(CacheLayout(files.spec.layers, wish.cache, usual));
  plan.cache_per_token = layout.bytes_per_token();
  plan.cache = InPages(uint64_t{layout.page_bytes()} * nn::KvLayout::PagesFor(plan.context) * wish.users);
  plan.pass_tokens = std::max(std::min(wish.chunk, plan.context), wish.users);
  const StepSize step{.tokens = plan.pass_tokens,
                      .sequences = wish.users,
                      .context = plan.context,
                      .threads = wish.threads,
                      .is_f32 = files.all_f32};
  plan.buffers = InPages(StepBytes(files.spec, step)) + uint64_t{wish.users} * files.spec.vocab * kSamplingBytes;
  return {};
}

// An encoder keeps nothing between its passes, and users take turns. Where there are passes for all threads each has
// its own, and what is left over is computed together.
void PlanPasses(const ModelFiles& files, const MemoryWish& wish, MemoryPlan& plan) {
  plan.pass_tokens = std::max(wish.chunk, plan.context);
  const size_t passes = wish.threads > 1 ? wish.threads + 1 : 1;
  plan.buffers = passes * InPages(EncoderStepBytes(files.spec, plan.pass_tokens, files.all_f32));
}

}  // namespace

Result<MemoryPlan> PlanMemory(const ModelFiles& files, const MemoryWish& wish) {
  if (wish.users == 0) return Fail(ErrorCode::kInvalidArgument, "a plan for 0 users; at least 1 is needed");
  if (wish.context > files.spec.max_positions) {
    return Fail(ErrorCode::kInvalidArgument, "a context of ", Counted(wish.context, "token"), " is beyond the model's ",
                files.spec.max_positions);
  }
  MemoryPlan plan;
  plan.program = ReadResidentMemory().now;
  plan.context = wish.context == 0 ? files.spec.max_positions : wish.context;
  plan.all_weights = files.weight_bytes;
  if (files.weights == nullptr) {
    plan.weights = files.weight_bytes;
  } else if (files.kind == "octet" && wish.load == LoadMode::kMap) {
    PlanMapped(files, wish, plan);
  } else {
    PlanCopied(files, plan);
  }
  if (files.spec.encoder)
    PlanPasses(files, wish, plan);
  else
    OCTET_TRY(PlanSteps(files, wish, plan));
  return plan;
}

}  // namespace octet
