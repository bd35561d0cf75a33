#include "base/atomic_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "base/atomic_file.h"
#include "base/mapped_file.h"

namespace octet {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class AtomicDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / Cat("octet-directory-", ::getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  size_t Entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(root_), fs::directory_iterator())); }

  fs::path root_;
};

TEST_F(AtomicDirectoryTest, NothingHasTheNameBeforeCommitAndAllIsThereAfter) {
  AtomicDirectory out = AtomicDirectory::Create(root_ / "a" / "b").value();
  ASSERT_TRUE(WriteFileAtomically(out.path() / "x", "content").has_value());
  EXPECT_FALSE(fs::exists(root_ / "a" / "b"));
  ASSERT_TRUE(out.Commit().has_value());
  EXPECT_EQ(*ReadTextFile(root_ / "a" / "b" / "x"), "content");
}

TEST_F(AtomicDirectoryTest, WithoutCommitNothingIsLeft) {
  {
    AtomicDirectory out = AtomicDirectory::Create(root_ / "a").value();
    ASSERT_TRUE(WriteFileAtomically(out.path() / "x", "content").has_value());
    EXPECT_EQ(Entries(), 1u);
  }
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(AtomicDirectoryTest, AnEmptyDirectoryAndATrailingSlashAreFine) {
  fs::create_directories(root_ / "empty");
  AtomicDirectory out = AtomicDirectory::Create(root_ / "empty/").value();
  ASSERT_TRUE(WriteFileAtomically(out.path() / "x", "content").has_value());
  ASSERT_TRUE(out.Commit().has_value());
  EXPECT_TRUE(fs::exists(root_ / "empty" / "x"));
}

TEST_F(AtomicDirectoryTest, WhatIsThereAlreadyIsNeverReplaced) {
  fs::create_directories(root_ / "full");
  std::ofstream(root_ / "full" / "mine") << "x";
  const Result<AtomicDirectory> out = AtomicDirectory::Create(root_ / "full");
  ASSERT_FALSE(out.has_value());
  EXPECT_THAT(out.error().message, HasSubstr("exists and is not empty"));
  EXPECT_THAT(AtomicDirectory::Create(root_ / "full" / "mine").error().message, HasSubstr("is not a directory"));
  EXPECT_FALSE(AtomicDirectory::Create(root_ / "full" / "mine" / "below").has_value());
}

TEST_F(AtomicDirectoryTest, ErrorsTellTheNameThatTheUserGave) {
  const AtomicDirectory out = AtomicDirectory::Create(root_ / "out").value();
  const Error error = out.WithTargetName({ErrorCode::kExhausted, Cat(out.path() / "w", ": full, see ", out.path())});
  EXPECT_EQ(error.message, Cat(root_ / "out" / "w", ": full, see ", root_ / "out"));
}

}  // namespace
}  // namespace octet
