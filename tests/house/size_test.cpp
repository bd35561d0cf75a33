// Files stay short enough to be read in one sitting.
#include <gtest/gtest.h>

#include <map>

#include "tests/house/sources.h"

namespace octet::house {
namespace {

constexpr size_t kLongestFile = 400;  // lines

// Longer files and the reason each is whole.
const std::map<std::string, std::string> kLongerWithReason = {};

TEST(Size, FilesHaveAtMost400LinesOrAReason) {
  for (const char* folder : {"src", "cli", "tests", "bench", "fuzz", "examples", "include"}) {
    for (const SourceFile& file : SourcesIn(folder)) {
      if (!kLongerWithReason.contains(file.path)) {
        EXPECT_LE(file.lines.size(), kLongestFile) << file.path;
      }
    }
  }
}

TEST(Size, AReasonIsGivenOnlyForAFileThatNeedsIt) {
  for (const auto& [path, reason] : kLongerWithReason) {
    bool needed = false;
    for (const SourceFile& file : SourcesIn(path.substr(0, path.find('/'))))
      needed |= file.path == path && file.lines.size() > kLongestFile;
    EXPECT_TRUE(needed) << path << " is short enough now: " << reason;
  }
}

}  // namespace
}  // namespace octet::house
