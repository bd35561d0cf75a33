// Puts the tiers' tables together and chooses one; declared in kernels/kernel_table.h.
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/cpu.h"
#include "kernels/kernel_table.h"
#include "kernels/tiers.h"

namespace octet::kernels {
namespace {

template <class Entry>
void Replace(Entry& entry, Entry with) {
  if (with != nullptr) entry = with;
}

template <class Entry, size_t count>
void Replace(Entry (&entries)[count], const Entry (&with)[count]) {
  for (size_t i = 0; i < count; ++i) Replace(entries[i], with[i]);
}

KernelTable Overlay(const KernelTable& below, const KernelTable& tier) {
  KernelTable out = below;
  out.name = tier.name;
  Replace(out.gemm, tier.gemm);
  Replace(out.gemm_int8, tier.gemm_int8);
  Replace(out.gemm_nvfp4, tier.gemm_nvfp4);
  Replace(out.pack_activations_f32, tier.pack_activations_f32);
  Replace(out.pack_activations_bf16, tier.pack_activations_bf16);
  Replace(out.pack_activations_e4m3, tier.pack_activations_e4m3);
  Replace(out.pack_activations_e4m3_blocks, tier.pack_activations_e4m3_blocks);
  Replace(out.pack_activations_int8, tier.pack_activations_int8);
  Replace(out.pack_activations_nvfp4, tier.pack_activations_nvfp4);
  Replace(out.rms_norm, tier.rms_norm);
  Replace(out.layer_norm, tier.layer_norm);
  Replace(out.add, tier.add);
  Replace(out.scale, tier.scale);
  Replace(out.silu_multiply, tier.silu_multiply);
  Replace(out.gelu_tanh_multiply, tier.gelu_tanh_multiply);
  Replace(out.gelu_erf_multiply, tier.gelu_erf_multiply);
  Replace(out.softcap, tier.softcap);
  Replace(out.rope, tier.rope);
  Replace(out.unpack_column, tier.unpack_column);
  Replace(out.store_cache, tier.store_cache);
  Replace(out.attend, tier.attend);
  Replace(out.attend_piece, tier.attend_piece);
  Replace(out.join_pieces, tier.join_pieces);
  Replace(out.arg_max, tier.arg_max);
  Replace(out.sum_exp, tier.sum_exp);
  return out;
}

struct Tiers {
  Tiers() {
#if defined(__x86_64__)
    const KernelTable* const kinds[] = {&kReference, &kAvx2, &kAvx512, &kAvx512Bf16, &kAmx};
#else
    const KernelTable* const kinds[] = {&kReference};
#endif
    for (size_t i = 0; i < std::size(kinds); ++i) {
      if (!SupportedTiers()[i].missing.empty()) break;
      tables[count] = count == 0 ? *kinds[i] : Overlay(tables[Below(count)], *kinds[i]);
      pointers[count] = &tables[count];
      ++count;
    }
  }

  // The tier that the next one starts from: amx doesn't inherit BF16 instructions that are slower than FMAs.
  static size_t Below(size_t tier) { return tier == 4 && !ThisCpu().bf16_dot_pays ? tier - 2 : tier - 1; }

  KernelTable tables[5];
  const KernelTable* pointers[5] = {};
  size_t count = 0;
};

// The last tier, or the one below where its BF16 instructions are the slower way to the same bits.
const KernelTable* BestTier() {
  const auto available = AvailableTiers();
  const bool skip = std::string_view(available.back()->name) == "avx512_bf16" && !ThisCpu().bf16_dot_pays;
  return available[available.size() - (skip ? 2 : 1)];
}

}  // namespace

std::span<const KernelTable* const> AvailableTiers() {
  static const Tiers tiers;
  return {tiers.pointers, tiers.count};
}

Result<const KernelTable*> SelectKernels(std::string_view wish) {
  const auto available = AvailableTiers();
  if (wish.empty()) return BestTier();
  std::string names;
  for (const KernelTable* table : available) {
    if (wish == table->name) return table;
    names += names.empty() ? "" : ", ";
    names += table->name;
  }
  for (const TierSupport& tier : SupportedTiers()) {
    if (wish != tier.name) continue;
    return Fail(ErrorCode::kInvalidArgument, "the CPU tier `", wish, "` needs ", tier.missing,
                ", which this CPU lacks; it runs: ", names);
  }
  return Fail(ErrorCode::kInvalidArgument, "there is no CPU tier `", wish, "`; this CPU runs: ", names);
}

Result<const KernelTable*> WantedKernels() {
  const char* wish = std::getenv("OCTET_CPU");
  return SelectKernels(wish == nullptr ? "" : wish);
}

const KernelTable& ActiveKernels() {
  static const KernelTable* const active = WantedKernels().value_or(BestTier());
  return *active;
}

}  // namespace octet::kernels
