#include "formats/staged_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

ino_t Inode(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_ino;
}

std::vector<std::string> Names(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename().native());
  std::sort(names.begin(), names.end());
  return names;
}

// "written", or why not.
std::string WriteModel(const fs::path& target, const char* weights) {
  Result<StagedDirectory> stage = StagedDirectory::Create(target, "no such source");
  if (!stage) return stage.error().message;
  EXPECT_TRUE(WriteFileAtomically(stage->path() / "config.json", "{}"));
  EXPECT_TRUE(WriteFileAtomically(stage->path() / weights, "weights"));
  const Status done = stage->Commit();
  return done ? "written" : done.error().message;
}

TEST(StagedDirectory, TakesItsNameWhereThereIsNone) {
  const TemporaryDirectory root;
  EXPECT_EQ(WriteModel(root / "model", "a"), "written");
  EXPECT_THAT(Names(root.path()), ElementsAre("model"));
  EXPECT_THAT(Names(root / "model"), ElementsAre(".octet", "a", "config.json"));
}

// A mount point can't be renamed, and whoever works in a directory would be left in a removed one.
TEST(StagedDirectory, ADirectoryThatExistsStaysTheSameAndItsParentIsNotWrittenTo) {
  const TemporaryDirectory root;
  fs::create_directory(root / "model");
  const ino_t inode = Inode(root / "model");
  {
    StagedDirectory stage = *StagedDirectory::Create(root / "model", "no such source");
    EXPECT_EQ(stage.path().parent_path(), fs::canonical(root / "model"));
    EXPECT_THAT(Names(root.path()), ElementsAre("model"));
  }
  EXPECT_TRUE(fs::is_empty(root / "model"));
  EXPECT_EQ(WriteModel(root / "model", "a"), "written");
  EXPECT_THAT(Names(root / "model"), ElementsAre(".octet", "a", "config.json"));
  EXPECT_EQ(WriteModel(root / "model", "b"), "written");
  EXPECT_THAT(Names(root / "model"), ElementsAre(".octet", "b", "config.json"));
  EXPECT_EQ(Inode(root / "model"), inode);
}

// As someone who may not move a directory that can't be written to, which root may.
int ReplaceAsUser(const fs::path& model) {
  const uid_t someone = 65534;
  if (::geteuid() == 0) {
    for (const fs::path& path :
         {model.parent_path(), model, model / "a", model / "config.json", model / ".octet", model / "kept"}) {
      if (::chown(path.c_str(), someone, someone) != 0) return 1;
    }
    if (::setuid(someone) != 0) return 2;
  }
  return WriteModel(model, "b") == Cat(model / "kept", ": can't be moved: Permission denied") ? 0 : 3;
}

TEST(StagedDirectory, AReplacementThatFailsLeavesWhatWasThere) {
  const TemporaryDirectory root;
  {
    StagedDirectory stage = *StagedDirectory::Create(root / "model", "no such source");
    for (const char* name : {"config.json", "a"}) ASSERT_TRUE(WriteFileAtomically(stage.path() / name, "old"));
    fs::create_directory(stage.path() / "kept");
    ASSERT_TRUE(stage.Commit());
  }
  fs::permissions(root / "model/kept", fs::perms::owner_read | fs::perms::owner_exec);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(ReplaceAsUser(fs::canonical(root / "model")));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(Names(root / "model"), ElementsAre(".octet", "a", "config.json", "kept"));
  fs::permissions(root / "model/kept", fs::perms::owner_all);
}

TEST(StagedDirectory, WhatOctetDidNotWriteIsNotRemoved) {
  const TemporaryDirectory root;
  ASSERT_EQ(WriteModel(root / "model", "a"), "written");
  ASSERT_TRUE(WriteFileAtomically(root / "model/notes.txt", "mine"));
  EXPECT_EQ(WriteModel(root / "model", "b"),
            Cat(root / "model", ": holds notes.txt, which octet didn't write; move it away or name another directory"));
  EXPECT_TRUE(fs::exists(root / "model/notes.txt"));
  fs::remove(root / "model/notes.txt");
  EXPECT_EQ(WriteModel(root / "model", "b"), "written");
}

TEST(StagedDirectory, WhatLinksOfTheSourceLeadToIsNotRemoved) {
  const TemporaryDirectory root;
  ASSERT_EQ(WriteModel(root / "model", "a"), "written");
  fs::create_directory(root / "view");
  fs::create_symlink("../model/a", root / "view/a");
  const Result<StagedDirectory> stage = StagedDirectory::Create(root / "model", root / "view");
  ASSERT_FALSE(stage);
  EXPECT_THAT(stage.error().message, HasSubstr("replacing it would remove what is read"));
  EXPECT_TRUE(StagedDirectory::Create(root / "other", root / "view"));
}

TEST(StagedDirectory, DirectoriesMadeForItGoWithItUnlessItIsDone) {
  const TemporaryDirectory root;
  { const auto stage = StagedDirectory::Create(root / "x/y/model", "no such source"); }
  EXPECT_TRUE(Names(root.path()).empty());
  EXPECT_EQ(WriteModel(root / "x/y/model", "a"), "written");
  EXPECT_TRUE(fs::exists(root / "x/y/model/a"));
}

TEST(StagedDirectory, WhatAKilledRunLeftIsRemovedInsideAndBeside) {
  const TemporaryDirectory root;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const std::string ended = Cat(".model.", child, ".partial"), running = Cat(".model.", ::getppid(), ".partial");
  for (const std::string& name : {ended, running}) fs::create_directories(root / name / "x");
  EXPECT_EQ(WriteModel(root / "model", "a"), "written");
  EXPECT_THAT(Names(root.path()), ElementsAre(running, "model"));
  fs::remove_all(root / "model");
  const std::string inside = Cat("..octet.", child, ".partial"), active = Cat("..octet.", ::getppid(), ".partial");
  for (const std::string& name : {inside, active}) fs::create_directories(root / "model" / name / "x");
  EXPECT_EQ(WriteModel(root / "model", "a"), "written");
  EXPECT_THAT(Names(root / "model"), ElementsAre(active, ".octet", "a", "config.json"));
}

// A list that names nothing is no leave to remove everything, nor is one that was edited.
TEST(StagedDirectory, AMarkThatListsNothingIsNoLeave) {
  const TemporaryDirectory root;
  fs::create_directory(root / "model");
  ASSERT_TRUE(WriteFileAtomically(root / "model/notes.txt", "mine"));
  for (const char* mark : {"", "notes.txt\n", "Made by octet, which may replace these files:\n",
                           "Made by octet, which may replace these files:\r\nnotes.txt\r\n"}) {
    ASSERT_TRUE(WriteFileAtomically(root / "model/.octet", mark));
    EXPECT_THAT(WriteModel(root / "model", "a"), HasSubstr("holds notes.txt, which octet didn't write"));
  }
  fs::remove(root / "model/.octet");
  ASSERT_EQ(::mkfifo((root / "model/.octet").c_str(), 0600), 0);  // reading it would wait for ever
  EXPECT_THAT(WriteModel(root / "model", "a"), HasSubstr("holds notes.txt, which octet didn't write"));
}

TEST(StagedDirectory, WhatTheUserPutThereMeanwhileIsKept) {
  const TemporaryDirectory root;
  fs::create_directory(root / "model");
  StagedDirectory stage = *StagedDirectory::Create(root / "model", "no such source");
  ASSERT_TRUE(WriteFileAtomically(root / "model/notes.txt", "mine"));
  const Status done = stage.Commit();
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("is not empty and wasn't made by octet"));
  EXPECT_TRUE(fs::exists(root / "model/notes.txt"));
}

}  // namespace
}  // namespace octet
