// What this processor is and which kernel tiers it can run.
//
//   for (const TierSupport& tier : SupportedTiers()) print(tier.name, tier.missing.empty() ? "runs" : "needs " +
//   tier.missing);
//
// Features count only where the operating system saves their registers (XCR0), not by CPUID alone.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octet::kernels {

struct CpuFeatures {
  bool avx2 = false, fma = false, f16c = false;
  bool avx512f = false, avx512bw = false, avx512dq = false, avx512vl = false, avx512vnni = false, avx512vbmi = false;
  bool avx512bf16 = false;
  // Whether vdpbf16ps multiplies more in a cycle than FP32 FMAs do. Sapphire Rapids starts one in two cycles (half the
  // FMAs' rate), Zen 4 one a cycle (twice the FMAs' rate): taken by vendor.
  bool bf16_dot_pays = false;
  bool amx_tile = false, amx_bf16 = false, amx_int8 = false;
};

const CpuFeatures& ThisCpu();

// As the processor spells it, "AMD Ryzen 7 7840U"; empty where it doesn't say.
std::string CpuModelName();

// Names of the features above that this CPU has, as /proc/cpuinfo spells them.
std::vector<std::string_view> CpuFeatureNames();

struct TierSupport {
  std::string_view name;
  std::string missing;  // features that this CPU lacks, separated by commas; empty where the tier runs
};

// Every tier of this build, lowest first.
std::span<const TierSupport> SupportedTiers();

}  // namespace octet::kernels
