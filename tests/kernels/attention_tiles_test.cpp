// What attention multiplies by tiles, by their twin, so that it is looked at where no processor has tiles: queries with
// the keys of a page, probabilities with its values. The tier's whole attention: attention_test.cpp.
#include <cmath>
#include <cstring>
#include <vector>

#include "tests/kernels/testing.h"

namespace octet::kernels {
namespace {

constexpr CacheFormat kTiledCaches[] = {CacheFormat::kBf16, CacheFormat::kE4M3, CacheFormat::kInt8};
// Within a tile of 32, at its end and beyond, up to the largest head.
constexpr size_t kPageDepths[] = {4, 20, 32, 36, 48, 64, 80, 96, 256, 500, 512};
constexpr size_t kPageRows[] = {1, 3, 15, 16, 17, 32};

// A matrix of a page with every code that its format has but NaN, and rows that meet it.
class PageProduct {
 public:
  PageProduct(CacheFormat format, size_t rows, size_t depth)
      : format_(format),
        depth_(depth),
        matrix_(PackedBytes(CachePacking(format), kPanelColumns, depth)),
        start_(RandomFloats(rows * kPanelColumns, 3)) {
    const std::vector<float> numbers = RandomFloats(kPanelColumns * depth, 1);
    const std::vector<uint8_t> codes = RandomCodes(kPanelColumns * depth, 1);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const Bf16 number = ToBf16(numbers[i]);
      std::byte* at = matrix_.data() + PackedOffset(CachePacking(format), depth, i / depth, i % depth);
      format == CacheFormat::kBf16 ? std::memcpy(at, &number, 2) : std::memcpy(at, &codes[i], 1);
      values_.push_back(format == CacheFormat::kBf16   ? ToFloat(number)
                        : format == CacheFormat::kE4M3 ? ToFloat(E4M3{codes[i]})
                                                       : std::copysign(codes[i] & 0x7F, codes[i] & 0x80 ? -1 : 1));
    }
    for (const float x : RandomFloats(rows * depth, 2)) operands_.push_back(ToBf16(x));
  }

  // Sums of rows first .. first + count - 1, added to those that they start at.
  std::vector<float> Sums(size_t first, size_t count) const {
    std::vector<float> sums(start_.begin() + first * kPanelColumns, start_.begin() + (first + count) * kPanelColumns);
    AddTwinCacheProducts(format_, count, &operands_[first * depth_], matrix_.data(), depth_, sums.data());
    return sums;
  }

  void ExpectWithinBound(const std::vector<float>& sums) const {
    for (size_t i = 0; i < sums.size(); ++i) {
      double exact = start_[i], magnitude = std::fabs(start_[i]);
      for (size_t k = 0; k < depth_; ++k) {
        const double term = double{ToFloat(operands_[i / kPanelColumns * depth_ + k])} * Value(i % kPanelColumns, k);
        exact += term;
        magnitude += std::fabs(term);
      }
      ASSERT_LE(std::fabs(sums[i] - exact), magnitude * double(depth_ + 2) * kFloatEps)
          << "row " << i / kPanelColumns << " column " << i % kPanelColumns;
    }
  }

 private:
  double Value(size_t column, size_t k) const { return values_[column * depth_ + k]; }

  CacheFormat format_;
  size_t depth_;
  Bytes matrix_;
  std::vector<float> start_, values_;
  std::vector<Bf16> operands_;
};

template <class Body>
void ForEveryPageProduct(Body&& body) {
  for (const CacheFormat format : kTiledCaches) {
    for (const size_t rows : kPageRows) {
      for (const size_t depth : kPageDepths) {
        SCOPED_TRACE(testing::Message() << "cache format " << int(format) << ", " << rows << " x " << depth);
        body(PageProduct(format, rows, depth), rows);
      }
    }
  }
}

TEST(AttentionTiles, ProductsWithAPageStayWithinTheNormBound) {
  ForEveryPageProduct(
      [](const PageProduct& product, size_t rows) { product.ExpectWithinBound(product.Sums(0, rows)); });
}

TEST(AttentionTiles, ARowHasTheBitsThatItHasAlone) {
  ForEveryPageProduct([](const PageProduct& product, size_t rows) {
    const std::vector<float> together = product.Sums(0, rows);
    for (const size_t row : {size_t{0}, rows - 1}) {
      const auto begin = together.begin() + row * kPanelColumns;
      EXPECT_EQ(AllBits({begin, begin + kPanelColumns}), AllBits(product.Sums(row, 1))) << "row " << row;
    }
  });
}

}  // namespace
}  // namespace octet::kernels
