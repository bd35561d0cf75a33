// More rows than share one decoding of the weights, 512: what begins again with the 513th.
#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

class SharedDecoding : public EveryTier {};

// Depths of one part and of several, whatever a format decodes at a time (128 to 512).
TEST_P(SharedDecoding, RowsBeyondTheFirst512HaveTheBitsThatTheyHaveAlone) {
  constexpr size_t kRows = 530, kColumns = 35;
  for (const WeightFormat format : kAllFormats) {
    for (const ActivationFormat activations :
         {ActivationFormat::kF32, ActivationFormat::kBf16, ActivationFormat::kInt8, ActivationFormat::kNvfp4}) {
      if (tier().GemmOf(format, activations) == nullptr) continue;
      for (const size_t depth : {40, 600}) {
        Product whole(tier(), format, activations, kRows, kColumns, depth);
        Product parts(tier(), format, activations, kRows, kColumns, depth);
        whole.Run();
        for (size_t row = 0; row < kRows; row += 53) parts.Run(row, std::min<size_t>(53, kRows - row), 0, 2);
        EXPECT_EQ(AllBits(whole.out), AllBits(parts.out))
            << kFormatNames[size_t(format)] << " x " << int(activations) << ", depth " << depth;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, SharedDecoding, testing::ValuesIn(AvailableTiers().begin() + 1, AvailableTiers().end()),
                         TierName);

}  // namespace
}  // namespace octet::kernels
