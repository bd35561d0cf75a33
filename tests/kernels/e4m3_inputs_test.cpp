// Activations rounded to E4M3 with a scale for each row, as INT4 weights take them, too: their packing has to be the
// one that the product of these weights reads, on every tier.
#include <algorithm>

#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

class E4M3Inputs : public EveryTier {};

std::vector<float> Multiply(const KernelTable& tier, const Weights& weights, const std::vector<float>& x, size_t rows) {
  const size_t padded = PaddedDepth(weights.format, weights.depth);
  Bytes activations(ActivationBytes(ActivationFormat::kBf16, rows, padded));
  std::vector<float> row_scales(rows), out(rows * weights.columns, -1);
  tier.pack_activations_e4m3({.x = x.data(),
                              .stride = weights.depth,
                              .rows = rows,
                              .depth = weights.depth,
                              .padded_depth = padded,
                              .packed = activations.data(),
                              .row_scales = row_scales.data(),
                              .end_block = RowBlocks(rows),
                              .weights = weights.format});
  tier.gemm[size_t(weights.format)]({.weights = weights.packed.data(),
                                     .activations = activations.data(),
                                     .row_scales = row_scales.data(),
                                     .out = out.data(),
                                     .out_stride = weights.columns,
                                     .rows = rows,
                                     .depth = padded,
                                     .columns = weights.columns,
                                     .end_panel = Panels(weights.columns)});
  return out;
}

TEST_P(E4M3Inputs, OfInt4WeightsHaveTheBitsOfTheReference) {
  for (const WeightFormat format :
       {WeightFormat::kInt4Group32, WeightFormat::kInt4Group64, WeightFormat::kInt4Group128, WeightFormat::kInt4Zeros32,
        WeightFormat::kInt4Zeros64, WeightFormat::kInt4Zeros128}) {
    const Weights weights(format, 45, 203);
    for (const size_t rows : {1, 2, 8, 9, 33}) {
      const std::vector<float> x = RandomFloats(rows * weights.depth, 1);
      EXPECT_EQ(AllBits(Multiply(tier(), weights, x, rows)), AllBits(Multiply(Reference(), weights, x, rows)))
          << kFormatNames[size_t(format)] << " " << rows;
    }
  }
}

OCTET_FOR_EVERY_TIER_AND_TWIN(E4M3Inputs);

}  // namespace
}  // namespace octet::kernels
