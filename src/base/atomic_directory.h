// Filling a directory so that readers see all of it or none: files go to a hidden neighbour, which takes the name at Commit.
//
//   AtomicDirectory out = OCTET_TRY(AtomicDirectory::Create("models/fp8"));
//   OCTET_TRY(WriteFileAtomically(out.path() / "config.json", text));
//   OCTET_TRY(out.Commit());
//
// The neighbour and all in it are removed whenever Commit was not reached.
#pragma once

#include <filesystem>

#include "base/error.h"

namespace octet {

class AtomicDirectory {
 public:
  // Makes parents that are missing. Fails with invalid_argument where the target is a file or a directory with something in it,
  // exhausted where the disk is full, not_found or invalid_argument where a parent can't be made.
  static Result<AtomicDirectory> Create(const std::filesystem::path& target);

  AtomicDirectory(AtomicDirectory&& other) noexcept;
  AtomicDirectory& operator=(AtomicDirectory&&) = delete;
  ~AtomicDirectory();

  // Where to put files until Commit.
  const std::filesystem::path& path() const { return temporary_; }
  // Gives the directory its name.
  Status Commit();
  // An error of a file in here, telling the name that the user gave instead of the neighbour's.
  Error WithTargetName(Error error) const;

 private:
  AtomicDirectory(std::filesystem::path target, std::filesystem::path temporary)
      : target_(std::move(target)), temporary_(std::move(temporary)) {}

  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty once it has its name
};

}  // namespace octet
