#include "kernels/cpu.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace octet::kernels {
namespace {

#if defined(__x86_64__)

struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf ReadLeaf(uint32_t leaf, uint32_t subleaf = 0) {
  Leaf out;
  if (!__get_cpuid_count(leaf, subleaf, &out.eax, &out.ebx, &out.ecx, &out.edx)) return {};
  return out;
}

bool Bit(uint32_t word, int bit) { return (word >> bit & 1) != 0; }

// Which register files the operating system saves; 0 where it can't be asked.
uint64_t SavedRegisters(const Leaf& one) {
  if (!Bit(one.ecx, 27)) return 0;  // OSXSAVE
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

bool IsIntel() {
  const Leaf zero = ReadLeaf(0);
  return zero.ebx == signature_INTEL_ebx && zero.edx == signature_INTEL_edx && zero.ecx == signature_INTEL_ecx;
}

// Linux saves the eight kilobytes of a thread's tiles only for processes that have asked for it.
bool MayUseTiles() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

CpuFeatures Detect() {
  const Leaf one = ReadLeaf(1), seven = ReadLeaf(7), seven_one = ReadLeaf(7, 1);
  const uint64_t saved = SavedRegisters(one);
  const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xE6) == 0xE6,
             tiles = (saved & 0x60000) == 0x60000 && MayUseTiles();
  CpuFeatures out;
  out.avx2 = ymm && Bit(seven.ebx, 5);
  out.fma = ymm && Bit(one.ecx, 12);
  out.f16c = ymm && Bit(one.ecx, 29);
  out.avx512f = zmm && Bit(seven.ebx, 16);
  out.avx512dq = zmm && Bit(seven.ebx, 17);
  out.avx512bw = zmm && Bit(seven.ebx, 30);
  out.avx512vl = zmm && Bit(seven.ebx, 31);
  out.avx512vbmi = zmm && Bit(seven.ecx, 1);
  out.avx512vnni = zmm && Bit(seven.ecx, 11);
  out.avx512bf16 = zmm && Bit(seven_one.eax, 5);
  out.bf16_dot_pays = out.avx512bf16 && !IsIntel();
  out.amx_bf16 = tiles && Bit(seven.edx, 22);
  out.amx_tile = tiles && Bit(seven.edx, 24);
  out.amx_int8 = tiles && Bit(seven.edx, 25);
  return out;
}

#else

CpuFeatures Detect() { return {}; }

#endif

struct NamedFeature {
  std::string_view name;
  bool CpuFeatures::*member;
};

constexpr NamedFeature kFeatures[] = {
    {"avx2", &CpuFeatures::avx2},
    {"fma", &CpuFeatures::fma},
    {"f16c", &CpuFeatures::f16c},
    {"avx512f", &CpuFeatures::avx512f},
    {"avx512bw", &CpuFeatures::avx512bw},
    {"avx512dq", &CpuFeatures::avx512dq},
    {"avx512vl", &CpuFeatures::avx512vl},
    {"avx512_vnni", &CpuFeatures::avx512vnni},
    {"avx512vbmi", &CpuFeatures::avx512vbmi},
    {"avx512_bf16", &CpuFeatures::avx512bf16},
    {"amx_tile", &CpuFeatures::amx_tile},
    {"amx_bf16", &CpuFeatures::amx_bf16},
    {"amx_int8", &CpuFeatures::amx_int8},
};

// The names of features first .. first + count - 1 that are missing.
std::string Missing(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    if (ThisCpu().*kFeatures[i].member) continue;
    if (!out.empty()) out += ", ";
    out += kFeatures[i].name;
  }
  return out;
}

}  // namespace

const CpuFeatures& ThisCpu() {
  static const CpuFeatures features = Detect();
  return features;
}

std::string CpuModelName() {
#if defined(__x86_64__)
  char text[49] = {};
  if (ReadLeaf(0x80000000).eax < 0x80000004) return "";
  for (uint32_t part = 0; part < 3; ++part) {
    const Leaf leaf = ReadLeaf(0x80000002 + part);
    std::memcpy(text + 16 * part, &leaf, 16);
  }
  std::string_view name = text;
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
  return std::string(name);
#else
  return "";
#endif
}

std::vector<std::string_view> CpuFeatureNames() {
  std::vector<std::string_view> out;
  for (const NamedFeature& feature : kFeatures) {
    if (ThisCpu().*feature.member) out.push_back(feature.name);
  }
  return out;
}

std::span<const TierSupport> SupportedTiers() {
  // The features stand in the order in which the tiers need them.
#if defined(__x86_64__)
  static const TierSupport tiers[] = {{"reference", ""},
                                      {"avx2", Missing(3)},
                                      {"avx512", Missing(9)},
                                      {"avx512_bf16", Missing(10)},
                                      {"amx", Missing(13)}};
#else
  static const TierSupport tiers[] = {{"reference", ""}};
#endif
  return tiers;
}

}  // namespace octet::kernels
