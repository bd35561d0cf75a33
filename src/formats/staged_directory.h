// Writing a directory so that readers see all of it or none: files go to a hidden neighbour, which takes the name at
// Commit. A directory that is there already stays, be it a mount point or someone's working directory: its neighbour
// lies inside, on the same file system, and the files move at Commit (formats/replace_content.h). What a commit that
// was killed has moved is put back by the next Create.
//
//   StagedDirectory stage = OCTET_TRY(StagedDirectory::Create("models/fp8", /*source=*/"models/bf16"));
//   OCTET_TRY(WriteFileAtomically(stage.path() / "config.json", text));
//   OCTET_TRY(stage.Commit());
//
// What is there already is replaced only if Octet made it (the file `.octet` lists its names) or if it is empty;
// anything else is refused, since it might be the user's only copy. A symbolic link stays, and what it leads to is
// replaced.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace octet {

class StagedDirectory {
 public:
  // Fails with invalid_argument where `path` is a file, a link that leads nowhere, a directory that holds files which
  // Octet didn't write, or one that is or holds `source`, a model or file that is read, or what files in it lead to.
  static Status Check(const std::filesystem::path& path, const std::filesystem::path& source);
  // Fails as Check does; with exhausted where the disk is full.
  static Result<StagedDirectory> Create(const std::filesystem::path& path, const std::filesystem::path& source);

  StagedDirectory(StagedDirectory&& other) noexcept;
  StagedDirectory& operator=(StagedDirectory&&) = delete;
  ~StagedDirectory();  // removes everything unless Commit was reached

  // Where the files go until then.
  const std::filesystem::path& path() const { return stage_; }

  // Gives the directory its name, or replaces what the one of that name holds.
  Status Commit();

  // An error about a file in here, with the name that the user gave in place of the neighbour's.
  Error WithTargetName(Error error) const;

 private:
  StagedDirectory() = default;
  Status TakeName();
  Status Replace();

  std::filesystem::path target_;
  std::filesystem::path stage_;                      // empty once committed
  std::vector<std::filesystem::path> made_parents_;  // of the stage, the nearest first
  bool is_inside_ = false;                           // the stage in the target
  int descriptor_ = -1;                              // of the stage, which it marks as in use
};

}  // namespace octet
