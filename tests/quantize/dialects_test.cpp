// The bytes by which ModelOpt's dialect differs from compressed-tensors': the same codes, in the order and under the
// names of the other. Reading them: tests/models/foreign_weights_test.cpp.
#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "formats/packed_integers.h"
#include "formats/safetensors.h"
#include "quantize/quantize.h"
#include "quantize/tensor_layout.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

const std::string kModule = "model.layers.1.mlp.down_proj";  // 64 x 96

class Dialects : public testing::Test {
 protected:
  std::shared_ptr<const TensorSource> Write(std::string_view recipe, Dialect dialect) {
    const Checkpoint checkpoint = Checkpoint::Open(OCTET_SOURCE_DIR "/tests/golden/models/llama3").value();
    const std::filesystem::path out = directory_.path() / Cat(recipe, static_cast<int>(dialect));
    const QuantizePlan plan = PlanQuantization(checkpoint, **FindRecipe(recipe), {.dialect = dialect}).value();
    EXPECT_TRUE(QuantizeCheckpoint(checkpoint, plan, out, {pool_, progress_, cancel_}).has_value());
    return OpenSafetensors(out).value();
  }
  static std::vector<uint8_t> Bytes(const TensorSource& tensors, const std::string& suffix) {
    const std::span<const std::byte> from = tensors.Bytes(kModule + suffix).value();
    std::vector<uint8_t> bytes;
    for (const std::byte byte : from) bytes.push_back(std::to_integer<uint8_t>(byte));
    return bytes;
  }
  static float Number(const TensorSource& tensors, const std::string& suffix) {
    float number = 0;
    EXPECT_TRUE(tensors.ReadRows(kModule + suffix, 0, 1, &number));
    return number;
  }

  TemporaryDirectory directory_;
  ThreadPool pool_{2};
  Progress progress_;
  CancelFlag cancel_;
};

// compressed-tensors: eight neighbours of a row in a word, + 8. ModelOpt: two neighbouring rows in a byte, two's
// complement, the even row in the lower half.
TEST_F(Dialects, Int4OfModelOptPairsRows) {
  constexpr size_t kRows = 64, kColumns = 96;
  const auto words = Write("int4", Dialect::kCompressedTensors), pairs = Write("int4", Dialect::kModelOpt);
  std::vector<int8_t> codes(kRows * kColumns);
  UnpackIntegers(words->Bytes(kModule + ".weight_packed").value(), kColumns, 4, codes);
  const std::vector<uint8_t> bytes = Bytes(*pairs, ".weight");
  ASSERT_EQ(pairs->Find(kModule + ".weight")->shape, (Shape{kRows / 2, kColumns}));
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t even = i / kColumns * 2 * kColumns + i % kColumns;
    ASSERT_EQ(bytes[i] & 15, codes[even] & 15) << "row " << even / kColumns << ", column " << i % kColumns;
    ASSERT_EQ(bytes[i] >> 4, codes[even + kColumns] & 15);
  }
}

// The factor of the tensor on one side, its reciprocal on the other; the bytes of codes and scales are the same.
TEST_F(Dialects, Nvfp4OfModelOptStoresTheFactorAndNotItsReciprocal) {
  const auto reciprocal = Write("nvfp4-w4a16", Dialect::kCompressedTensors);
  const auto factor = Write("nvfp4-w4a16", Dialect::kModelOpt);
  EXPECT_EQ(Bytes(*factor, ".weight"), Bytes(*reciprocal, ".weight_packed"));
  EXPECT_EQ(Bytes(*factor, ".weight_scale"), Bytes(*reciprocal, ".weight_scale"));
  EXPECT_GT(Number(*reciprocal, ".weight_global_scale"), 1000);  // 6 * 448 / amax
  EXPECT_FLOAT_EQ(Number(*factor, ".weight_scale_2") * Number(*reciprocal, ".weight_global_scale"), 1);
}

TensorPrecision Matrix(Shape shape, Encoding encoding, size_t group, Dialect dialect) {
  return {
      .name = "m", .source = "m", .shape = std::move(shape), .encoding = encoding, .group = group, .dialect = dialect};
}

TEST(Layout, AMatrixIsReadableWhereItsRowsAreWholeGroupsPairsAndWordsThatTellTheirBits) {
  constexpr Dialect kPlain = Dialect::kCompressedTensors, kOther = Dialect::kModelOpt;
  EXPECT_TRUE(IsReadable(Matrix({4, 96}, Encoding::kInt4, 32, kPlain)));
  EXPECT_FALSE(IsReadable(Matrix({4, 96}, Encoding::kInt4, 64, kPlain)));
  EXPECT_FALSE(IsReadable(Matrix({4, 24}, Encoding::kNvfp4, 16, kPlain)));
  EXPECT_TRUE(IsReadable(Matrix({3, 96}, Encoding::kInt4, 32, kPlain)));
  EXPECT_FALSE(IsReadable(Matrix({3, 96}, Encoding::kInt4, 32, kOther)));
  EXPECT_TRUE(IsReadable(Matrix({3, 96}, Encoding::kInt8, 0, kOther)));
  EXPECT_TRUE(IsReadable(Matrix({4, 5}, Encoding::kInt8, 0, kPlain)));
  EXPECT_FALSE(IsReadable(Matrix({4, 4}, Encoding::kInt8, 0, kPlain)));
  EXPECT_TRUE(IsReadable(Matrix({4, 4}, Encoding::kE4M3, 0, kPlain)));
}

}  // namespace
}  // namespace octet
