// Commits of a staged directory that are stopped, killed or disturbed between their renames.
#include "formats/replace_content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <fstream>
#include <iterator>

#include "base/atomic_file.h"
#include "formats/staged_directory.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;

std::string Read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// A model of three files, whose content and one of whose names are `kind`. "written", or why not.
std::string WriteModel(const fs::path& target, const std::string& kind) {
  Result<StagedDirectory> stage = StagedDirectory::Create(target, "no such source");
  if (!stage) return stage.error().message;
  for (const std::string& name : {std::string("config.json"), std::string("model.safetensors"), kind}) {
    const Status written = WriteFileAtomically(stage->path() / name, kind);
    if (!written) return written.error().message;
  }
  const Status done = stage->Commit();
  return done ? "written" : done.error().message;
}

// The kind of a whole model that holds nothing else, or a list of what there is.
std::string Model(const fs::path& target) {
  std::string kind = Read(target / "config.json"), names;
  std::vector<std::string> entries;
  for (const auto& entry : fs::directory_iterator(target)) entries.push_back(entry.path().filename().native());
  std::sort(entries.begin(), entries.end());
  for (const std::string& entry : entries) names += entry + " ";
  std::vector<std::string> wanted = {".octet", "config.json", "model.safetensors", kind};
  std::sort(wanted.begin(), wanted.end());
  const std::string listed = Read(target / ".octet");
  const bool whole = entries == wanted && Read(target / "model.safetensors") == kind && Read(target / kind) == kind &&
                     std::count(listed.begin(), listed.end(), '\n') == 4;
  return whole ? kind : "no model: " + names;
}

bool IsRename(uint64_t number) {
#ifdef SYS_rename
  if (number == SYS_rename) return true;
#endif
  return number == SYS_renameat || number == SYS_renameat2;
}

// A child process that writes a model, stopped before its rename number `at`; 0 where it ended before, < 0 where
// processes can't be traced.
pid_t StartAndStop(const fs::path& target, const std::string& kind, int at) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
    ::raise(SIGSTOP);
    ::_exit(WriteModel(target, kind) == "written" ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) return -1;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  for (int renames = 0; ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0;) {
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      return 0;
    }
    struct __ptrace_syscall_info call = {};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof call, &call) <= 0) break;
    if (call.op == PTRACE_SYSCALL_INFO_ENTRY && IsRename(call.entry.nr) && ++renames == at) return child;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return -1;
}

constexpr char kNoTracing[] = "processes can't be traced here";

void Kill(pid_t child) {
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

// Fails as on a full disk.
std::string WriteModelWithoutSpace(const fs::path& target) {
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit none = before;
  none.rlim_cur = 0;
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &none);
  std::string result = WriteModel(target, "other");
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  return result;
}

// Wherever a run is killed, one of the two models is whole after the next run, even if that one fails.
TEST(ReplaceContent, AKillAtAnyRenameLosesNothing) {
  int at = 1;
  for (;; ++at) {
    const TemporaryDirectory root;
    ASSERT_EQ(WriteModel(root / "model", "old"), "written");
    pid_t child = StartAndStop(root / "model", "new", at);
    if (child < 0) GTEST_SKIP() << kNoTracing;
    if (child == 0) break;
    Kill(child);
    fs::rename(root / "model", root / "moved");  // the next run may know it by another name
    EXPECT_THAT(WriteModelWithoutSpace(root / "moved"), HasSubstr("writing stopped")) << at;
    EXPECT_THAT(Model(root / "moved"), AnyOf("old", "new")) << "killed at rename " << at;
    EXPECT_EQ(WriteModel(root / "moved", "third"), "written") << at;
    EXPECT_EQ(Model(root / "moved"), "third") << at;
  }
  EXPECT_GT(at, 10);  // three files aside, three in their place, the mark twice
}

// Nobody reads a configuration beside weights of another model.
TEST(ReplaceContent, MixturesHaveNoConfiguration) {
  for (int at = 1;; ++at) {
    const TemporaryDirectory root;
    ASSERT_EQ(WriteModel(root / "model", "old"), "written");
    const pid_t child = StartAndStop(root / "model", "new", at);
    if (child < 0) GTEST_SKIP() << kNoTracing;
    if (child == 0) break;
    const std::string configuration = Read(root / "model/config.json");
    if (!configuration.empty()) {
      EXPECT_EQ(Read(root / "model/model.safetensors"), configuration) << at;
    }
    Kill(child);
  }
}

TEST(ReplaceContent, AnEmptyDirectoryIsEmptyAgain) {
  for (int at = 1;; ++at) {
    const TemporaryDirectory root;
    fs::create_directory(root / "model");
    const pid_t child = StartAndStop(root / "model", "new", at);
    if (child < 0) GTEST_SKIP() << kNoTracing;
    if (child == 0) break;
    Kill(child);
    EXPECT_THAT(WriteModelWithoutSpace(root / "model"), HasSubstr("writing stopped"));
    if (!fs::is_empty(root / "model")) {
      EXPECT_EQ(Model(root / "model"), "new") << at;
    }
  }
}

TEST(ReplaceContent, TwoCommitsWaitForEachOther) {
  const TemporaryDirectory root;
  ASSERT_EQ(WriteModel(root / "model", "old"), "written");
  const pid_t first = StartAndStop(root / "model", "first", 9);  // in the middle of its moves
  if (first < 0) GTEST_SKIP() << kNoTracing;
  ASSERT_NE(first, 0);
  const pid_t second = ::fork();
  if (second == 0) ::_exit(WriteModel(root / "model", "second") == "written" ? 0 : 1);
  const timespec some_time = {.tv_sec = 0, .tv_nsec = 100'000'000};
  ::nanosleep(&some_time, nullptr);
  int status = 0;
  EXPECT_EQ(::waitpid(second, &status, WNOHANG), 0);
  EXPECT_EQ(::ptrace(PTRACE_DETACH, first, nullptr, nullptr), 0);
  for (const pid_t child : {first, second}) {
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  EXPECT_EQ(Model(root / "model"), "second");
}

// What stands where an old file is to be put back belongs to somebody else by now: both are kept.
TEST(ReplaceContent, WhatCannotBePutBackStaysInTheStage) {
  const TemporaryDirectory root;
  ASSERT_EQ(WriteModel(root / "model", "old"), "written");
  const pid_t child = StartAndStop(root / "model", "new", 9);
  if (child < 0) GTEST_SKIP() << kNoTracing;
  ASSERT_NE(child, 0);
  Kill(child);
  ASSERT_FALSE(fs::exists(root / "model/config.json"));
  ASSERT_TRUE(WriteFileAtomically(root / "model/config.json", "mine"));
  EXPECT_THAT(WriteModelWithoutSpace(root / "model"), HasSubstr("writing stopped"));
  EXPECT_EQ(Read(root / "model/config.json"), "mine");
  fs::remove(root / "model/config.json");
  EXPECT_THAT(WriteModelWithoutSpace(root / "model"), HasSubstr("writing stopped"));
  EXPECT_EQ(Model(root / "model"), "old");
}

}  // namespace
}  // namespace octet
