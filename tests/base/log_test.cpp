#include "base/log.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

TEST(Log, OnlyWhatTheSinkWantsReachesIt) {
  std::string seen;
  SetLogSink([&](LogLevel, std::string_view message) { seen += message; }, LogLevel::kInfo);
  LogDebug("a");
  LogInfo("b", 1);
  LogWarning("c");
  SetLogSink({});
  LogWarning("d");
  EXPECT_EQ(seen, "b1c");
  EXPECT_FALSE(LogWanted(LogLevel::kWarning));
}

}  // namespace
}  // namespace octet
