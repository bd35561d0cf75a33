#include <algorithm>
#include <functional>
#include <limits>

#include "tests/kernels/testing.h"

namespace octet::kernels {
namespace {

constexpr size_t kCounts[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 576, 577};

// Every float of a coarse grid over all exponents and both signs, and a fine one where functions bend.
std::vector<float> Grid() {
  std::vector<float> out;
  for (uint32_t bits = 0; bits < 0x7F800000u; bits += 0x37777u) {
    out.push_back(std::bit_cast<float>(bits));
    out.push_back(-out.back());
  }
  for (float x = -20; x < 20; x += 0x1.7p-8f) out.push_back(x);
  return out;
}

class Elementwise : public EveryTier {
 protected:
  using Gated = void (*)(const float*, const float*, size_t, float*);

  // |got - want| <= relative * |want| + absolute over the grid, with up = 1.
  void ExpectNear(Gated function, double (*want)(double), double relative, double absolute) {
    const std::vector<float> x = Grid(), ones(x.size(), 1);
    std::vector<float> got(x.size());
    function(x.data(), ones.data(), x.size(), got.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = want(x[i]);
      ASSERT_LE(std::fabs(got[i] - exact), relative * std::fabs(exact) + absolute) << "x = " << x[i];
    }
  }
};

// Outputs below the smallest normal float may be anything down to zero.
constexpr double kSmallest = std::numeric_limits<float>::min();

// An argument y of the exponential is off by |y| roundings, which its value is in proportion; values that matter have
// |y| < 90.
TEST_P(Elementwise, SiluIsXTimesTheLogisticFunction) {
  ExpectNear(
      tier().silu_multiply, [](double x) { return x / (1 + std::exp(-x)); }, 8 * kFloatEps, 100 * kSmallest);
}

TEST_P(Elementwise, GeluTanhFollowsItsFormula) {
  ExpectNear(
      tier().gelu_tanh_multiply,
      [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); },
      8 * kFloatEps,
      // Where the tail vanishes, e^u carries the roundings of u: |x e^u| 4 |u| eps, at most 8 eps for all u.
      16 * kFloatEps);
}

TEST_P(Elementwise, GeluErfFollowsItsFormula) {
  ExpectNear(
      tier().gelu_erf_multiply, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }, 16 * kFloatEps,
      16 * kFloatEps);
}

TEST_P(Elementwise, SoftcapIsRelativelyExactFromTinyToHuge) {
  for (float cap : {1.0f, 30.0f, 50.0f}) {
    std::vector<float> x = Grid(), got = x;
    tier().softcap(cap, got.size(), got.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = cap * std::tanh(double{x[i]} / cap);
      ASSERT_LE(std::fabs(got[i] - want), 8 * kFloatEps * std::fabs(want) + 64 * kSmallest) << "x = " << x[i];
    }
  }
}

TEST_P(Elementwise, GatedProductsMultiplyByUpAndMayOverwriteTheGate) {
  for (size_t count : kCounts) {
    for (auto entry :
         {&KernelTable::silu_multiply, &KernelTable::gelu_tanh_multiply, &KernelTable::gelu_erf_multiply}) {
      const std::vector<float> gate = RandomFloats(count, 1), up = RandomFloats(count, 2), ones(count, 1);
      std::vector<float> activation(count + 1, -7), in_place = gate;
      in_place.push_back(-7);
      (tier().*entry)(gate.data(), ones.data(), count, activation.data());
      (tier().*entry)(in_place.data(), up.data(), count, in_place.data());
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(in_place[i], activation[i] * up[i]);
      EXPECT_EQ(in_place[count], -7);
      EXPECT_EQ(activation[count], -7);
    }
  }
}

TEST_P(Elementwise, RmsNormIsWithinFourRoundingsOfTheFormula) {
  for (size_t count : kCounts) {
    for (float offset : {0.0f, 1.0f}) {
      const std::vector<float> x = RandomFloats(count, 1, 3), weight = RandomFloats(count, 2);
      std::vector<float> got(count + 1, -7);
      tier().rms_norm(x.data(), weight.data(), offset, 1e-6f, count, got.data());
      double squares = 0;
      for (float value : x) squares += double{value} * value;
      for (size_t i = 0; i < count; ++i) {
        const double want = x[i] / std::sqrt(squares / double(count) + 1e-6f) * (double{weight[i]} + offset);
        // The sum of the weight and the offset rounds relative to the greater of them.
        const double slack = std::fabs(x[i] / std::sqrt(squares / double(count))) * (std::fabs(weight[i]) + offset);
        ASSERT_LE(std::fabs(got[i] - want), 5 * kFloatEps * slack) << count;
      }
      EXPECT_EQ(got[count], -7);
    }
  }
}

// Subtracting the mean rounds relative to x and to the mean itself, which is rounded once before.
TEST_P(Elementwise, LayerNormIsWithinRoundingsOfTheFormula) {
  for (size_t count : kCounts) {
    for (float middle : {0.0f, 5.0f}) {
      std::vector<float> x = RandomFloats(count, 1, 3);
      for (float& value : x) value += middle;
      const std::vector<float> weight = RandomFloats(count, 2), bias = RandomFloats(count, 3);
      std::vector<float> got(count + 1, -7);
      tier().layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, count, got.data());
      double mean = 0, squares = 0;
      for (float value : x) mean += value / double(count);
      for (float value : x) squares += (value - mean) * (value - mean) / double(count);
      const double factor = 1 / std::sqrt(squares + double{1e-5f});
      for (size_t i = 0; i < count; ++i) {
        const double normed = (x[i] - mean) * factor * weight[i];
        const double slack = 3 * std::fabs(normed) + std::fabs(bias[i]) +
                             (std::fabs(mean) + std::fabs(x[i] - mean)) * factor * std::fabs(weight[i]);
        ASSERT_LE(std::fabs(got[i] - (normed + bias[i])), 2 * kFloatEps * slack) << count;
      }
      EXPECT_EQ(got[count], -7);
      tier().layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, count, x.data());
      EXPECT_TRUE(std::equal(x.begin(), x.end(), got.begin()));
    }
  }
}

TEST_P(Elementwise, RmsNormTakesNumbersWhoseSquaresNoFloatHolds) {
  for (const float size : {3e19f, 3e38f, 1e-23f, 1e-38f}) {
    for (const size_t count : kCounts) {
      std::vector<float> x(count, size), got(count);
      for (size_t i = 0; i < count; i += 3) x[i] = -size;
      tier().rms_norm(x.data(), std::vector<float>(count, 1).data(), 0, 0, count, got.data());
      // 1 / 3e38 is a denormal: half a unit of it, 2^-150, is five roundings.
      for (size_t i = 0; i < count; ++i)
        ASSERT_NEAR(got[i], i % 3 == 0 ? -1 : 1, (size == 3e38f ? 10 : 5) * kFloatEps) << size << " " << count;
    }
  }
}

TEST_P(Elementwise, AddScaleAndRopeHaveTheBitsOfTheReference) {
  for (size_t count : kCounts) {
    const std::vector<float> x = RandomFloats(2 * count, 1), y = RandomFloats(count, 2), z = RandomFloats(count, 3);
    const auto both = [&](const std::function<void(const KernelTable&, float*)>& run) {
      std::vector<float> got = x, want = x;
      run(tier(), got.data());
      run(Reference(), want.data());
      EXPECT_EQ(AllBits(got), AllBits(want)) << count;
    };
    both([&](const KernelTable& kernels, float* values) { kernels.add(y.data(), count, values); });
    both([&](const KernelTable& kernels, float* values) { kernels.scale(0.3f, count, values); });
    both([&](const KernelTable& kernels, float* values) { kernels.rope(y.data(), z.data(), count, values); });
  }
}

TEST_P(Elementwise, ArgMaxTakesTheLowestIndexAmongEquals) {
  for (size_t count : kCounts) {
    std::vector<float> x(count, -3);
    EXPECT_EQ(tier().arg_max(x.data(), count), 0u) << count;
    for (size_t at = 0; at < count; ++at) {
      x.assign(count, -3);
      x[at] = x[count - 1] = -1;
      ASSERT_EQ(tier().arg_max(x.data(), count), at) << count;
    }
  }
}

TEST_P(Elementwise, ArgMaxNeverTakesNanUnlessThereIsNothingElse) {
  const float inf = std::numeric_limits<float>::infinity();
  for (size_t count : kCounts) {
    std::vector<float> x(count, NAN);
    EXPECT_EQ(tier().arg_max(x.data(), count), 0u);
    for (float value : {-inf, -1.0f, inf}) {
      for (size_t at = 0; at < count; ++at) {
        x.assign(count, NAN);
        x[at] = value;
        ASSERT_EQ(tier().arg_max(x.data(), count), at) << count << " " << value;
      }
    }
  }
}

TEST_P(Elementwise, SumOfExponentialsIsWithinTheErrorOfItsTerms) {
  for (size_t count : kCounts) {
    const std::vector<float> x = RandomFloats(count, 1, 5);
    const float shift = *std::max_element(x.begin(), x.end());
    double want = 0;
    for (float value : x) want += std::exp(double{(value - shift) * 0.7f});
    // 3 roundings a term, 8 for the argument's in double against float.
    std::vector<float> terms(count + 1, -7);
    const double sum = tier().sum_exp(x.data(), shift, 0.7f, count, terms.data());
    EXPECT_NEAR(sum, want, 3 * kFloatEps * want) << count;
    EXPECT_EQ(tier().sum_exp(x.data(), shift, 0.7f, count, nullptr), sum) << count;
    for (size_t i = 0; i < count; ++i) {
      const double term = std::exp(double{(x[i] - shift) * 0.7f});
      ASSERT_NEAR(terms[i], term, 3 * kFloatEps * term) << i << " of " << count;
    }
    EXPECT_EQ(terms[count], -7) << "written past the end";
  }
}

OCTET_FOR_EVERY_TIER(Elementwise);

class Pack : public EveryTier {
 protected:
  struct Packed {
    std::vector<std::byte> bytes;
    std::vector<float> scales;
  };

  static Packed Run(const KernelTable& kernels, void (*KernelTable::*entry)(const KernelTable::PackArgs&), size_t cell,
                    const std::vector<float>& x, size_t rows, size_t depth, size_t padded) {
    Packed out{std::vector<std::byte>(rows * padded * cell, std::byte{0xAB}), std::vector<float>(rows, -1)};
    KernelTable::PackArgs args{.x = x.data(),
                               .stride = depth + 3,
                               .rows = rows,
                               .depth = depth,
                               .padded_depth = padded,
                               .packed = out.bytes.data(),
                               .row_scales = out.scales.data()};
    // Two calls, as two threads would share the blocks.
    args.end_block = RowBlocks(rows) / 2;
    (kernels.*entry)(args);
    args.first_block = args.end_block;
    args.end_block = RowBlocks(rows);
    (kernels.*entry)(args);
    return out;
  }

  void ExpectBytesOfTheDefinition(const std::vector<float>& x, size_t rows, size_t depth, size_t padded) {
    SCOPED_TRACE(testing::Message() << rows << " rows of " << depth << " padded to " << padded);
    const auto f32 = &KernelTable::pack_activations_f32;
    const auto bf16 = &KernelTable::pack_activations_bf16, e4m3 = &KernelTable::pack_activations_e4m3;
    EXPECT_EQ(Run(tier(), f32, 4, x, rows, depth, padded).bytes,
              Run(DefinitionOf(tier()), f32, 4, x, rows, depth, padded).bytes);
    EXPECT_EQ(Run(tier(), bf16, 2, x, rows, depth, padded).bytes,
              Run(DefinitionOf(tier()), bf16, 2, x, rows, depth, padded).bytes);
    const Packed got = Run(tier(), e4m3, 2, x, rows, depth, padded),
                 want = Run(DefinitionOf(tier()), e4m3, 2, x, rows, depth, padded);
    EXPECT_EQ(got.bytes, want.bytes);
    EXPECT_EQ(AllBits(got.scales), AllBits(want.scales));
  }
};

TEST_P(Pack, HasTheBytesOfItsDefinition) {
  for (size_t rows : {1, 2, 3, 8, 9, 17, 37}) {
    for (size_t depth : {1, 3, 16, 30, 63, 100}) {
      ExpectBytesOfTheDefinition(RandomFloats(rows * (depth + 3), uint32_t(depth)), rows, depth, (depth + 3) / 4 * 4);
    }
  }
}

TEST_P(Pack, EveryExponentRoundsAsTheFormatsSay) {
  std::vector<float> x = Grid();
  x.resize(x.size() / 103 * 103);
  ExpectBytesOfTheDefinition(x, x.size() / 103, 100, 100);
  // With 448 in each row the scale is 1, so that the grid's values meet the codes' ties and subnormals themselves.
  std::vector<float> ties;
  for (int code = 0; code < 126; ++code) {
    const float low = ToFloat(E4M3{uint8_t(code)}), high = ToFloat(E4M3{uint8_t(code + 1)}), middle = (low + high) / 2;
    for (float value : {low, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f)}) {
      ties.insert(ties.end(), {value, -value});
    }
  }
  ties.push_back(448);
  ties.resize(ties.size() + 3);
  ExpectBytesOfTheDefinition(ties, 1, ties.size() - 3, (ties.size() - 3 + 3) / 4 * 4);
}

TEST_P(Pack, RowOfZerosHasTheScaleOne) {
  const std::vector<float> x(23);
  EXPECT_EQ(Run(tier(), &KernelTable::pack_activations_e4m3, 2, x, 1, 20, 20).scales[0], 1);
}

OCTET_FOR_EVERY_TIER_AND_TWIN(Pack);

}  // namespace
}  // namespace octet::kernels
