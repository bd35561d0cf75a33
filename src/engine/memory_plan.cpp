#include "engine/memory_plan.h"

#include <algorithm>
#include <string>

#include "nn/kv_layout.h"

namespace octet {
namespace {

constexpr size_t kSamplingBytes = 16;  // per user and token of the vocabulary: logits twice, and candidates

Result<nn::KvLayout> CacheLayout(const ModelFiles& files, const MemoryWish& wish) {
  std::vector<nn::KvLayout::Layer> layers;
  for (const LayerSpec& layer : files.spec.layers)
    layers.push_back({layer.attn.kv_heads, layer.attn.key_dim, layer.attn.value_dim});
  const kernels::CacheFormat usual = files.all_f32 ? kernels::CacheFormat::kF32 : kernels::CacheFormat::kBf16;
  return nn::KvLayout::Make(layers, wish.cache.value_or(usual));
}

// Floats that each token of a forward pass holds, by the widest layer: the stream, its norm and a branch; queries, keys
// and values; attention's output; gate and up; and the widest input once more as the kernels read it.
size_t FloatsPerToken(const ModelSpec& spec) {
  size_t most = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttnSpec& attn = layer.attn;
    const size_t attended = attn.heads * attn.value_dim;
    const size_t qkv = (attn.heads + attn.kv_heads) * attn.key_dim + attn.kv_heads * attn.value_dim;
    most = std::max(most, 3 * spec.hidden + qkv + attended + 2 * layer.ffn.width +
                              std::max({spec.hidden, attended, layer.ffn.width}));
  }
  return most;
}

}  // namespace

Result<MemoryPlan> PlanMemory(const ModelFiles& files, const MemoryWish& wish) {
  if (wish.users == 0) return Fail(ErrorCode::kInvalidArgument, "a plan for 0 users; at least 1 is needed");
  if (wish.context > files.spec.max_positions) {
    return Fail(ErrorCode::kInvalidArgument, "a context of ", wish.context, " tokens is beyond the model's ",
                files.spec.max_positions);
  }
  const nn::KvLayout layout = OCTET_TRY(CacheLayout(files, wish));
  MemoryPlan plan;
  plan.context = wish.context == 0 ? files.spec.max_positions : wish.context;
  plan.weights = files.weight_bytes;
  plan.cache_per_token = layout.bytes_per_token();
  plan.cache = uint64_t{layout.page_bytes()} * nn::KvLayout::PagesFor(plan.context) * wish.users;
  const size_t tokens = std::max(std::min(wish.chunk, plan.context), wish.users);
  plan.workspace = uint64_t{tokens} * FloatsPerToken(files.spec) * sizeof(float) +
                   uint64_t{wish.users} * files.spec.vocab * kSamplingBytes;
  return plan;
}

}  // namespace octet
