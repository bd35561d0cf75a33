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

TEST(Log, ASinkIsToldOnceOfWhatSeveralReadersSay) {
  std::string seen;
  for (const char* sink : {"1", "2"}) {
    SetLogSink([&](LogLevel, std::string_view message) { seen += Cat(sink, message); });
    LogWarningOnce("a");
    LogWarningOnce("a");
    LogWarning("b");
    LogWarning("b");
  }
  SetLogSink({});
  EXPECT_EQ(seen, "1a1b1b2a2b2b");
}

}  // namespace
}  // namespace octet
