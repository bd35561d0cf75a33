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

TEST(StagedDirectory, IsNoModelWhileItsFilesMove) {
  const TemporaryDirectory root;
  ASSERT_EQ(WriteModel(root / "model", "old"), "written");
  StagedDirectory stage = *StagedDirectory::Create(root / "model", "no such source");
  ASSERT_TRUE(WriteFileAtomically(stage.path() / "config.json", "{}"));
  ASSERT_TRUE(WriteFileAtomically(stage.path() / "z", "weights"));
  // The mark can't take its name here, so the move ends there.
  fs::remove(root / "model/.octet");
  fs::create_directories(root / "model/.octet/x");
  const Status done = stage.Commit();
  ASSERT_FALSE(done);
  EXPECT_EQ(Names(root / "model").front(), ".model." + std::to_string(::getpid()) + ".partial");
  EXPECT_FALSE(fs::exists(root / "model/config.json"));
  EXPECT_FALSE(fs::exists(root / "model/old"));
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
  for (const std::string& name : {ended, running}) fs::create_directories(root / "model" / name / "x");
  EXPECT_EQ(WriteModel(root / "model", "a"), "written");
  EXPECT_THAT(Names(root / "model"), ElementsAre(running, ".octet", "a", "config.json"));
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
