// What this machine can do at most with one thread, measured in the same run as the kernels that are held against it.
#pragma once

#include <cstddef>
#include <ctime>

namespace octet::bench {

// Seconds that this thread has computed.
inline double ThreadSeconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The quickest of `repetitions` runs, in seconds of computing: on a shared machine the rest tells of the neighbours.
template <class Body>
double BestSeconds(int repetitions, Body&& body) {
  double best = 1e30;
  for (int i = 0; i < repetitions; ++i) {
    const double start = ThreadSeconds();
    body();
    const double seconds = ThreadSeconds() - start;
    best = seconds < best ? seconds : best;
  }
  return best;
}

// Bytes per second of reading 256 MB once.
double MemoryBandwidth();

// Floating-point operations per second of the widest FP32 FMAs of the tier (16 lanes, or 8 for "avx2"), and of
// vdpbf16ps; 0 where the CPU lacks the instruction.
double FmaRate(const char* tier);
double Bf16DotRate();
// Of tdpbf16ps on four tiles of sums; 0 without AMX.
double TileRate();

// Integer operations per second of vpdpbusd, or, on the tier "avx2", a third of those of vpmaddubsw, which needs two
// more instructions for what vpdpbusd does.
double Int8DotRate(const char* tier);

}  // namespace octet::bench
