// A CPU tier's object defines its table and nothing else that the linker could share: a weak copy of an inline
// function, built with wide instructions, could be the one that a smaller CPU runs.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/house/sources.h"

namespace octet::house {
namespace {

std::vector<std::string> LinesOf(const std::string& command) {
  std::vector<std::string> lines;
  FILE* stream = ::popen(command.c_str(), "r");
  std::array<char, 4096> line;
  while (stream != nullptr && std::fgets(line.data(), line.size(), stream) != nullptr) lines.emplace_back(line.data());
  if (stream != nullptr && ::pclose(stream) != 0) lines.clear();
  return lines;
}

// Objects made of src/kernels/x86 and src/kernels/arm.
std::vector<std::string> TierObjects() {
  std::vector<std::string> objects;
  std::ifstream stream(std::string(OCTET_BINARY_DIR) + "/kernel_objects.txt");
  for (std::string path; std::getline(stream, path);) {
    if (path.find("/kernels/x86/") != std::string::npos || path.find("/kernels/arm/") != std::string::npos)
      objects.push_back(path);
  }
  return objects;
}

// The letter that nm gives a defined symbol and its name; `U` and weak references to elsewhere are left out.
bool IsShared(const std::string& line, std::string& name) {
  std::istringstream words(line);
  std::string address, kind;
  words >> address >> kind >> name;
  return kind == "W" || kind == "V" || kind == "u";
}

TEST(Symbols, ATierDefinesNoWeakSymbol) {
#ifdef OCTET_SANITIZED
  GTEST_SKIP() << "sanitizers add weak symbols of their own; the release build is checked";
#endif
  for (const std::string& object : TierObjects()) {
    const std::vector<std::string> lines = LinesOf("nm --defined-only --demangle '" + object + "'");
    EXPECT_FALSE(lines.empty()) << "nm can't read " << object;
    for (const std::string& line : lines) {
      std::string name;
      EXPECT_FALSE(IsShared(line, name)) << object << ": " << line;
    }
  }
}

TEST(Symbols, ATierHasNoStaticConstructor) {
#ifdef OCTET_SANITIZED
  GTEST_SKIP() << "sanitizers add static constructors of their own; the release build is checked";
#endif
  for (const std::string& object : TierObjects()) {
    for (const std::string& line : LinesOf("nm --defined-only '" + object + "'")) {
      EXPECT_EQ(line.find("_GLOBAL__sub_I"), std::string::npos) << object << ": " << line;
    }
  }
}

TEST(Symbols, AWeakLineOfNmIsSeen) {
  std::string name;
  EXPECT_TRUE(IsShared("0000000000000000 W std::vector<int>::size() const", name));
  EXPECT_FALSE(IsShared("0000000000000000 t octet::kernels::(anonymous namespace)::Gemm()", name));
  EXPECT_FALSE(IsShared("0000000000000040 R octet::kernels::kAvx2", name));
}

}  // namespace
}  // namespace octet::house
