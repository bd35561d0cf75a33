// What the compiler made of the tiers' files: no symbols that other files could pick up, no spills in the hot loops.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string_view>

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
  int least;  // multiplications of one round of the loop over the depth
};

struct Instruction {
  uint64_t address = 0;
  std::string text;

  bool Has(std::string_view part) const { return text.find(part) != std::string::npos; }
  // Takes an operand below a frame pointer, or from the stack pointer; %rbp may be an ordinary pointer otherwise. A
  // spill is read again: g++ 12 leaves stores beside registers that nobody reads.
  bool ReadsStack() const {
    const size_t rsp = text.find("(%rsp"), rbp = text.find("-0x") == std::string::npos ? rsp : text.find("(%rbp");
    const size_t at = rsp != std::string::npos ? rsp : rbp;
    return at != std::string::npos && text.find("),", at) != std::string::npos;
  }
  // Where a jump goes, or the highest address.
  uint64_t Target() const {
    const size_t at = text.find_first_of(' ');
    return text[0] == 'j' && at != std::string::npos ? std::strtoull(text.c_str() + at, nullptr, 16) : UINT64_MAX;
  }
};

// Lines of objdump: blanks, the address in hex, a colon, a tab, the instruction.
std::vector<Instruction> Instructions(const std::string& disassembly) {
  std::vector<Instruction> out;
  std::istringstream lines(disassembly);
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find(":\t");
    if (tab != std::string::npos) out.push_back({std::strtoull(line.c_str(), nullptr, 16), line.substr(tab + 2)});
  }
  return out;
}

class Disassembly : public testing::TestWithParam<HotLoop> {};

TEST_P(Disassembly, HotLoopsReadNoStack) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "the tiers of this test are for x86-64";
#endif
  const HotLoop& hot = GetParam();
  const std::string text = Output("objdump -d --no-show-raw-insn " + kObjects + hot.object + ".cpp.o");
  if (text.empty()) GTEST_SKIP() << "objdump is missing, or the library was built elsewhere";
  if (IsSanitized()) GTEST_SKIP() << "sanitized code is not the code that users run";
  const std::vector<Instruction> code = Instructions(text);
  int found = 0;
  for (size_t end = 0; end < code.size(); ++end) {
    const uint64_t target = code[end].Target();
    if (target > code[end].address) continue;
    // An innermost loop: back from the jump to its target, without another jump or a call between.
    int multiplications = 0, stack = 0, branches = 0;
    for (size_t i = end; i > 0 && code[i - 1].address >= target; --i) {
      multiplications += code[i - 1].Has(hot.instruction);
      stack += code[i - 1].ReadsStack();
      branches += code[i - 1].text[0] == 'j' || code[i - 1].Has("call");
    }
    if (branches > 0 || multiplications < hot.least) continue;
    ++found;
    EXPECT_EQ(stack, 0) << hot.object << ": a loop of " << multiplications << " multiplications, " << code[end].text;
  }
  EXPECT_GE(found, 1) << "no loop of " << hot.least << " " << hot.instruction;
}

INSTANTIATE_TEST_SUITE_P(, Disassembly,
                         testing::Values(HotLoop{"avx2", "vfmadd231ps", 12}, HotLoop{"avx512", "vfmadd231ps", 16},
                                         HotLoop{"avx512", "vpdpbusd", 16}, HotLoop{"avx512_bf16", "vdpbf16ps", 16}),
                         [](const auto& tested) {
                           return std::string(tested.param.object) + "_" + tested.param.instruction;
                         });

}  // namespace
}  // namespace octet::kernels
