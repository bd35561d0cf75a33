// Puts the files of a stage, a directory inside of `target`, in the place of the target's own. Files move by renaming,
// which takes no time and no space: what needs space is written to the stage before the first of them moves. An
// interruption, of power too, leaves a directory that PutBack makes what it was before, or one that is done.
//
// The callers hold a lock on the target (DirectoryLock), and own the stage.
#pragma once

#include <filesystem>

#include "base/error.h"

namespace octet {

// Waits until nobody else replaces files of a directory. Where a file system knows no locks, nobody waits.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::filesystem::path& directory);
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock();

 private:
  int descriptor_;
};

// The configuration goes first and comes last, so that nobody takes a mixture of two models for one; meanwhile the
// target's mark lists the files of both. On an error files may have moved: PutBack is due.
Status ReplaceContent(const std::filesystem::path& target, const std::filesystem::path& stage);

// Undoes what ReplaceContent has begun; may be called again where it failed. False where something is left in the
// stage that belongs to the target.
bool PutBack(const std::filesystem::path& target, const std::filesystem::path& stage);

// Where the target's files are meanwhile.
std::filesystem::path ReplacedFiles(const std::filesystem::path& stage);

}  // namespace octet
