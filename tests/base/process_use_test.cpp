#include "base/process_use.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>

namespace octet {
namespace {

TEST(ProcessUse, CountsWhatTheProcessDoes) {
  const ProcessUse before = ReadProcessUse();
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_LE(before.start_seconds, now + 1);
  EXPECT_GT(before.start_seconds, now - 86400) << "a test that runs for a day";
  rlimit files = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(before.most_files, files.rlim_cur);

  constexpr size_t kBytes = size_t{1} << 30;
  void* const memory = ::mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const int file = ::open("/dev/null", O_RDONLY);
  const std::clock_t begin = std::clock();
  while (std::clock() - begin < CLOCKS_PER_SEC / 20) {
  }
  const ProcessUse after = ReadProcessUse();
  EXPECT_EQ(after.open_files, before.open_files + 1);
  EXPECT_GE(after.address_bytes, before.address_bytes + kBytes);
  EXPECT_GE(after.cpu_seconds, before.cpu_seconds + 0.04);
  EXPECT_EQ(after.start_seconds, before.start_seconds);
  ::close(file);
  ::munmap(memory, kBytes);
}

}  // namespace
}  // namespace octet
