#include "formats/packed_integers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace octet {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

TEST(PackedIntegers, TheFirstCodeOfARowLiesInTheLowestBitsPlusAnOffset) {
  const std::vector<int8_t> codes = {-8, -7, 0, 7, 1, 2, 3, 4, 5};
  std::vector<uint32_t> words(PackedWords(9, 4), ~0U);
  PackIntegers(codes, 9, 4, words);
  EXPECT_THAT(words, ElementsAre(0xCBA9F810, 0xD));  // what a row has left over is zero
  const std::vector<int8_t> wide = {-128, 127, 0, -1, 5};
  words.assign(PackedWords(5, 8), ~0U);
  PackIntegers(wide, 5, 8, words);
  EXPECT_THAT(words, ElementsAre(0x7F80FF00, 0x85));
}

TEST(PackedIntegers, EveryCodeSurvivesInEveryPlace) {
  for (const int bits : {4, 8}) {
    for (const size_t columns : {1, 7, 8, 9, 33}) {
      std::vector<int8_t> codes(columns * 257), back(codes.size());
      for (size_t i = 0; i < codes.size(); ++i)
        codes[i] = static_cast<int8_t>(static_cast<int>(i % (1U << bits)) - (1 << (bits - 1)));
      std::vector<uint32_t> words(257 * PackedWords(columns, bits));
      PackIntegers(codes, columns, bits, words);
      UnpackIntegers(std::as_bytes(std::span(words)), columns, bits, back);
      EXPECT_THAT(back, ElementsAreArray(codes)) << bits << " bits, " << columns << " columns";
    }
  }
}

TEST(PackedIntegers, TheWidthOfCodesFollowsFromTheWordsOfARow) {
  EXPECT_EQ(BitsOfPacked(72, 576), 4);
  EXPECT_EQ(BitsOfPacked(144, 576), 8);
  EXPECT_EQ(BitsOfPacked(73, 577), 4);
  EXPECT_EQ(BitsOfPacked(73, 576), std::nullopt);
  EXPECT_EQ(BitsOfPacked(54, 576), std::nullopt) << "three bits";
}

}  // namespace
}  // namespace octet
