#include "base/numa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <mutex>
#include <set>

#include "base/thread_pool.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A folder like /sys/devices/system/node.
class FakeNodes : public TemporaryDirectory {
 public:
  FakeNodes() {
    std::filesystem::create_directory(path() / "power");  // the real one has other entries, too
    Write("online", "0-1\n");
  }
  void Add(const std::string& name, std::string_view cpus) const {
    std::filesystem::create_directory(path() / name);
    Write(name + "/cpulist", Cat(cpus, "\n"));
  }
};

std::vector<NumaNode> TwoNodes() { return {{.id = 0, .cpus = {0, 1, 4, 5}}, {.id = 1, .cpus = {2, 3, 6, 7}}}; }

TEST(Numa, ListsOfCpusAreReadAndOthersRefused) {
  EXPECT_THAT(*ParseCpuList("0-3,8,10-11"), ElementsAre(0, 1, 2, 3, 8, 10, 11));
  EXPECT_THAT(*ParseCpuList("7"), ElementsAre(7));
  EXPECT_TRUE(ParseCpuList("")->empty());
  for (const char* wrong : {"x", "3-1", "1,", ",1", "1,,2", "-1", "2,1", "0-70000", "1 2", "99999999999"}) {
    const Result<std::vector<int>> cpus = ParseCpuList(wrong);
    ASSERT_FALSE(cpus.has_value()) << wrong;
    EXPECT_EQ(cpus.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(cpus.error().message, HasSubstr(Cat("`", wrong, "` is no list of CPUs")));
  }
}

TEST(Numa, NodesComeInOrderWithoutThoseThatHaveMemoryAlone) {
  const FakeNodes fake;
  fake.Add("node1", "4-7");
  fake.Add("node0", "0-3");
  fake.Add("node2", "");
  fake.Add("node10", "8");
  fake.Add("nodes", "9");  // no node
  const Result<std::vector<NumaNode>> nodes = ReadNumaNodes(fake.path());
  ASSERT_TRUE(nodes.has_value()) << nodes.error().message;
  ASSERT_EQ(nodes->size(), 3u);
  EXPECT_EQ((*nodes)[0].id, 0);
  EXPECT_THAT((*nodes)[1].cpus, ElementsAre(4, 5, 6, 7));
  EXPECT_EQ((*nodes)[2].id, 10);
  EXPECT_TRUE(ReadNumaNodes(fake.path() / "missing")->empty());
}

TEST(Numa, AListThatIsNoneIsNamedWithItsFile) {
  const FakeNodes fake;
  fake.Add("node0", "0-");
  const Result<std::vector<NumaNode>> nodes = ReadNumaNodes(fake.path());
  ASSERT_FALSE(nodes.has_value());
  EXPECT_EQ(nodes.error().message, Cat(fake.path() / "node0" / "cpulist", ": `0-` is no list of CPUs as in 0-3,8"));
}

TEST(Numa, ThreadsAreSharedOutByTheNodesCpusNeighboursTogether) {
  const std::vector<std::vector<int>> four = PlanThreads(TwoNodes(), NumaMode::kDistribute, 4, 0);
  EXPECT_THAT(four, ElementsAre(ElementsAre(0, 1, 4, 5), ElementsAre(0, 1, 4, 5), ElementsAre(2, 3, 6, 7),
                                ElementsAre(2, 3, 6, 7)));
  // One with a quarter of the CPUs gets a quarter of the threads; more threads than CPUs are shared out alike.
  const std::vector<NumaNode> uneven = {{.id = 0, .cpus = {0}}, {.id = 1, .cpus = {1, 2, 3}}};
  const std::vector<std::vector<int>> eight = PlanThreads(uneven, NumaMode::kDistribute, 8, 0);
  ASSERT_EQ(eight.size(), 8u);
  EXPECT_EQ(std::count(eight.begin(), eight.end(), std::vector<int>{0}), 2);
  EXPECT_THAT(PlanThreads(TwoNodes(), NumaMode::kDistribute, 1, 0), ElementsAre(ElementsAre(0, 1, 4, 5)));
}

TEST(Numa, IsolatedThreadsStayWhereTheProgramStarted) {
  EXPECT_THAT(PlanThreads(TwoNodes(), NumaMode::kIsolate, 2, 6),
              ElementsAre(ElementsAre(2, 3, 6, 7), ElementsAre(2, 3, 6, 7)));
  EXPECT_THAT(PlanThreads(TwoNodes(), NumaMode::kIsolate, 1, -1), ElementsAre(ElementsAre(0, 1, 4, 5)));
}

TEST(Numa, OneNodeTiesNoThread) {
  const std::vector<NumaNode> one = {{.id = 0, .cpus = {0, 1}}};
  for (const NumaMode mode : {NumaMode::kOff, NumaMode::kDistribute, NumaMode::kIsolate}) {
    EXPECT_TRUE(PlanThreads(one, mode, 2, 0).empty());
    EXPECT_TRUE(PlanThreads({}, mode, 2, 0).empty());
  }
  EXPECT_TRUE(PlanThreads(TwoNodes(), NumaMode::kOff, 2, 0).empty());
}

std::vector<int> OwnCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

TEST(Numa, UsableNodesHaveTheProcessOwnCpusAlone) {
  const std::vector<int> own = OwnCpus();
  const std::vector<NumaNode> nodes = UsableNodes({{.id = 0, .cpus = {own.front(), 4095}}, {.id = 1, .cpus = {4094}}});
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_THAT(nodes[0].cpus, ElementsAre(own.front()));
}

TEST(Numa, APoolsThreadsRunWhereTheyAreTiedAndTheCallerIsFreeAfterwards) {
  const std::vector<int> own = OwnCpus();
  const std::vector<std::vector<int>> plan = {{own.front()}, {own.back()}, {own.back()}};
  {
    ThreadPool pool(3);
    ASSERT_TRUE(pool.Pin(plan).has_value());
    std::mutex mutex;
    std::vector<std::vector<int>> seen(3);
    pool.ForEachShare(3, [&](size_t begin, size_t) {
      const std::vector<int> cpus = OwnCpus();
      const std::lock_guard lock(mutex);
      seen[begin] = cpus;
    });
    EXPECT_EQ(seen, plan);
    EXPECT_EQ(pool.Pin(std::vector<std::vector<int>>{{0}}).error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(pool.Pin({}).has_value());
    const std::vector<std::vector<int>> none = {{own.front()}, {CPU_SETSIZE - 1}, {own.front()}};
    EXPECT_THAT(pool.Pin(none).error().message, HasSubstr("thread 1 can't be tied to its 1 CPUs"));
  }
  EXPECT_EQ(OwnCpus(), own);
}

}  // namespace
}  // namespace octet
