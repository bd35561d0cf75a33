#include "base/partial_path.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/cat.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".partial";
constexpr size_t kLongestEntry = 255;                    // bytes of a name in a directory
constexpr size_t kLongestOwner = 21, kLongestHash = 20;  // `PID-NUMBER`, digits

// What a partial's name has of the file's: all of it, or the beginning and a hash where an entry of a directory has no
// room for more.
std::string Stem(std::string_view name) {
  constexpr size_t kMost = kLongestEntry - kLongestOwner - kEnding.size() - 2;
  if (name.size() <= kMost) return std::string(name);
  const std::string hash = Cat("~", std::hash<std::string_view>()(name));
  size_t kept = kMost - kLongestHash - 1;
  while (kept > 0 && (static_cast<unsigned char>(name[kept]) & 0xC0) == 0x80) --kept;  // no half characters
  return Cat(name.substr(0, kept), hash);
}

std::optional<uint32_t> ParseNumber(std::string_view digits) {
  uint32_t number = 0;
  const std::from_chars_result parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return number;
}

// The process that made it, 0 for another kind of name.
pid_t OwnerOf(std::string_view entry, std::string_view name) {
  const std::string opening = Cat(".", Stem(name), ".");
  if (!entry.starts_with(opening) || !entry.ends_with(kEnding)) return 0;
  if (entry.size() <= opening.size() + kEnding.size()) return 0;
  const std::string_view owner = entry.substr(opening.size(), entry.size() - opening.size() - kEnding.size());
  const size_t dash = std::min(owner.find('-'), owner.size());
  if (dash < owner.size() && !ParseNumber(owner.substr(dash + 1))) return 0;
  const uint32_t process = ParseNumber(owner.substr(0, dash)).value_or(0);
  return process <= INT32_MAX ? static_cast<pid_t>(process) : 0;
}

bool IsStillThere(const fs::path& path, int descriptor) {
  struct stat held = {}, there = {};
  return ::fstat(descriptor, &held) == 0 && ::lstat(path.c_str(), &there) == 0 && held.st_dev == there.st_dev &&
         held.st_ino == there.st_ino;
}

// Calls make(path), which gives a descriptor or says in errno why not, with one name after the other until one is free.
template <class Make>
Partial CreatePartial(const fs::path& directory, std::string_view name, Make&& make) {
  constexpr unsigned kMostTries = 1000;
  const std::string opening = Cat(".", Stem(name), ".", ::getpid());
  Partial partial;
  for (unsigned number = 1; number <= kMostTries; ++number) {
    partial.path = directory / (number == 1 ? Cat(opening, kEnding) : Cat(opening, "-", number, kEnding));
    partial.descriptor = make(partial.path);
    if (partial.descriptor < 0 && errno != EEXIST) break;
    if (partial.descriptor < 0) continue;
    // Where a file system knows no locks, leftovers stay, too.
    [[maybe_unused]] const int locked = ::flock(partial.descriptor, LOCK_EX | LOCK_NB);
    // Before the lock somebody may have taken it for a leftover.
    if (IsStillThere(partial.path, partial.descriptor)) break;
    ::close(std::exchange(partial.descriptor, -1));
    errno = EEXIST;
  }
  return partial;
}

int MakeFile(const fs::path& path) {
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
}

int MakeDirectory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0777) != 0) return -1;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor >= 0) return descriptor;
  const int reason = errno;
  ::rmdir(path.c_str());
  // Who took it for a leftover removed it again: another name is as good.
  errno = reason == ENOENT ? EEXIST : reason;
  return -1;
}

// A descriptor that holds what was left, < 0 where it is in use or can't be looked at. A number of this process in the
// name may also be that of one in another container, or of one that had it before: the lock tells.
int HoldAbandoned(const fs::path& path, pid_t owner) {
  if (owner != ::getpid() && (::kill(owner, 0) == 0 || errno != ESRCH)) return -1;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return -1;
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && IsStillThere(path, descriptor)) return descriptor;
  ::close(descriptor);
  return -1;
}

}  // namespace

Partial CreatePartialFile(const fs::path& directory, std::string_view name) {
  return CreatePartial(directory, name, MakeFile);
}

Partial CreatePartialDirectory(const fs::path& directory, std::string_view name) {
  return CreatePartial(directory, name, MakeDirectory);
}

bool IsPartialName(std::string_view entry, std::string_view name) { return OwnerOf(entry, name) != 0; }

void RemoveLeftovers(const fs::path& directory, std::string_view name,
                     const std::function<bool(const fs::path&)>& rescue) {
  std::error_code error;
  std::vector<std::pair<fs::path, pid_t>> partials;
  fs::directory_iterator entries(directory.empty() ? fs::path(".") : directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const pid_t owner = OwnerOf(entries->path().filename().native(), name);
    if (owner != 0) partials.emplace_back(entries->path(), owner);
  }
  for (const auto& [path, owner] : partials) {
    const int descriptor = HoldAbandoned(path, owner);
    if (descriptor < 0) continue;
    if (!rescue || rescue(path)) fs::remove_all(path, error);
    ::close(descriptor);
  }
}

}  // namespace octet
