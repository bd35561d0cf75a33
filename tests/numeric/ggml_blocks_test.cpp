// GGUF blocks against the gguf package's dequantize, bit for bit (tools/golden/numeric.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/mapped_file.h"
#include "numeric/ggml_blocks.h"
#include "numeric/small_float.h"

namespace octet {
namespace {

TEST(GgmlBlocks, EveryFormatDecodesToTheBitsOfTheGgufPackage) {
  const MappedFile file = *MappedFile::Open(OCTET_SOURCE_DIR "/tests/golden/numeric/blocks.bin");
  const std::byte* at = file.bytes().data();
  for (size_t format = 0; format < kGgmlBlockCount; ++format) {
    const GgmlBlockInfo info = InfoOf(static_cast<GgmlBlock>(format));
    uint32_t header[3];  // blocks, bytes per block, values per block
    std::memcpy(header, at, sizeof header);
    ASSERT_EQ(header[1], info.bytes) << info.name;
    ASSERT_EQ(header[2], info.values) << info.name;
    const std::byte* blocks = at + sizeof header;
    std::vector<float> expected(header[0] * info.values);
    std::memcpy(expected.data(), blocks + header[0] * info.bytes, expected.size() * sizeof(float));
    std::vector<float> got(expected.size());
    for (size_t block = 0; block < header[0]; ++block) {
      DecodeGgmlBlock(static_cast<GgmlBlock>(format), blocks + block * info.bytes, got.data() + block * info.values);
    }
    for (size_t i = 0; i < got.size(); ++i) {
      const bool same = std::isnan(expected[i]) ? std::isnan(got[i]) : FloatBits(got[i]) == FloatBits(expected[i]);
      ASSERT_TRUE(same) << info.name << " value " << i << ": " << got[i] << " instead of " << expected[i];
    }
    at = blocks + header[0] * info.bytes + expected.size() * sizeof(float);
  }
  EXPECT_EQ(at, file.bytes().data() + file.size()) << "the golden is read to its end";
}

}  // namespace
}  // namespace octet
