#include "base/memory.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

// A system of files under a directory.
class Memory : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  void SetAvailable(uint64_t kilobytes) {
    Write("proc/meminfo", "MemTotal: 99 kB\nMemAvailable:   " + std::to_string(kilobytes) + " kB\nBuffers: 1 kB\n");
  }
  uint64_t Available() const { return AvailableMemory(root_ / ""); }

  TemporaryDirectory root_;
};

TEST_F(Memory, AvailableIsWhatTheSystemSaysWhereNoGroupHasALimit) {
  EXPECT_EQ(Available(), 0u) << "the system says nothing";
  SetAvailable(1000);
  EXPECT_EQ(Available(), 1000u * 1024);
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(Available(), 1000u * 1024);
}

TEST_F(Memory, AGroupLeavesItsLimitLessWhatItHolds) {
  SetAvailable(1000);
  Write("proc/self/cgroup", "0::/user/work\n");
  Write("sys/fs/cgroup/user/work/memory.max", "500000\n");
  Write("sys/fs/cgroup/user/work/memory.current", "300000\n");
  EXPECT_EQ(Available(), 200000u);
  Write("sys/fs/cgroup/user/work/memory.stat", "anon 5\ninactive_file 100000\nactive_file 7\n");
  EXPECT_EQ(Available(), 300000u) << "pages of files that can go";
  Write("sys/fs/cgroup/user/memory.max", "400000\n");
  Write("sys/fs/cgroup/user/memory.current", "390000\n");
  EXPECT_EQ(Available(), 10000u) << "the group around it";
  Write("sys/fs/cgroup/user/memory.current", "500000\n");
  EXPECT_EQ(Available(), 0u) << "none is left";
  SetAvailable(0);
  EXPECT_EQ(Available(), 0u);
}

TEST_F(Memory, GroupsOfTheFirstVersionCountToo) {
  SetAvailable(1000);
  Write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/box\n0::/\n");
  Write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "600000\n");
  Write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "500000\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Available(), 100000u);
  Write("proc/self/cgroup", "4:memory:/of/the/host\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "50000\n");
  EXPECT_EQ(Available(), 50000u) << "the container's own is at the top";
}

}  // namespace
}  // namespace octet
