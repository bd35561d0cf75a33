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
  if (IsSanitized()) GTEST_SKIP() << "sanitizers add symbols of their own";
  const std::string symbols = Output("nm " + kObjects + GetParam() + ".cpp.o");
  if (symbols.empty()) GTEST_SKIP() << "nm is missing, or the library was built elsewhere";
  std::istringstream lines(symbols);
  for (std::string line; std::getline(lines, line);) {
    // Address (16 digits or blanks), a letter, the name.
    ASSERT_GT(line.size(), 17u);
    EXPECT_EQ(std::string("vVwWuiC").find(line[17]), std::string::npos) << line;
    EXPECT_EQ(line.find("_GLOBAL__sub_I"), std::string::npos) << "static constructor: " << line;
  }
}

INSTANTIATE_TEST_SUITE_P(, TierObject, testing::Values("avx2", "avx512", "avx512_bf16", "amx"),
                         [](const auto& tested) { return std::string(tested.param); });

// A micro-kernel, for all its row counts and formats, and what it multiplies with.
struct MicroKernel {
  const char* object;
  const char* function;
  const char* instruction;
  int least;  // loops, half of what g++ 12 or clang 14 make, whichever makes fewer
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

struct Function {
  std::string name;
  std::vector<Instruction> code;
};

// Lines of objdump: an address and `<name>:`, or blanks, the address in hex, a colon, a tab, the instruction.
std::vector<Function> Functions(const std::string& disassembly) {
  std::vector<Function> out;
  std::istringstream lines(disassembly);
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find(":\t");
    if (line.ends_with(">:")) out.push_back({line.substr(line.find('<')), {}});
    if (tab != std::string::npos && !out.empty())
      out.back().code.push_back({std::strtoull(line.c_str(), nullptr, 16), line.substr(tab + 2)});
  }
  return out;
}

// The innermost loop that ends at instruction `end`: back from the jump to its target, without a jump between.
struct Loop {
  Loop(const Function& function, size_t end, std::string_view instruction) {
    const std::vector<Instruction>& code = function.code;
    const uint64_t target = code[end].Target();
    for (size_t i = end; target <= code[end].address && i > 0 && code[i - 1].address >= target; --i) {
      if (code[i - 1].text[0] == 'j') is_innermost = false;
      multiplications += code[i - 1].Has(instruction);
      if (code[i - 1].ReadsStack() || code[i - 1].text.starts_with("call")) bad += "  " + code[i - 1].text + "\n";
    }
  }
  bool is_innermost = true;
  int multiplications = 0;
  std::string bad;  // calls and what reads the stack
};

class Disassembly : public testing::TestWithParam<MicroKernel> {};

TEST_P(Disassembly, LoopsOfMicroKernelsCallNothingAndReadNoStack) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "the tiers of this test are for x86-64";
#endif
  if (IsSanitized()) GTEST_SKIP() << "sanitized code is not the code that users run";
  const MicroKernel& kernel = GetParam();
  const std::string text = Output("objdump -d --no-show-raw-insn " + kObjects + kernel.object + ".cpp.o");
  if (text.empty()) GTEST_SKIP() << "objdump is missing, or the library was built elsewhere";
  int loops = 0;
  for (const Function& function : Functions(text)) {
    if (function.name.find(kernel.function) == std::string::npos) continue;
    for (size_t i = 0; i < function.code.size(); ++i) {
      const Loop loop(function, i, kernel.instruction);
      if (!loop.is_innermost || loop.multiplications == 0) continue;
      ++loops;
      EXPECT_EQ(loop.bad, "") << function.name << ": a loop of " << loop.multiplications << " multiplications";
    }
  }
  EXPECT_GE(loops, kernel.least) << "fewer loops than there should be";
}

INSTANTIATE_TEST_SUITE_P(, Disassembly,
                         testing::Values(MicroKernel{"avx2", "AddProducts", "vfmadd231ps", 25},
                                         MicroKernel{"avx2", "AddDecodedProducts", "vfmadd231ps", 18},
                                         MicroKernel{"avx2", "AddDecodedGroups", "vfmadd231ps", 30},
                                         MicroKernel{"avx2", "IntegerProducts", "vpmaddubsw", 58},
                                         MicroKernel{"avx512", "AddProducts", "vfmadd231ps", 41},
                                         MicroKernel{"avx512", "AddDecodedProducts", "vfmadd231ps", 8},
                                         MicroKernel{"avx512", "AddDecodedGroups", "vfmadd231ps", 24},
                                         MicroKernel{"avx512", "IntegerProducts", "vpdpbusd", 29},
                                         MicroKernel{"avx512", "AddDecodedIntegers", "vpdpbusd", 40},
                                         MicroKernel{"avx512_bf16", "DotProducts", "vdpbf16ps", 35},
                                         MicroKernel{"avx512_bf16", "DotProductsOfBlock", "vdpbf16ps", 8},
                                         MicroKernel{"avx512_bf16", "DotProductsOfGroups", "vdpbf16ps", 24},
                                         MicroKernel{"amx", "Tiles", "tdpbf16ps", 2},
                                         MicroKernel{"amx", "AddChainedProducts", "vfmadd231ps", 6},
                                         MicroKernel{"amx", "GemmInt8", "tdpbsud", 1}),
                         [](const auto& tested) {
                           return std::string(tested.param.object) + "_" + tested.param.function;
                         });

}  // namespace
}  // namespace octet::kernels
