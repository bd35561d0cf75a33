#include "base/partial_path.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <vector>

#include "base/cat.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".partial";
constexpr size_t kLongestEntry = 255;                    // bytes of a name in a directory
constexpr size_t kLongestOwner = 10, kLongestHash = 20;  // digits

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

// The process that made it, 0 for another kind of name.
pid_t OwnerOf(std::string_view entry, std::string_view name) {
  const std::string opening = Cat(".", Stem(name), ".");
  if (!entry.starts_with(opening) || !entry.ends_with(kEnding)) return 0;
  if (entry.size() <= opening.size() + kEnding.size()) return 0;
  const std::string_view digits = entry.substr(opening.size(), entry.size() - opening.size() - kEnding.size());
  pid_t owner = 0;
  const std::from_chars_result parsed = std::from_chars(digits.data(), digits.data() + digits.size(), owner);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  return whole && owner > 0 ? owner : 0;
}

bool IsAbandoned(const fs::path& path, pid_t owner) {
  if (::kill(owner, 0) == 0 || errno != ESRCH) return false;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool is_free = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  ::close(descriptor);
  return is_free;
}

}  // namespace

std::string PartialName(std::string_view name) { return Cat(".", Stem(name), ".", ::getpid(), kEnding); }

bool IsPartialName(std::string_view entry, std::string_view name) { return OwnerOf(entry, name) != 0; }

void MarkInUse(int descriptor) {
  // Where a file system knows no locks, leftovers stay, too.
  [[maybe_unused]] const int locked = ::flock(descriptor, LOCK_EX | LOCK_NB);
}

void RemoveLeftovers(const fs::path& directory, std::string_view name) {
  std::error_code error;
  std::vector<fs::path> abandoned;
  fs::directory_iterator entries(directory.empty() ? fs::path(".") : directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const pid_t owner = OwnerOf(entries->path().filename().native(), name);
    if (owner != 0 && IsAbandoned(entries->path(), owner)) abandoned.push_back(entries->path());
  }
  for (const fs::path& path : abandoned) fs::remove_all(path, error);
}

}  // namespace octet
