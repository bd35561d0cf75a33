#include "formats/replace_content.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "base/system_error.h"
#include "formats/directory_mark.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAside = ".octet.replaced", kMarkOfBoth = ".octet.both";  // in the stage

bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

// Under a name that nobody has.
Status Move(const fs::path& from, const fs::path& to) {
  std::error_code error = std::make_error_code(std::errc::file_exists);
  if (!IsThere(to)) fs::rename(from, to, error);
  if (!error) return {};
  return SystemError(from, "can't be moved", error);
}

Status MoveMark(const fs::path& from, const fs::path& target) {
  std::error_code error;
  fs::rename(from, target / kDirectoryMark, error);
  if (error) return SystemError(target, "can't be replaced", error);
  return {};
}

// What is there for PutBack: the old mark, lists of the files.
Status WriteLists(const fs::path& target, const fs::path& stage, const std::vector<std::string>& old,
                  const std::vector<std::string>& made) {
  std::vector<std::string> both = made;
  both.insert(both.end(), old.begin(), old.end());
  OCTET_TRY(WriteFileAtomically(stage / kDirectoryMark, MarkOf(made)));
  OCTET_TRY(WriteFileAtomically(stage / kMarkOfBoth, MarkOf(both)));
  std::error_code error;
  if (!fs::create_directory(stage / kAside, error)) return SystemError(target, "can't be replaced", error);
  if (!IsThere(target / kDirectoryMark)) return {};
  const std::string mark = OCTET_TRY(ReadTextFile(target / kDirectoryMark));
  return WriteFileAtomically(stage / kAside / kDirectoryMark, mark);
}

}  // namespace

DirectoryLock::DirectoryLock(const fs::path& directory)
    : descriptor_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ >= 0) static_cast<void>(::flock(descriptor_, LOCK_EX));
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

fs::path ReplacedFiles(const fs::path& stage) { return stage / kAside; }

Status ReplaceContent(const fs::path& target, const fs::path& stage) {
  const std::vector<std::string> made = OCTET_TRY(NamesIn(stage));
  std::vector<std::string> old = OCTET_TRY(NamesIn(target));
  std::reverse(old.begin(), old.end());
  OCTET_TRY(WriteLists(target, stage, old, made));
  OCTET_TRY(MoveMark(stage / kMarkOfBoth, target));
  for (const std::string& name : old) OCTET_TRY(Move(target / name, stage / kAside / name));
  for (const std::string& name : made) OCTET_TRY(Move(stage / name, target / name));
  return MoveMark(stage / kDirectoryMark, target);
}

bool PutBack(const fs::path& target, const fs::path& stage) {
  if (!IsThere(stage / kAside) || !IsThere(stage / kDirectoryMark)) return true;  // none has moved yet, or all have
  Result<std::vector<std::string>> made = MarkedNames(stage / kDirectoryMark);
  const Result<std::vector<std::string>> old = NamesIn(stage / kAside);
  if (!made || !old) return false;
  std::reverse(made->begin(), made->end());
  for (const std::string& name : *made) {
    if (!IsThere(stage / name) && IsThere(target / name) && !Move(target / name, stage / name)) return false;
  }
  for (const std::string& name : *old) {
    if (!Move(stage / kAside / name, target / name)) return false;
  }
  std::error_code error;
  if (IsThere(stage / kAside / kDirectoryMark)) {
    fs::rename(stage / kAside / kDirectoryMark, target / kDirectoryMark, error);
  } else if (!IsThere(stage / kMarkOfBoth)) {
    fs::remove(target / kDirectoryMark, error);
  }
  return !error;
}

}  // namespace octet
