// What the compiler made of the tiers' files: no symbols that other files could pick up, no spills in the hot loops.
#include <array>
#include <cstdio>
#include <memory>
#include <sstream>

#include "tests/kernels/testing.h"

namespace octet::kernels {
namespace {

const std::string kObjects = OCTET_BINARY_DIR "/src/CMakeFiles/octet_kernels.dir/kernels/x86/";

// What a command prints; empty where it can't run.
std::string Output(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen((command + " 2>/dev/null").c_str(), "r"), pclose);
  std::string out;
  std::array<char, 65536> part;
  for (size_t got = 0; pipe && (got = fread(part.data(), 1, part.size(), pipe.get())) > 0;)
    out.append(part.data(), got);
  return out;
}

bool IsSanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#elif defined(__has_feature)
  return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
  return false;
#endif
}

class TierObject : public testing::TestWithParam<const char*> {};

TEST_P(TierObject, HasNoSymbolsThatOtherFilesShare) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "the tiers of this test are for x86-64";
#endif
  const std::string symbols = Output("nm " + kObjects + GetParam() + ".cpp.o");
  if (symbols.empty()) GTEST_SKIP() << "nm is missing, or the library was built elsewhere";
  if (IsSanitized()) GTEST_SKIP() << "sanitizers add symbols of their own";
  std::istringstream lines(symbols);
  for (std::string line; std::getline(lines, line);) {
    // Address (16 digits or blanks), a letter, the name.
    ASSERT_GT(line.size(), 17u);
    EXPECT_EQ(std::string("vVwWuiC").find(line[17]), std::string::npos) << line;
    EXPECT_EQ(line.find("_GLOBAL__sub_I"), std::string::npos) << "static constructor: " << line;
  }
}

INSTANTIATE_TEST_SUITE_P(, TierObject, testing::Values("avx2", "avx512", "avx512_bf16"),
                         [](const auto& tested) { return std::string(tested.param); });

struct HotLoop {
  const char* object;
  const char* instruction;
  int least;  // multiplications of 8 rows x 2 tiles in a straight piece of code
};

class Disassembly : public testing::TestWithParam<HotLoop> {};

TEST_P(Disassembly, HotLoopsTouchNoStack) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "the tiers of this test are for x86-64";
#endif
  const HotLoop& loop = GetParam();
  const std::string text = Output("objdump -d --no-show-raw-insn " + kObjects + loop.object + ".cpp.o");
  if (text.empty()) GTEST_SKIP() << "objdump is missing, or the library was built elsewhere";
  if (IsSanitized()) GTEST_SKIP() << "sanitized code is not the code that users run";
  std::istringstream lines(text);
  int multiplications = 0, stack = 0, found = 0;
  for (std::string line; std::getline(lines, line);) {
    multiplications += line.find(loop.instruction) != std::string::npos;
    // Spills are full vectors; a row count or pointer on the stack outside costs nothing.
    stack += line.find("(%rsp") != std::string::npos || line.find("(%rbp") != std::string::npos;
    const bool ends = line.find("\tj") != std::string::npos || line.find("\tret") != std::string::npos;
    if (!ends) continue;
    if (multiplications >= loop.least) {
      ++found;
      EXPECT_EQ(stack, 0) << loop.object << ": " << multiplications << " multiplications before" << line;
    }
    multiplications = stack = 0;
  }
  EXPECT_GE(found, 1) << "no loop of " << loop.least << " " << loop.instruction;
}

INSTANTIATE_TEST_SUITE_P(, Disassembly,
                         testing::Values(HotLoop{"avx2", "vfmadd231ps", 12}, HotLoop{"avx512", "vfmadd231ps", 16},
                                         HotLoop{"avx512_bf16", "vdpbf16ps", 16}),
                         [](const auto& tested) { return std::string(tested.param.object); });

}  // namespace
}  // namespace octet::kernels
