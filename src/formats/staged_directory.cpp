#include "formats/staged_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "base/partial_path.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".octet", kConfiguration = "config.json";
constexpr std::string_view kAside = "replaced";  // in the stage, when its own files are known
constexpr std::string_view kMarkTitle = "Made by octet, which may replace these files:\n";

tl::unexpected<Error> SystemError(const fs::path& path, std::string_view what, const std::error_code& error) {
  const bool full = error == std::errc::no_space_on_device;
  return Fail(full ? ErrorCode::kExhausted : ErrorCode::kInvalidArgument, path, ": ", what, ": ", error.message());
}

// The directory itself. A link is followed, since a rename would put a directory in its place and leave what it leads
// to as it was; so are links further up, which `..` behind them steps out of.
Result<fs::path> FindTarget(const fs::path& path) {
  std::error_code error;
  fs::path target = fs::absolute(path, error);
  if (error) return SystemError(path, "is no name of a directory", error);
  if (!target.has_filename()) target = target.parent_path();
  if (fs::is_symlink(fs::symlink_status(target, error)) && !fs::exists(target, error)) {
    return Fail(ErrorCode::kInvalidArgument, path,
                ": is a symbolic link that leads to no directory; name the directory itself");
  }
  target = fs::weakly_canonical(target, error);
  if (error) return SystemError(path, "can't be looked up", error);
  return target;
}

// What lies in a directory, but for stages of `name`. The mark comes first and the configuration, without which a
// directory is no model, last.
Result<std::vector<std::string>> NamesIn(const fs::path& directory, std::string_view name) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::string entry = entries->path().filename().native();
    if (!IsPartialName(entry, name)) names.push_back(std::move(entry));
  }
  if (error) return SystemError(directory, "can't be read", error);
  const auto place = [](const std::string& entry) { return entry == kMark ? 0 : entry == kConfiguration ? 2 : 1; };
  std::sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return std::pair(place(a), std::string_view(a)) < std::pair(place(b), std::string_view(b));
  });
  return names;
}

std::string MarkOf(const std::vector<std::string>& names) {
  std::string text(kMarkTitle);
  for (const std::string& name : names) {
    if (name != kMark) text += Cat(name, "\n");
  }
  return text;
}

// The files that the mark lists; one of an older octet lists none, and stands for all that lies there.
Result<std::vector<std::string>> MarkedNames(const fs::path& directory) {
  const std::string text = OCTET_TRY(ReadTextFile(directory / kMark));
  std::vector<std::string> names;
  if (!text.starts_with(kMarkTitle)) return names;
  for (size_t begin = kMarkTitle.size(); begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

bool Has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whether a directory, which the user calls `shown`, may be replaced.
Status CheckTarget(const fs::path& path, const fs::path& shown) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return {};
  if (!fs::is_directory(status)) {
    return Fail(ErrorCode::kInvalidArgument, shown, ": is a file, a directory is to be written there");
  }
  const std::vector<std::string> names = OCTET_TRY(NamesIn(path, path.filename().native()));
  if (names.empty()) return {};
  if (!Has(names, kMark)) {
    return Fail(ErrorCode::kInvalidArgument, shown,
                ": is not empty and wasn't made by octet; name another directory or remove it first");
  }
  const std::vector<std::string> marked = OCTET_TRY(MarkedNames(path));
  const auto foreign = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
    return !marked.empty() && name != kMark && !Has(marked, name);
  });
  if (foreign == names.end()) return {};
  return Fail(ErrorCode::kInvalidArgument, shown, ": holds ", *foreign,
              ", which octet didn't write; move it away or name another directory");
}

// Whether replacing `target` would remove `source`, whatever names lead to the two.
bool Holds(const fs::path& target, const fs::path& source) {
  std::error_code error;
  fs::path inner = fs::canonical(source, error);
  while (!error && inner.has_relative_path()) {
    if (std::error_code absent; fs::equivalent(inner, target, absent)) return true;
    inner = inner.parent_path();
  }
  return false;
}

// Whether one of the files of a directory is a link into `target`.
bool HoldsAFileOf(const fs::path& target, const fs::path& source) {
  std::error_code error;
  fs::directory_iterator entries(source, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (entries->is_symlink(error) && Holds(target, entries->path())) return true;
  }
  return false;
}

struct Move {
  fs::path from, to;
};

// All or, as far as the file system lets it, none.
Status MoveAll(const std::vector<Move>& moves) {
  std::error_code error, ignored;
  for (size_t i = 0; i < moves.size(); ++i) {
    fs::rename(moves[i].from, moves[i].to, error);
    if (!error) continue;
    for (size_t done = i; done-- > 0;) fs::rename(moves[done].to, moves[done].from, ignored);
    return SystemError(moves[i].from, "can't be moved", error);
  }
  return {};
}

}  // namespace

Status StagedDirectory::Check(const fs::path& path, const fs::path& source) {
  const fs::path target = OCTET_TRY(FindTarget(path));
  if (Holds(target, source) || HoldsAFileOf(target, source)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": replacing it would remove what is read, ", source,
                "; name another directory");
  }
  return CheckTarget(target, path);
}

Result<StagedDirectory> StagedDirectory::Create(const fs::path& path, const fs::path& source) {
  OCTET_TRY(Check(path, source));
  std::error_code error;
  StagedDirectory staged;
  staged.target_ = OCTET_TRY(FindTarget(path));
  // A directory that exists stays the same directory: it may be a mount point, or where someone works.
  staged.is_inside_ = fs::exists(staged.target_, error);
  const fs::path parent = staged.is_inside_ ? staged.target_ : staged.target_.parent_path();
  const std::string name = staged.target_.filename().native();
  RemoveLeftovers(parent, name);
  const fs::path stage = parent / PartialName(name);
  fs::remove_all(stage, error);
  for (fs::path above = parent; !above.empty() && !fs::exists(above, error); above = above.parent_path())
    staged.made_parents_.push_back(above);
  if (!fs::create_directories(stage, error)) return SystemError(path, "can't be created", error);
  staged.stage_ = stage;
  staged.descriptor_ = ::open(stage.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  MarkInUse(staged.descriptor_);
  return staged;
}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : target_(std::move(other.target_)),
      stage_(std::exchange(other.stage_, {})),
      made_parents_(std::move(other.made_parents_)),
      is_inside_(other.is_inside_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

StagedDirectory::~StagedDirectory() {
  std::error_code error;
  if (!stage_.empty()) {
    fs::remove_all(stage_, error);
    for (const fs::path& parent : made_parents_) fs::remove(parent, error);  // unless others use it by now
  }
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status StagedDirectory::Commit() {
  OCTET_TRY(CheckTarget(target_, target_));
  const std::vector<std::string> made = OCTET_TRY(NamesIn(stage_, target_.filename().native()));
  OCTET_TRY(WriteFileAtomically(stage_ / kMark, MarkOf(made)));
  std::error_code error;
  if (is_inside_) {
    OCTET_TRY(ReplaceContent(made));
    fs::remove_all(stage_, error);
  } else {
    fs::rename(stage_, target_, error);
    if (error) return SystemError(target_, "can't be created", error);
  }
  stage_.clear();
  return {};
}

// Files go aside and others come by renaming, which takes no time and no space; what fails is undone. The configuration
// goes first and comes last, so that nobody takes a mixture of two models for one; meanwhile the mark names the files
// of both, so that what an interruption leaves can be replaced.
Status StagedDirectory::ReplaceContent(const std::vector<std::string>& made) {
  std::vector<std::string> old = OCTET_TRY(NamesIn(target_, target_.filename().native()));
  std::erase(old, kMark);
  std::reverse(old.begin(), old.end());
  std::vector<std::string> both = made;
  both.insert(both.end(), old.begin(), old.end());
  OCTET_TRY(WriteFileAtomically(target_ / kMark, MarkOf(both)));
  const fs::path aside = stage_ / kAside;
  std::error_code error;
  fs::create_directory(aside, error);
  if (error) return SystemError(target_, "can't be replaced", error);
  std::vector<Move> moves;
  for (const std::string& entry : old) moves.push_back({target_ / entry, aside / entry});
  for (const std::string& entry : made) moves.push_back({stage_ / entry, target_ / entry});
  OCTET_TRY(MoveAll(moves));
  return WriteFileAtomically(target_ / kMark, MarkOf(made));
}

Error StagedDirectory::WithTargetName(Error error) const {
  const std::string& hidden = stage_.native();
  if (hidden.empty()) return error;
  for (size_t at = error.message.find(hidden); at != std::string::npos; at = error.message.find(hidden, at)) {
    error.message.replace(at, hidden.size(), target_.native());
    at += target_.native().size();
  }
  return error;
}

}  // namespace octet
