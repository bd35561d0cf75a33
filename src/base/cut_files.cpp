#include "base/cut_files.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <csignal>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/message.h"

namespace octet {
namespace {

// One mapped file. The list of them only grows, and what is forgotten is taken again, so that a handler may walk it
// while other threads map and unmap. It reads the text of the one range that holds the address of its access, whose
// owner is just reading it and so doesn't forget it.
struct MappedRange {
  std::atomic<uintptr_t> begin{0}, end{0};  // 0: free
  std::string path, shown;                  // as given, and fit for a terminal
  dev_t device = 0;
  ino_t inode = 0;
  MappedRange* next = nullptr;
};

std::atomic<MappedRange*> the_ranges{nullptr};
std::mutex the_ranges_mutex;  // of whoever notes and forgets

struct CutFileReport {
  std::string_view program;
  int exit_code = 1;
  struct sigaction before = {};
};
CutFileReport the_report;
std::atomic_flag is_reported = ATOMIC_FLAG_INIT;

const MappedRange* FindRange(uintptr_t address) {
  for (const MappedRange* range = the_ranges.load(); range != nullptr; range = range->next) {
    const uintptr_t begin = range->begin.load();
    if (begin != 0 && begin <= address && address < range->end.load()) return range;
  }
  return nullptr;
}

// The digits of a number, in a signal handler.
struct Digits {
  explicit Digits(uint64_t number) {
    do text[--first] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
  }
  std::string_view view() const { return {text.data() + first, text.size() - first}; }

  std::array<char, 20> text = {};
  size_t first = 20;
};

// In one call, so that the lines of other threads stay whole.
template <size_t N>
void WriteParts(const std::array<std::string_view, N>& parts) {
  std::array<iovec, N> pieces;
  for (size_t i = 0; i < N; ++i) pieces[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
  [[maybe_unused]] const ssize_t written = ::writev(STDERR_FILENO, pieces.data(), static_cast<int>(N));
}

void WriteReport(const MappedRange& range) {
  const uint64_t mapped = range.end.load() - range.begin.load();
  struct stat status = {};
  // Another file at the path says nothing of the one that is mapped.
  const bool is_there =
      ::stat(range.path.c_str(), &status) == 0 && status.st_dev == range.device && status.st_ino == range.inode;
  const uint64_t now = static_cast<uint64_t>(status.st_size);
  if (is_there && now < mapped) {
    WriteParts(std::array<std::string_view, 8>{
        the_report.program, ": ", range.shown, ": was cut from ", Digits(mapped).view(), " to ", Digits(now).view(),
        " bytes while it was in use; make it again, and let what writes it write "
        "beside it and rename\n"});
    return;
  }
  WriteParts(std::array<std::string_view, 4>{the_report.program, ": ", range.shown,
                                             ": can't be read any more: the file in use was cut, or its disk failed; "
                                             "look at the system's log, or make the file again\n"});
}

// Nothing here but what a signal handler may call.
extern "C" void HandleBusError(int signal, siginfo_t* info, void*) {
  const int reason = errno;
  const bool is_access = info->si_code > 0;  // else kill() or the like
  const MappedRange* range = is_access ? FindRange(reinterpret_cast<uintptr_t>(info->si_addr)) : nullptr;
  if (range == nullptr) {
    ::sigaction(signal, &the_report.before, nullptr);
    if (!is_access) ::raise(signal);  // comes when this returns; an access is tried again, and fails again
    errno = reason;
    return;
  }
  // Of many threads that read the file one speaks; it ends the others.
  while (is_reported.test_and_set()) ::pause();
  WriteReport(*range);
  ::_exit(the_report.exit_code);
}

}  // namespace

void ReportCutFiles(std::string_view program, int exit_code) {
  the_report.program = program;
  the_report.exit_code = exit_code;
  ::sigaction(SIGBUS, nullptr, &the_report.before);
  struct sigaction action = {};
  action.sa_sigaction = HandleBusError;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

void NoteMapped(std::span<const std::byte> bytes, const std::filesystem::path& path, const struct stat& status) {
  if (bytes.empty()) return;
  const std::lock_guard lock(the_ranges_mutex);
  MappedRange* range = the_ranges.load();
  while (range != nullptr && range->begin.load() != 0) range = range->next;
  const bool is_new = range == nullptr;
  if (is_new) range = new MappedRange;
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  range->path = path.native();
  range->shown = SafeMessage(path.native());
  range->device = status.st_dev;
  range->inode = status.st_ino;
  range->end.store(begin + bytes.size());
  range->begin.store(begin);
  if (!is_new) return;
  range->next = the_ranges.load();
  the_ranges.store(range);
}

void ForgetMapped(const std::byte* data) {
  if (data == nullptr) return;
  const std::lock_guard lock(the_ranges_mutex);
  MappedRange* range = the_ranges.load();
  while (range != nullptr && range->begin.load() != reinterpret_cast<uintptr_t>(data)) range = range->next;
  if (range != nullptr) range->begin.store(0);
}

}  // namespace octet
