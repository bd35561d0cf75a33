#include "bench/gemm/limits.h"

#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "kernels/cpu.h"

namespace octet::bench {
namespace {

constexpr int kRounds = 100000;

}  // namespace

double MemoryBandwidth() {
  std::vector<uint64_t> bytes(size_t{32} << 20, 1);
  volatile uint64_t sink = 0;
  const double seconds = BestSeconds(7, [&] {
    uint64_t sums[8] = {};
    for (size_t i = 0; i < bytes.size(); i += 8) {
      for (size_t lane = 0; lane < 8; ++lane) sums[lane] ^= bytes[i + lane];
    }
    sink = std::accumulate(sums, sums + 8, uint64_t{0});
  });
  return 8 * static_cast<double>(bytes.size()) / seconds;
}

#if defined(__x86_64__)

// Registers 16 to 31 are unknown to code compiled for the base instruction set, so nothing has to be saved.
#define OCTET_REPEAT(X) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27)

double FmaRate(const char* tier) {
  if (std::string_view(tier) == "avx2") {
#define OCTET_FMA(n) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #n "\n\t"
    return 12.0 * kRounds * 16 / BestSeconds(20, [] {
             for (int i = 0; i < kRounds; ++i) {
               asm volatile(OCTET_FMA(0) OCTET_FMA(1) OCTET_FMA(2) OCTET_FMA(3) OCTET_FMA(4) OCTET_FMA(5) OCTET_FMA(6)
                                OCTET_FMA(7) OCTET_FMA(8) OCTET_FMA(9) OCTET_FMA(10) OCTET_FMA(11)::
                                    : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                                      "xmm10", "xmm11");
             }
           });
#undef OCTET_FMA
  }
  if (!kernels::ThisCpu().avx512f) return 0;
#define OCTET_FMA(n) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #n "\n\t"
  return 12.0 * kRounds * 32 / BestSeconds(20, [] {
           for (int i = 0; i < kRounds; ++i) asm volatile(OCTET_REPEAT(OCTET_FMA)::);
         });
#undef OCTET_FMA
}

double Bf16DotRate() {
  if (!kernels::ThisCpu().avx512bf16) return 0;
#define OCTET_DOT(n) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" #n "\n\t"
  return 12.0 * kRounds * 64 / BestSeconds(20, [] {
           for (int i = 0; i < kRounds; ++i) asm volatile(OCTET_REPEAT(OCTET_DOT)::);
         });
#undef OCTET_DOT
}

double TileRate() {
  if (!kernels::ThisCpu().amx_bf16) return 0;
  struct alignas(64) {
    uint8_t palette = 1, other[15] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16};
  } shapes;
  asm volatile("ldtilecfg %0" ::"m"(shapes));
  const double rate = 4.0 * kRounds * 2 * 16 * 16 * 32 / BestSeconds(20, [] {
                        for (int i = 0; i < kRounds; ++i) {
                          asm volatile(
                              "tdpbf16ps %%tmm5, %%tmm4, %%tmm0\n\ttdpbf16ps %%tmm5, %%tmm4, %%tmm1\n\t"
                              "tdpbf16ps %%tmm5, %%tmm4, %%tmm2\n\ttdpbf16ps %%tmm5, %%tmm4, %%tmm3" ::);
                        }
                      });
  asm volatile("tilerelease");
  return rate;
}

double Int8DotRate(const char* tier) {
  if (std::string_view(tier) == "avx2") return FmaRate(tier) * 4 / 3;  // as many a cycle, four times the lanes
  if (!kernels::ThisCpu().avx512f) return 0;
#define OCTET_DOT(n) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #n "\n\t"
  return 12.0 * kRounds * 128 / BestSeconds(20, [] {
           for (int i = 0; i < kRounds; ++i) asm volatile(OCTET_REPEAT(OCTET_DOT)::);
         });
#undef OCTET_DOT
}

#else

double FmaRate(const char*) { return 0; }
double Int8DotRate(const char*) { return 0; }
double Bf16DotRate() { return 0; }
double TileRate() { return 0; }

#endif

}  // namespace octet::bench
