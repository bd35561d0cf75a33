// Speed of the matrix products of each tier with one thread, after a check against the reference.
//
//   bench_gemm [ROWS ...] [COLUMNSxDEPTH] [NAME ...]   default 1 4 8 32 128 512, 1536x640, all formats and tiers
//   bench_gemm 1 128 nvfp4                             those whose names begin so
//   bench_gemm 512 896x4864 bf16 amx                   on a tier
//
// One line per pair of formats and row count: GB/s of packed weights (of more copies than the caches hold, up to 8
// rows) beside the memory's bandwidth, GFLOP/s beside the rate of the tier's multiplying instruction.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "bench/gemm/limits.h"
#include "kernels/kernel_table.h"

namespace octet::bench {
namespace {

using namespace octet::kernels;

constexpr size_t kGroup = 128;  // the longest group of inputs that is measured

// Of the weights. The depth is a multiple of every group.
struct Shape {
  size_t columns = 1536, depth = 640;
};

struct Formats {
  WeightFormat weights;
  ActivationFormat read;
  const char* name;
};
constexpr Formats kFormats[] = {
    {WeightFormat::kF32, ActivationFormat::kF32, "f32"},
    {WeightFormat::kBf16, ActivationFormat::kBf16, "bf16"},
    {WeightFormat::kE4M3, ActivationFormat::kBf16, "e4m3"},
    {WeightFormat::kE4M3Block, ActivationFormat::kBf16, "e4m3/128"},
    {WeightFormat::kNvfp4, ActivationFormat::kBf16, "nvfp4"},
    {WeightFormat::kNvfp4, ActivationFormat::kInt8, "nvfp4 x int8"},
    {WeightFormat::kNvfp4, ActivationFormat::kNvfp4, "nvfp4 x nvfp4"},
    {WeightFormat::kInt8, ActivationFormat::kInt8, "int8 x int8"},
    {WeightFormat::kInt8, ActivationFormat::kBf16, "int8"},
    {WeightFormat::kInt4Group32, ActivationFormat::kInt8, "int4/32 x int8"},
    {WeightFormat::kInt4Group32, ActivationFormat::kBf16, "int4/32"},
    {WeightFormat::kInt4Group64, ActivationFormat::kInt8, "int4/64 x int8"},
    {WeightFormat::kInt4Group128, ActivationFormat::kInt8, "int4/128 x int8"},
    {WeightFormat::kInt4Zeros32, ActivationFormat::kInt8, "int4z/32 x int8"},
};

// Whether a tier multiplies integers by the instruction of Int8DotRate; tiles take over those of INT8 weights.
bool MultipliesBytes(const Formats& formats, bool is_tiled) {
  if (formats.read == ActivationFormat::kInt8) return !is_tiled || formats.weights != WeightFormat::kInt8;
  return formats.read == ActivationFormat::kNvfp4 && !is_tiled;
}

bool IsTiled(const KernelTable& kernels) { return std::string_view(kernels.name) == "amx"; }

struct Task {
  Task(const Formats& formats, const Shape& shape, size_t row_count)
      : format(formats.weights),
        read(formats.read),
        columns(shape.columns),
        depth(shape.depth),
        rows(row_count),
        x(rows * depth),
        out(rows * columns) {
    const size_t bytes = PackedBytes(format, columns, depth);
    copies = rows <= 8 ? std::max<size_t>(1, (size_t{192} << 20) / bytes) : 1;
    weights.resize(copies * bytes + 64);
    first = weights.data() + (64 - reinterpret_cast<uintptr_t>(weights.data()) % 64);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7919 % 2001) - 1000) / 1000;
    std::vector<float> values(columns * depth);
    std::vector<uint8_t> codes(columns * depth);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(static_cast<int>(i * 104729 % 2001) - 1000) / 500;
      codes[i] = static_cast<uint8_t>(i * 31 % 255 == 127 ? 0 : i * 31 % 255);
    }
    if (format == WeightFormat::kF32) PackWeightsF32(values.data(), columns, depth, first);
    if (format == WeightFormat::kBf16) PackWeightsBf16(values.data(), columns, depth, first);
    if (format == WeightFormat::kE4M3) PackWeightsE4M3(codes.data(), columns, depth, first);
    if (format == WeightFormat::kE4M3Block) {
      const std::vector<float> scales(columns * Fp8Blocks(depth), 0.125F);
      PackWeightsE4M3Block(codes.data(), scales.data(), columns, depth, first);
    }
    if (format == WeightFormat::kNvfp4) {
      for (uint8_t& code : codes) code &= 15;
      const std::vector<uint8_t> scales(columns * depth / kNvfp4Block, 0x38);
      PackWeightsNvfp4(codes.data(), scales.data(), columns, depth, first);
    }
    if (IsInteger(format)) PackIntegers();
    for (size_t copy = 1; copy < copies; ++copy) std::copy_n(first, bytes, first + copy * bytes);
    packed.resize(read == ActivationFormat::kInt8 ? Int8ActivationBytes(format, rows, depth)
                                                  : ActivationBytes(read, rows, depth));
    row_scales.resize(rows, 1);
  }

  void PackIntegers() {
    std::vector<int8_t> codes(columns * depth);
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<int8_t>(static_cast<int>(i * 31 % (format == WeightFormat::kInt8 ? 255 : 15)) -
                                     (format == WeightFormat::kInt8 ? 127 : 7));
    if (format == WeightFormat::kInt8) return PackWeightsInt8(codes.data(), columns, depth, first);
    const std::vector<Fp16> scales(columns * IntegerGroups(format, depth), ToFp16(0.125F));
    if (!HasZeros(format)) return PackWeightsInt4(format, codes.data(), scales.data(), columns, depth, first);
    const std::vector<uint8_t> zeros(scales.size(), 8);
    for (int8_t& code : codes) code = static_cast<int8_t>(code + 8);
    PackWeightsInt4Zeros({format, reinterpret_cast<const uint8_t*>(codes.data()), scales.data(), zeros.data()}, columns,
                         depth, first);
  }

  void Multiply(const KernelTable& kernels, size_t copy, size_t first_panel, size_t end_panel) {
    kernels.GemmOf(format, read)({.weights = first + copy * PackedBytes(format, columns, depth),
                                  .activations = packed.data(),
                                  .row_scales = row_scales.data(),
                                  .out = out.data(),
                                  .out_stride = columns,
                                  .rows = rows,
                                  .depth = depth,
                                  .columns = columns,
                                  .first_panel = first_panel,
                                  .end_panel = end_panel});
  }

  void Pack(const KernelTable& kernels) {
    const KernelTable::PackArgs args{.x = x.data(),
                                     .stride = depth,
                                     .rows = rows,
                                     .depth = depth,
                                     .padded_depth = depth,
                                     .packed = packed.data(),
                                     .row_scales = row_scales.data(),
                                     .end_block = RowBlocks(rows),
                                     .weights = format};
    (read == ActivationFormat::kInt8    ? kernels.pack_activations_int8
     : read == ActivationFormat::kNvfp4 ? kernels.pack_activations_nvfp4
     : read == ActivationFormat::kF32   ? kernels.pack_activations_f32
                                        : kernels.pack_activations_bf16)(args);
  }

  // The first two panels and the last must have the reference's bits; the tiles' sums, in another order, differ in the
  // last ones.
  bool Agrees(const KernelTable& kernels) {
    MultiplyEnds(*AvailableTiers().front());
    const std::vector<float> want = out;
    MultiplyEnds(kernels);
    if (!IsTiled(kernels)) return want == out;
    double norm = 0, difference = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      norm += double{want[i]} * want[i];
      difference += (double{out[i]} - want[i]) * (double{out[i]} - want[i]);
    }
    return difference <= norm * 1e-12;
  }

  void MultiplyEnds(const KernelTable& kernels) {
    const size_t panels = Panels(columns);
    Pack(kernels);
    Multiply(kernels, 0, 0, std::min<size_t>(2, panels));
    Multiply(kernels, 0, panels - 1, panels);
  }

  WeightFormat format;
  ActivationFormat read;
  size_t columns, depth, rows, copies = 1;
  std::vector<float> x, out, row_scales;
  std::vector<std::byte> weights, packed;
  std::byte* first = nullptr;
};

// What the command line asks for; empty lists stand for all.
struct Wanted {
  std::vector<size_t> rows;
  std::vector<std::string_view> formats, tiers;
  Shape shape;
};

bool IsWanted(std::string_view name, const std::vector<std::string_view>& beginnings) {
  return beginnings.empty() || std::any_of(beginnings.begin(), beginnings.end(),
                                           [&](std::string_view beginning) { return name.starts_with(beginning); });
}

bool IsTier(std::string_view name) {
  const auto tiers = AvailableTiers();
  return std::any_of(tiers.begin(), tiers.end(), [&](const KernelTable* tier) { return name == tier->name; });
}

bool IsFormat(std::string_view word) {
  return std::any_of(std::begin(kFormats), std::end(kFormats),
                     [&](const Formats& formats) { return std::string_view(formats.name).starts_with(word); });
}

// Adds what one word asks for. False where it means nothing.
bool Add(std::string_view word, Wanted& wanted) {
  const auto number = [](std::string_view digits, size_t& to) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
    return error == std::errc() && end == digits.data() + digits.size() && to > 0;
  };
  size_t rows = 0;
  if (number(word, rows)) return wanted.rows.push_back(rows), true;
  if (const size_t by = word.find('x'); by != word.npos && number(word.substr(0, by), wanted.shape.columns))
    return number(word.substr(by + 1), wanted.shape.depth) && wanted.shape.depth % kGroup == 0;
  if (IsTier(word)) return wanted.tiers.push_back(word), true;
  if (IsFormat(word)) return wanted.formats.push_back(word), true;
  return false;
}

int Run(const Wanted& wanted) {
  const auto [columns, depth] = wanted.shape;
  const double memory = MemoryBandwidth(), dot = Bf16DotRate();
  fmt::print("limits with one thread: memory {:.1f} GB/s, vdpbf16ps {:.0f} GFLOP/s\n", memory * 1e-9, dot * 1e-9);
  for (const KernelTable* tier : AvailableTiers().subspan(1)) {
    if (!wanted.tiers.empty() && !std::count(wanted.tiers.begin(), wanted.tiers.end(), tier->name)) continue;
    const double fma = FmaRate(tier->name), int8_dot = Int8DotRate(tier->name);
    for (const Formats& formats : kFormats) {
      if (!IsWanted(formats.name, wanted.formats)) continue;
      const bool is_float = formats.weights == WeightFormat::kF32;
      const bool dots = std::string_view(tier->name) == "avx512_bf16" && !is_float;
      const bool tiles = IsTiled(*tier) && !is_float;
      const double rate = tiles ? TileRate() * (formats.read == ActivationFormat::kInt8 ? 2 : 1) : dots ? dot : fma;
      const double peak = MultipliesBytes(formats, tiles) ? int8_dot : rate;
      for (size_t rows : wanted.rows) {
        Task task(formats, wanted.shape, rows);
        if (!task.Agrees(*tier)) {
          fmt::print(stderr, "{} gemm {} with {} rows differs from the reference\n", tier->name, formats.name, rows);
          return 1;
        }
        const double seconds = BestSeconds(rows <= 8 ? 5 : 9,
                                           [&] {
                                             for (size_t copy = 0; copy < task.copies; ++copy)
                                               task.Multiply(*tier, copy, 0, Panels(columns));
                                           }) /
                               static_cast<double>(task.copies);
        const double bytes = static_cast<double>(PackedBytes(formats.weights, columns, depth)) / seconds;
        const double operations = 2.0 * static_cast<double>(rows * columns * depth) / seconds;
        fmt::print(
            "gemm {:15} M={:<3} N={} K={}  {:11}  {:5.1f} GB/s = {:3.0f}% of memory  {:6.1f} GFLOP/s = {:3.0f}% of "
            "{:.0f}\n",
            formats.name, rows, columns, depth, tier->name, bytes * 1e-9, 100 * bytes / memory, operations * 1e-9,
            100 * operations / peak, peak * 1e-9);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  octet::bench::Wanted wanted;
  for (int i = 1; i < argc; ++i) {
    if (octet::bench::Add(argv[i], wanted)) continue;
    fmt::print(stderr,
               "bench_gemm: `{}` is no count of rows, no COLUMNSxDEPTH with a depth in multiples of {}, no format and "
               "no tier of this CPU\nbench_gemm [ROWS ...] [COLUMNSxDEPTH] [NAME ...]; example: bench_gemm 1 128 "
               "896x4864 nvfp4 avx2\n",
               argv[i], octet::bench::kGroup);
    return 2;
  }
  if (wanted.rows.empty()) wanted.rows = {1, 4, 8, 32, 128, 512};
  return octet::bench::Run(wanted);
}
