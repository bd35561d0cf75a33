#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>
#include <vector>

namespace octet {
namespace {

using testing::HasSubstr;

TEST(ThreadPool, EachShareRunsOnceAndTheyCoverTheCount) {
  const Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::Start(3);
  ASSERT_TRUE(pool.has_value()) << pool.error().message;
  EXPECT_EQ((*pool)->threads(), 3u);
  for (const size_t count : {0, 1, 2, 3, 100}) {
    std::vector<int> visits(count);
    (*pool)->ForEachShare(count, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) ++visits[i];
    });
    EXPECT_THAT(visits, testing::Each(1));
  }
}

// Workers sleep some 50 us after a loop. The next one must wake all of them: it waits for each.
TEST(ThreadPool, ALoopAfterAPauseRunsOnEveryThread) {
  for (const size_t threads : {2, 3}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.threads(), threads);
    for (int loop = 0; loop < 5; ++loop) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::vector<std::thread::id> who(threads);
      pool.ForEachShare(threads, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) who[i] = std::this_thread::get_id();
      });
      EXPECT_EQ(who[0], std::this_thread::get_id());
      EXPECT_EQ(std::set(who.begin(), who.end()).size(), threads);
    }
  }
}

TEST(ThreadPool, NumbersThatMakeNoPoolAreRefused) {
  for (const size_t threads : {size_t{0}, ThreadPool::kMostThreads + 1, SIZE_MAX}) {
    const Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::Start(threads);
    ASSERT_FALSE(pool.has_value());
    EXPECT_EQ(pool.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(pool.error().message, HasSubstr("1 to 1024 are possible"));
  }
}

// In a process of its own, whose memory is too small for the threads' stacks.
[[noreturn]] void StartTooMany() {
  const rlimit room = {size_t{1} << 30, size_t{1} << 30};
  if (::setrlimit(RLIMIT_AS, &room) != 0) std::_Exit(2);
  const Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::Start(ThreadPool::kMostThreads);
  if (pool) std::_Exit(3);
  std::fputs(pool.error().message.c_str(), stderr);
  std::_Exit(pool.error().code == ErrorCode::kExhausted ? 0 : 4);
}

TEST(ThreadPoolDeathTest, ThreadsThatTheSystemRefusesAreAnError) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more addresses than the test leaves";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers need more addresses than the test leaves";
#endif
#endif
  EXPECT_EXIT(StartTooMany(), testing::ExitedWithCode(0), "the system starts only [0-9]+ of 1024 threads");
}

}  // namespace
}  // namespace octet
