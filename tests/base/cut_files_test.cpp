#include "base/cut_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <csignal>

#include <string>
#include <thread>
#include <vector>

#include "base/mapped_file.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::ExitedWithCode;
using testing::HasSubstr;

constexpr size_t kFileBytes = 5 << 20;  // more than a huge page, so that both ways to map are met with the next
constexpr size_t kSmallBytes = 20000;

std::byte Touch(const std::byte* byte) { return *const_cast<const volatile std::byte*>(byte); }

extern "C" void EndWithSeven(int) { ::_exit(7); }

// A page of a file that has none any more, where the reader says.
std::byte* MapCutPage(const std::filesystem::path& path, void* where) {
  const int file = ::open(path.c_str(), O_RDWR);
  void* const page = ::mmap(where, 4096, PROT_READ, MAP_PRIVATE | (where != nullptr ? MAP_FIXED : 0), file, 0);
  EXPECT_EQ(::ftruncate(file, 0), 0);
  ::close(file);
  return static_cast<std::byte*>(page);
}

class ACutFile : public testing::Test {
 protected:
  TemporaryDirectory directory_;
};
using ACutFileDeathTest = ACutFile;

TEST_F(ACutFileDeathTest, IsNamedWithBothItsSizesAndEndsTheProcess) {
  for (const size_t bytes : {kSmallBytes, kFileBytes}) {
    const std::filesystem::path path = directory_.Write("model.octet", std::string(bytes, 'x'));
    const auto read_cut = [&] {
      ReportCutFiles("octet", 3);
      const MappedFile opened = *MappedFile::Open(path);
      const MappedFile other = *MappedFile::Open(directory_.Write("other", "text"));
      MappedFile moved = *MappedFile::Open(path);
      moved = *MappedFile::Open(path);  // the one before is forgotten, this one isn't
      std::filesystem::resize_file(path, 8192);
      Touch(moved.bytes().data() + 8191);  // what is left may be read
      Touch(moved.bytes().data() + bytes - 1);
    };
    EXPECT_EXIT(read_cut(), ExitedWithCode(3),
                HasSubstr("octet: " + path.native() + ": was cut from " + std::to_string(bytes) +
                          " to 8192 bytes while it was in use; make it again"));
  }
}

// Where another file lies at the path, its size says nothing of the one that was mapped.
TEST_F(ACutFileDeathTest, IsReportedWithoutSizesWhereItHasLeftItsPath) {
  const std::filesystem::path path = directory_.Write("model\x1b.octet", std::string(kSmallBytes, 'x'));
  const auto read_cut = [&] {
    ReportCutFiles("octet", 1);
    const MappedFile file = *MappedFile::Open(path);
    std::filesystem::rename(path, directory_ / "renamed");
    directory_.Write("model\x1b.octet", "shorter");
    std::filesystem::resize_file(directory_ / "renamed", 0);
    Touch(file.bytes().data());
  };
  EXPECT_EXIT(read_cut(), ExitedWithCode(1),
              HasSubstr("model\\x1B.octet: can't be read any more: the file in use was"));
}

TEST_F(ACutFileDeathTest, IsReportedOnceByManyThreads) {
  const std::filesystem::path path = directory_.Write("model.octet", std::string(kSmallBytes, 'x'));
  const auto read_cut = [&] {
    ReportCutFiles("octet", 1);
    const MappedFile file = *MappedFile::Open(path);
    std::filesystem::resize_file(path, 0);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([&] { Touch(file.bytes().data()); });
    for (std::thread& thread : threads) thread.join();
  };
  EXPECT_EXIT(read_cut(), ExitedWithCode(1), testing::MatchesRegex("octet: [^\n]*was cut from 20000 to 0[^\n]*\n"));
}

TEST_F(ACutFileDeathTest, OfSomebodyElseGoesToTheHandlerBefore) {
  const std::filesystem::path path = directory_.Write("file", std::string(4096, 'x'));
  const auto read_foreign = [&] {
    ::signal(SIGBUS, EndWithSeven);
    ReportCutFiles("octet", 1);
    const MappedFile other = *MappedFile::Open(directory_.Write("other", std::string(4096, 'x')));
    Touch(MapCutPage(path, nullptr));
  };
  EXPECT_EXIT(read_foreign(), ExitedWithCode(7), "^$");
}

TEST_F(ACutFileDeathTest, WhereAFileWasMappedBeforeIsSomebodyElses) {
  const std::filesystem::path path = directory_.Write("file", std::string(4096, 'x'));
  const auto read_reused = [&] {
    ::signal(SIGBUS, EndWithSeven);
    ReportCutFiles("octet", 1);
    const std::byte* address = nullptr;
    {
      const MappedFile file = *MappedFile::Open(directory_.Write("other", std::string(4096, 'x')));
      address = file.bytes().data();
    }
    Touch(MapCutPage(path, const_cast<std::byte*>(address)));
  };
  EXPECT_EXIT(read_reused(), ExitedWithCode(7), "^$");
}

TEST_F(ACutFileDeathTest, IsNotWhatASignalSentByAProcessMeans) {
  const auto send = [] {
    ::signal(SIGBUS, SIG_DFL);
    ReportCutFiles("octet", 1);
    ::kill(::getpid(), SIGBUS);
    ::pause();
  };
  EXPECT_EXIT(send(), testing::KilledBySignal(SIGBUS), "^$");
}

}  // namespace
}  // namespace octet
