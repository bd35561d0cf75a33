#include "base/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/partial_path.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

class AtomicFiles : public testing::Test {
 protected:
  fs::path operator/(const char* name) const { return directory_ / name; }

  static std::string Read(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  // "written", or why it was not.
  static std::string Write(const fs::path& path, std::string_view content = "new") {
    const Status written = WriteFileAtomically(path, content);
    if (written) return "written";
    return std::string(ErrorCodeName(written.error().code)) + ": " + written.error().message;
  }
  size_t Entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  TemporaryDirectory temporary_;
  fs::path directory_ = temporary_.path();
};

TEST_F(AtomicFiles, ReplaceAFileAndLeaveNothingElse) {
  EXPECT_EQ(Write(*this / "file", "old"), "written");
  EXPECT_EQ(Write(*this / "file"), "written");
  EXPECT_EQ(Read(*this / "file"), "new");
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(AtomicFiles, KeepThePermissionsOfTheFileTheyReplace) {
  const auto permissions = [&] { return fs::status(*this / "file").permissions(); };
  EXPECT_EQ(Write(*this / "file", "old"), "written");
  for (const fs::perms wanted : {fs::perms(0600), fs::perms(0444), fs::perms(0775)}) {
    fs::permissions(*this / "file", wanted);
    EXPECT_EQ(Write(*this / "file"), "written");
    EXPECT_EQ(permissions(), wanted);
  }
  fs::create_symlink("file", *this / "link");
  fs::permissions(*this / "file", fs::perms(0600));
  EXPECT_EQ(Write(*this / "link"), "written");
  EXPECT_EQ(permissions(), fs::perms(0600));
}

TEST_F(AtomicFiles, RefuseWhatIsNoRegularFileAndLeaveItAsItIs) {
  const fs::path pipe = *this / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(Write(pipe), "invalid_argument: " + pipe.native() + ": is no regular file; name another");
  EXPECT_TRUE(fs::is_fifo(pipe));
  fs::create_symlink(pipe, *this / "link");
  EXPECT_EQ(Write(*this / "link"),
            "invalid_argument: " + directory_.native() + "/link: is no regular file; name another");
  EXPECT_EQ(Write("/dev/null"), "invalid_argument: /dev/null: is no regular file; name another");
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(AtomicFiles, RefuseADirectoryBeforeTheFirstByte) {
  fs::create_directory(*this / "models");
  for (const fs::path& path : {*this / "models", *this / "models/"}) {
    const Result<AtomicFile> file = AtomicFile::Create(path);
    ASSERT_FALSE(file.has_value());
    EXPECT_EQ(file.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(file.error().message, path.native() + ": is a directory; name a file");
  }
  EXPECT_FALSE(AtomicFile::Create("").has_value());
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(AtomicFiles, FollowALinkAndKeepIt) {
  fs::create_directory(*this / "elsewhere");
  ASSERT_EQ(Write(*this / "elsewhere/file", "old"), "written");
  fs::create_symlink("elsewhere/file", *this / "link");
  EXPECT_EQ(Write(*this / "link"), "written");
  EXPECT_TRUE(fs::is_symlink(*this / "link"));
  EXPECT_EQ(Read(*this / "elsewhere/file"), "new");
}

TEST_F(AtomicFiles, RefuseALinkThatLeadsNowhere) {
  fs::create_symlink("missing", *this / "link");
  EXPECT_EQ(Write(*this / "link"),
            "invalid_argument: " + directory_.native() +
                "/link: is a symbolic link that leads to no file: No such file or directory; name the file itself");
  EXPECT_TRUE(fs::is_symlink(*this / "link"));
  EXPECT_EQ(Entries(), 1u);
}

// The id of a process that has ended.
pid_t EndedProcess() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  return child;
}

TEST_F(AtomicFiles, RemoveWhatAKilledProcessLeftAndNothingElse) {
  const pid_t ended = EndedProcess();
  const auto touch = [&](const std::string& name) { std::ofstream(directory_ / name) << "half"; };
  touch(Cat(".file.", ended, ".partial"));
  const std::string others[] = {Cat(".file.", ::getppid(), ".partial"), Cat(".other.", ended, ".partial"),
                                Cat("file.", ended, ".partial"), ".file.12x.partial", ".file.partial"};
  for (const std::string& name : others) touch(name);
  EXPECT_EQ(Write(*this / "file"), "written");
  EXPECT_FALSE(fs::exists(directory_ / Cat(".file.", ended, ".partial")));
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(directory_ / name)) << name;
}

TEST_F(AtomicFiles, HaveNamesAsLongAsTheFileSystemTakes) {
  const std::string longest(255, 'x'), other = std::string(254, 'x') + "y";
  const pid_t child = ::fork();
  if (child == 0) {
    const Partial left = CreatePartialFile(directory_, longest);
    ::_exit(left.descriptor >= 0 ? 0 : 1);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(Entries(), 1u);
  EXPECT_EQ(Write(directory_ / other), "written");
  EXPECT_EQ(Entries(), 2u);  // what isn't its own stays
  EXPECT_EQ(Write(directory_ / longest), "written");
  EXPECT_EQ(Entries(), 2u);
}

// As a process in another container does, whose number may be none here or that of this one.
int Hold(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  EXPECT_GE(descriptor, 0);
  EXPECT_EQ(::flock(descriptor, LOCK_EX | LOCK_NB), 0);
  return descriptor;
}

TEST_F(AtomicFiles, LeaveAPartialThatAnotherContainerHolds) {
  for (const pid_t owner : {EndedProcess(), ::getpid()}) {
    const fs::path held = directory_ / Cat(".file.", owner, ".partial");
    const int descriptor = Hold(held);
    ASSERT_EQ(::write(descriptor, "theirs", 6), 6);
    EXPECT_EQ(Write(*this / "file"), "written");
    EXPECT_EQ(Read(held), "theirs");
    ::close(descriptor);
    EXPECT_EQ(Write(*this / "file"), "written");
    EXPECT_EQ(Entries(), 1u);
  }
}

TEST_F(AtomicFiles, HaveAPartialEach) {
  Result<AtomicFile> first = AtomicFile::Create(*this / "file"), second = AtomicFile::Create(*this / "file");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(Entries(), 2u);
  ASSERT_TRUE(first->Write("first") && second->Write("second"));
  ASSERT_TRUE(second->Commit());
  EXPECT_EQ(Read(*this / "file"), "second");
  ASSERT_TRUE(first->Commit());
  EXPECT_EQ(Read(*this / "file"), "first");
  EXPECT_EQ(Entries(), 1u);
}

}  // namespace
}  // namespace octet
