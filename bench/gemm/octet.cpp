// Speed of the matrix products of each tier with one thread, after a check against the reference.
//
//   bench_gemm [ROWS ...]        default 1 4 8 32 128 512
//
// One line per format and row count: GB/s of packed weights (of more copies than the caches hold, up to 8 rows) beside
// the memory's bandwidth, GFLOP/s beside the rate of the tier's multiplying instruction.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "bench/gemm/limits.h"
#include "kernels/kernel_table.h"

namespace octet::bench {
namespace {

using namespace octet::kernels;

constexpr size_t kColumns = 1536, kDepth = 640;  // a multiple of every group
constexpr WeightFormat kFormats[] = {
    WeightFormat::kF32,          WeightFormat::kBf16,       WeightFormat::kE4M3,        WeightFormat::kE4M3Block,
    WeightFormat::kNvfp4,        WeightFormat::kInt8,       WeightFormat::kInt4Group32, WeightFormat::kInt4Group64,
    WeightFormat::kInt4Group128, WeightFormat::kInt4Zeros32};
constexpr const char* kNames[] = {"f32",  "bf16",    "e4m3",    "e4m3/128", "nvfp4",
                                  "int8", "int4/32", "int4/64", "int4/128", "int4z/32"};

// Integer weights are measured with int8 activations.
ActivationFormat Read(WeightFormat format) {
  return IsInteger(format) ? ActivationFormat::kInt8 : ActivationsOf(format);
}

bool IsTiled(const KernelTable& kernels) { return std::string_view(kernels.name) == "amx"; }

struct Task {
  Task(WeightFormat weight_format, size_t row_count)
      : format(weight_format), rows(row_count), x(rows * kDepth), out(rows * kColumns) {
    const size_t bytes = PackedBytes(format, kColumns, kDepth);
    copies = rows <= 8 ? (size_t{192} << 20) / bytes : 1;
    weights.resize(copies * bytes + 64);
    first = weights.data() + (64 - reinterpret_cast<uintptr_t>(weights.data()) % 64);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7919 % 2001) - 1000) / 1000;
    std::vector<float> values(kColumns * kDepth);
    std::vector<uint8_t> codes(kColumns * kDepth);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(static_cast<int>(i * 104729 % 2001) - 1000) / 500;
      codes[i] = static_cast<uint8_t>(i * 31 % 255 == 127 ? 0 : i * 31 % 255);
    }
    if (format == WeightFormat::kF32) PackWeightsF32(values.data(), kColumns, kDepth, first);
    if (format == WeightFormat::kBf16) PackWeightsBf16(values.data(), kColumns, kDepth, first);
    if (format == WeightFormat::kE4M3) PackWeightsE4M3(codes.data(), kColumns, kDepth, first);
    if (format == WeightFormat::kE4M3Block) {
      const std::vector<float> scales(kColumns * Fp8Blocks(kDepth), 0.125F);
      PackWeightsE4M3Block(codes.data(), scales.data(), kColumns, kDepth, first);
    }
    if (format == WeightFormat::kNvfp4) {
      for (uint8_t& code : codes) code &= 15;
      const std::vector<uint8_t> scales(kColumns * kDepth / kNvfp4Block, 0x38);
      PackWeightsNvfp4(codes.data(), scales.data(), kColumns, kDepth, first);
    }
    if (IsInteger(format)) PackIntegers();
    for (size_t copy = 1; copy < copies; ++copy) std::copy_n(first, bytes, first + copy * bytes);
    packed.resize(IsInteger(format) ? Int8ActivationBytes(format, rows, kDepth)
                                    : ActivationBytes(Read(format), rows, kDepth));
    row_scales.resize(rows, 1);
  }

  void PackIntegers() {
    std::vector<int8_t> codes(kColumns * kDepth);
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<int8_t>(static_cast<int>(i * 31 % (format == WeightFormat::kInt8 ? 255 : 15)) -
                                     (format == WeightFormat::kInt8 ? 127 : 7));
    if (format == WeightFormat::kInt8) return PackWeightsInt8(codes.data(), kColumns, kDepth, first);
    const std::vector<Fp16> scales(kColumns * IntegerGroups(format, kDepth), ToFp16(0.125F));
    if (!HasZeros(format)) return PackWeightsInt4(format, codes.data(), scales.data(), kColumns, kDepth, first);
    const std::vector<uint8_t> zeros(scales.size(), 8);
    for (int8_t& code : codes) code = static_cast<int8_t>(code + 8);
    PackWeightsInt4Zeros({format, reinterpret_cast<const uint8_t*>(codes.data()), scales.data(), zeros.data()},
                         kColumns, kDepth, first);
  }

  void Multiply(const KernelTable& kernels, size_t copy, size_t panels) {
    kernels.GemmOf(format, Read(format))({.weights = first + copy * PackedBytes(format, kColumns, kDepth),
                                          .activations = packed.data(),
                                          .row_scales = row_scales.data(),
                                          .out = out.data(),
                                          .out_stride = kColumns,
                                          .rows = rows,
                                          .depth = kDepth,
                                          .columns = kColumns,
                                          .end_panel = panels});
  }

  void Pack(const KernelTable& kernels) {
    const KernelTable::PackArgs args{.x = x.data(),
                                     .stride = kDepth,
                                     .rows = rows,
                                     .depth = kDepth,
                                     .padded_depth = kDepth,
                                     .packed = packed.data(),
                                     .row_scales = row_scales.data(),
                                     .end_block = RowBlocks(rows),
                                     .weights = format};
    (IsInteger(format)              ? kernels.pack_activations_int8
     : format == WeightFormat::kF32 ? kernels.pack_activations_f32
                                    : kernels.pack_activations_bf16)(args);
  }

  // The first two panels must have the reference's bits; the tiles' sums, in another order, differ in the last ones.
  bool Agrees(const KernelTable& kernels) {
    Pack(*AvailableTiers().front());
    Multiply(*AvailableTiers().front(), 0, 2);
    const std::vector<float> want = out;
    Pack(kernels);
    Multiply(kernels, 0, 2);
    if (!IsTiled(kernels)) return want == out;
    double norm = 0, difference = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      norm += double{want[i]} * want[i];
      difference += (double{out[i]} - want[i]) * (double{out[i]} - want[i]);
    }
    return difference <= norm * 1e-12;
  }

  WeightFormat format;
  size_t rows, copies = 1;
  std::vector<float> x, out, row_scales;
  std::vector<std::byte> weights, packed;
  std::byte* first = nullptr;
};

int Run(const std::vector<size_t>& row_counts) {
  const double memory = MemoryBandwidth(), dot = Bf16DotRate();
  fmt::print("limits with one thread: memory {:.1f} GB/s, vdpbf16ps {:.0f} GFLOP/s\n", memory * 1e-9, dot * 1e-9);
  for (const KernelTable* tier : AvailableTiers().subspan(1)) {
    const double fma = FmaRate(tier->name), int8_dot = Int8DotRate(tier->name);
    for (WeightFormat format : kFormats) {
      const bool dots = std::string_view(tier->name) == "avx512_bf16" && format != WeightFormat::kF32;
      const bool tiles = IsTiled(*tier) && format != WeightFormat::kF32;
      const double rate = tiles ? TileRate() * (IsInteger(format) ? 2 : 1) : dots ? dot : fma;
      const double peak = IsInteger(format) && !tiles ? int8_dot : rate;
      for (size_t rows : row_counts) {
        Task task(format, rows);
        if (!task.Agrees(*tier)) {
          fmt::print(stderr, "{} gemm {} with {} rows differs from the reference\n", tier->name, kNames[size_t(format)],
                     rows);
          return 1;
        }
        const double seconds = BestSeconds(rows <= 8 ? 5 : 9,
                                           [&] {
                                             for (size_t copy = 0; copy < task.copies; ++copy)
                                               task.Multiply(*tier, copy, Panels(kColumns));
                                           }) /
                               static_cast<double>(task.copies);
        const double bytes = static_cast<double>(PackedBytes(format, kColumns, kDepth)) / seconds;
        const double operations = 2.0 * static_cast<double>(rows * kColumns * kDepth) / seconds;
        fmt::print(
            "gemm {:8} M={:<3} N={} K={}  {:11}  {:5.1f} GB/s = {:3.0f}% of memory  {:6.1f} GFLOP/s = {:3.0f}% of "
            "{:.0f}\n",
            kNames[size_t(format)], rows, kColumns, kDepth, tier->name, bytes * 1e-9, 100 * bytes / memory,
            operations * 1e-9, 100 * operations / peak, peak * 1e-9);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  std::vector<size_t> rows;
  for (int i = 1; i < argc; ++i) rows.push_back(std::max(1ul, std::strtoul(argv[i], nullptr, 10)));
  if (rows.empty()) rows = {1, 4, 8, 32, 128, 512};
  return octet::bench::Run(rows);
}
