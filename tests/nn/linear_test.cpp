#include "nn/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "numeric/fp8.h"
#include "numeric/int8.h"

namespace octet::nn {
namespace {

using kernels::ActivationFormat;
using kernels::WeightFormat;

constexpr size_t kRows = 19, kDepth = 70, kColumns = 45;

float Number(size_t i) { return static_cast<float>(static_cast<int>(i * 7919 % 1009) - 504) / 128; }

std::vector<float> Numbers(size_t count) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = Number(i);
  return out;
}

int8_t CodeOf(size_t column, size_t k) { return static_cast<int8_t>((column * 31 + k * 17) % 255); }

PackedMatrix Shape(WeightFormat format, size_t depth) {
  PackedMatrix matrix;
  matrix.format = format;
  matrix.columns = kColumns;
  matrix.depth = depth;
  return matrix;
}

// INT8 weights with scales and a bias.
struct Int8Linear {
  Int8Linear() : buffer(*AlignedBuffer::Allocate(kernels::PackedBytes(WeightFormat::kInt8, kColumns, kDepth))) {
    std::vector<int8_t> codes(kColumns * kDepth);
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = CodeOf(i / kDepth, i % kDepth);
    kernels::PackWeightsInt8(codes.data(), kColumns, kDepth, buffer->data());
  }
  PackedMatrix Matrix() const {
    PackedMatrix matrix = Shape(WeightFormat::kInt8, kDepth);
    matrix.panels = buffer->bytes();
    matrix.column_scales = scales;
    matrix.bias = bias;
    return matrix;
  }

  std::shared_ptr<AlignedBuffer> buffer;
  std::vector<float> scales = Numbers(kColumns), bias = Numbers(kColumns);
};

// Sums of the codes are integers, so that only the three steps behind them round.
float Want(const Int8Linear& linear, const std::vector<float>& x, size_t row, size_t column) {
  float amax = 0;
  for (size_t k = 0; k < kDepth; ++k) amax = std::max(amax, std::fabs(x[row * kDepth + k]));
  const float scale = amax / 127, inverse = 1 / scale;
  int sum = 0;
  for (size_t k = 0; k < kDepth; ++k) sum += ToInt8(x[row * kDepth + k] * inverse).code * CodeOf(column, k);
  return static_cast<float>(sum) * linear.scales[column] * scale + linear.bias[column];
}

ActivationFormat FormatOf(ActivationMode mode, WeightFormat weights) {
  ThreadPool pool(1);
  ExecutionContext context(pool, kernels::ActiveKernels());
  context.activations = mode;
  const std::vector<float> x = Numbers(kDepth);
  const PackedMatrix matrix = Shape(weights, kDepth);
  return PackRows(context, matrix, {x.data(), kDepth, 1, kDepth}, [](size_t, size_t) {})->format;
}

TEST(Linear, IntegerWeightsTakeInt8UnlessBf16IsAskedFor) {
  for (const WeightFormat weights : {WeightFormat::kInt8, WeightFormat::kInt4Group32, WeightFormat::kInt4Zeros128}) {
    EXPECT_EQ(FormatOf(ActivationMode::kAuto, weights), ActivationFormat::kInt8);
    EXPECT_EQ(FormatOf(ActivationMode::kInt8, weights), ActivationFormat::kInt8);
    EXPECT_EQ(FormatOf(ActivationMode::kBf16, weights), ActivationFormat::kBf16);
    EXPECT_EQ(FormatOf(ActivationMode::kE4M3, weights), ActivationFormat::kBf16);
  }
  for (const ActivationMode mode : {ActivationMode::kAuto, ActivationMode::kInt8, ActivationMode::kE4M3}) {
    EXPECT_EQ(FormatOf(mode, WeightFormat::kBf16), ActivationFormat::kBf16);
    EXPECT_EQ(FormatOf(mode, WeightFormat::kE4M3), ActivationFormat::kBf16);
    EXPECT_EQ(FormatOf(mode, WeightFormat::kF32), ActivationFormat::kF32);
  }
}

TEST(Linear, Nvfp4WeightsTakeBf16UnlessInt8OrNvfp4IsAskedFor) {
  EXPECT_EQ(FormatOf(ActivationMode::kAuto, WeightFormat::kNvfp4), ActivationFormat::kBf16);
  EXPECT_EQ(FormatOf(ActivationMode::kInt8, WeightFormat::kNvfp4), ActivationFormat::kInt8);
  EXPECT_EQ(FormatOf(ActivationMode::kNvfp4, WeightFormat::kNvfp4), ActivationFormat::kNvfp4);
  EXPECT_EQ(FormatOf(ActivationMode::kNvfp4, WeightFormat::kInt8), ActivationFormat::kBf16);
}

TEST(Linear, Int8ProductsAreThoseOfTheRoundedRowsForAnyThreads) {
  const Int8Linear linear;
  const std::vector<float> x = Numbers(kRows * kDepth);
  for (const size_t threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    ExecutionContext context(pool, kernels::ActiveKernels());
    context.activations = ActivationMode::kInt8;
    std::vector<float> out(kRows * kColumns);
    const PackedRows input =
        *PackRows(context, linear.Matrix(), {x.data(), kDepth, kRows, kDepth}, [](size_t, size_t) {});
    Multiply(context, linear.Matrix(), input, out.data(), kColumns);
    for (size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], Want(linear, x, i / kColumns, i % kColumns)) << i << " with " << threads << " threads";
  }
}

TEST(Linear, DepthWhoseIntegerSumsCouldOverflowIsRefused) {
  ThreadPool pool(1);
  ExecutionContext context(pool, kernels::ActiveKernels());
  const size_t depth = kernels::kMaxIntegerDepth + 1;
  const PackedMatrix matrix = Shape(WeightFormat::kInt8, depth);
  const Result<PackedRows> packed = PackRows(context, matrix, {nullptr, depth, 1, depth}, [](size_t, size_t) {});
  ASSERT_FALSE(packed.has_value());
  EXPECT_EQ(packed.error().message,
            "int8 activations of 131076 inputs could overflow their sums, 131072 are possible; use BF16 activations");
}

// Through a matrix that gives its inputs back, rows come out as blocks of 32 that share a power of two, the last of
// them short; the other modes leave them alone but for BF16.
TEST(Linear, InputsOfMxfp8WeightsAreRoundedInBlocksWithAPowerOfTwoWhereE4M3IsAskedFor) {
  constexpr size_t kWidth = 72;
  std::vector<float> identity(kWidth * kWidth, 0.0F), x = Numbers(kRows * kWidth);
  for (size_t i = 0; i < kWidth; ++i) identity[i * kWidth + i] = 1;
  std::fill_n(x.begin() + 32, 32, 0.0F);  // a block of zeros
  const auto buffer = *AlignedBuffer::Allocate(kernels::PackedBytes(WeightFormat::kBf16, kWidth, kWidth));
  kernels::PackWeightsBf16(identity.data(), kWidth, kWidth, buffer->data());
  PackedMatrix matrix = Shape(WeightFormat::kBf16, kWidth);
  matrix.columns = kWidth;
  matrix.panels = buffer->bytes();
  matrix.takes_mx_inputs = true;
  std::vector<float> want(x.size()), got(x.size());
  for (size_t first = 0; first < x.size(); first += first % kWidth == 64 ? 8 : 32) {
    const size_t end = first + (first % kWidth == 64 ? 8 : 32);
    float amax = 0;
    for (size_t i = first; i < end; ++i) amax = std::max(amax, std::fabs(x[i]));
    const float scale = amax == 0 ? 0x1p-127F : std::exp2(std::ceil(std::log2(amax / 448)));
    for (size_t i = first; i < end; ++i) want[i] = ToFloat(ToE4M3(x[i] / scale)) * scale;
  }
  for (const ActivationMode mode : {ActivationMode::kE4M3, ActivationMode::kBf16}) {
    ThreadPool pool(2);
    ExecutionContext context(pool, kernels::ActiveKernels());
    context.activations = mode;
    const PackedRows rows = *PackRows(context, matrix, {x.data(), kWidth, kRows, kWidth}, [](size_t, size_t) {});
    Multiply(context, matrix, rows, got.data(), kWidth);
    EXPECT_EQ(got == want, mode == ActivationMode::kE4M3);
  }
}

// The same with INT4 weights and a scale a row, or one for all rows; on every tier.
TEST(Linear, InputsOfInt4WeightsAreRoundedToE4M3WhereThatIsAskedFor) {
  constexpr size_t kWidth = 64;
  std::vector<int8_t> identity(kWidth * kWidth, 0);
  for (size_t i = 0; i < kWidth; ++i) identity[i * kWidth + i] = 1;
  const std::vector<Fp16> ones(kWidth * kWidth / 32, ToFp16(1));
  const auto buffer = *AlignedBuffer::Allocate(kernels::PackedBytes(WeightFormat::kInt4Group32, kWidth, kWidth));
  kernels::PackWeightsInt4(WeightFormat::kInt4Group32, identity.data(), ones.data(), kWidth, kWidth, buffer->data());
  PackedMatrix matrix = Shape(WeightFormat::kInt4Group32, kWidth);
  matrix.columns = kWidth;
  matrix.panels = buffer->bytes();
  const std::vector<float> x = Numbers(kRows * kWidth);
  for (const float input_scale : {0.0F, 0.25F}) {
    matrix.input_scale = input_scale;
    std::vector<float> want(x.size()), got(x.size());
    for (size_t row = 0; row < kRows; ++row) {
      float amax = 0;
      for (size_t k = 0; k < kWidth; ++k) amax = std::max(amax, std::fabs(x[row * kWidth + k]));
      const float scale = input_scale == 0 ? amax / 448 : input_scale;
      for (size_t k = 0; k < kWidth; ++k) want[row * kWidth + k] = ToFloat(ToE4M3(x[row * kWidth + k] / scale)) * scale;
    }
    for (const kernels::KernelTable* tier : kernels::AvailableTiers()) {
      ThreadPool pool(2);
      ExecutionContext context(pool, *tier);
      context.activations = ActivationMode::kE4M3;
      const PackedRows rows = *PackRows(context, matrix, {x.data(), kWidth, kRows, kWidth}, [](size_t, size_t) {});
      Multiply(context, matrix, rows, got.data(), kWidth);
      EXPECT_EQ(got, want) << tier->name << ", scale " << input_scale;
    }
  }
}

}  // namespace
}  // namespace octet::nn
