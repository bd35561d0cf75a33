#include "cli/line_editor.h"

#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <fstream>

#include "base/counted.h"
#include "cli/signals.h"

namespace octet::cli {
namespace {

constexpr int kHistoryLines = 1000;
constexpr uintmax_t kMostHistoryBytes = uintmax_t{16} << 20;
constexpr std::string_view kFirstHistoryLine = "_HiStOrY_V2_";  // libedit's
constexpr char kEndOfFile = 4;                                  // Ctrl-D
constexpr char kHidden = 1;  // libedit counts no column for what stands between two of these

volatile std::sig_atomic_t interrupted = 0;
extern "C" void NoteInterrupt(int) { interrupted = 1; }

// The signals that end a wait for a key, held back outside of it so that none comes between the look and the wait.
class HeldSignals {
 public:
  HeldSignals() {
    struct sigaction note = {};
    note.sa_handler = NoteInterrupt;
    ::sigaction(SIGINT, &note, &before_);
    sigset_t held;
    ::sigemptyset(&held);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&held, signal);
    ::pthread_sigmask(SIG_BLOCK, &held, &free_);
  }
  ~HeldSignals() {
    ::pthread_sigmask(SIG_SETMASK, &free_, nullptr);
    ::sigaction(SIGINT, &before_, nullptr);
  }
  HeldSignals(const HeldSignals&) = delete;

  const sigset_t& free() const { return free_; }

 private:
  struct sigaction before_ = {};
  sigset_t free_ = {};
};

std::string_view KindOf(std::filesystem::file_type type) {
  switch (type) {
    case std::filesystem::file_type::directory:
      return "a directory";
    case std::filesystem::file_type::character:
    case std::filesystem::file_type::block:
      return "a device";
    case std::filesystem::file_type::fifo:
      return "a pipe";
    case std::filesystem::file_type::socket:
      return "a socket";
    default:
      return "no regular file";
  }
}

// Each line that is typed replaces the whole file, whatever it held.
Status CheckFirstLine(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Fail(ErrorCode::kInvalidArgument, "--history: ", path, " can't be read: ", std::strerror(errno),
                "; name another file, or give an empty name to keep none");
  }
  std::string line(kFirstHistoryLine.size() + 1, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  if (line.starts_with(kFirstHistoryLine) && (line.back() == '\n' || file.gcount() < std::ssize(line))) return {};
  return Fail(ErrorCode::kInvalidArgument, "--history: ", path,
              " is no history of a chat; name another file, or give an empty name to keep none");
}

enum class Key { kByte, kInterrupt, kEnd };

// The terminal as a description of its own, which doesn't wait: a Ctrl-C drops what was typed before it, maybe between
// the look for a key and its reading, which would then wait while the signal is held. Stdin's own description is shared
// with the shell, and stays as it is.
int OpenTerminal() {
  char name[PATH_MAX];
  if (::ttyname_r(STDIN_FILENO, name, sizeof name) != 0) return -1;
  return ::open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

Key ReadByte(int terminal, const sigset_t& signals, char& byte) {
  while (true) {
    if (interrupted != 0) return Key::kInterrupt;
    if (IsAskedToEnd()) return Key::kEnd;
    pollfd input = {.fd = terminal, .events = POLLIN, .revents = 0};
    if (::ppoll(&input, 1, nullptr, &signals) < 0 && errno == EINTR) continue;
    const ssize_t got = ::read(terminal, &byte, 1);
    if (got < 0 && errno == EAGAIN) continue;
    // A Ctrl-D typed before libedit set the terminal to raw mode: it was no character then, and is a zero now.
    if (got == 1 && byte == 0) byte = kEndOfFile;
    if (got == 1) return Key::kByte;
    if (got == 0 || errno != EINTR) return Key::kEnd;
  }
}

}  // namespace

struct LineEditor::State {
  std::filesystem::path history_file;
  std::string prompt;
  EditLine* line = nullptr;
  History* history = nullptr;
  HistEvent event = {};
  const sigset_t* free_signals = nullptr;  // while a line is read
  int terminal = -1;                       // where keys are read; -1: from stdin

  static char* Prompt(EditLine* line) {
    void* state = nullptr;
    el_get(line, EL_CLIENTDATA, &state);
    return static_cast<State*>(state)->prompt.data();
  }

  // A character for libedit: 1, or 0 at the end. An interrupt ends the line.
  static int ReadCharacter(EditLine* line, wchar_t* to) {
    void* state = nullptr;
    el_get(line, EL_CLIENTDATA, &state);
    std::mbstate_t shift = {};
    while (true) {
      char byte = 0;
      const State& own = *static_cast<State*>(state);
      const Key key = ReadByte(own.terminal >= 0 ? own.terminal : STDIN_FILENO, *own.free_signals, byte);
      if (key == Key::kEnd) return 0;
      if (key == Key::kInterrupt) {
        *to = L'\n';
        return 1;
      }
      const size_t used = std::mbrtowc(to, &byte, 1, &shift);
      if (used == static_cast<size_t>(-1)) shift = {};  // no character: the bytes are dropped
      if (used <= 1) return 1;
    }
  }
};

LineEditor::LineEditor(std::filesystem::path history_file) : state_(std::make_unique<State>()) {
  std::setlocale(LC_CTYPE, "");  // libedit shows characters by it
  if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  State& state = *state_;
  state.history_file = std::move(history_file);
  state.terminal = OpenTerminal();
  state.line = el_init("octet", stdin, stderr, stderr);
  state.history = history_init();
  history(state.history, &state.event, H_SETSIZE, kHistoryLines);
  history(state.history, &state.event, H_SETUNIQUE, 1);
  el_set(state.line, EL_CLIENTDATA, &state);
  el_set(state.line, EL_PROMPT_ESC, State::Prompt, kHidden);
  el_set(state.line, EL_GETCFN, State::ReadCharacter);
  el_set(state.line, EL_EDITOR, "emacs");
  el_set(state.line, EL_HIST, history, state.history);
  if (!state.history_file.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(state.history_file.parent_path(), ignored);
    history(state.history, &state.event, H_LOAD, state.history_file.c_str());
  }
}

LineEditor::~LineEditor() {
  State& state = *state_;
  history_end(state.history);
  el_end(state.line);
  if (state.terminal >= 0) ::close(state.terminal);
}

std::optional<std::string> LineEditor::Read(std::string_view prompt, bool coloured) {
  State& state = *state_;
  const std::string green = std::string(1, kHidden) + "\033[32m" + kHidden,
                    plain = std::string(1, kHidden) + "\033[0m" + kHidden;
  // The space goes last: libedit prints an escape together with the character behind it.
  state.prompt = (coloured ? green + std::string(prompt) + plain : std::string(prompt)) + " ";
  interrupted = LastSignal() == SIGINT ? 1 : 0;  // one that came since the last line counts for this one
  int size = 0;
  const char* text = nullptr;
  {
    const HeldSignals signals;
    state.free_signals = &signals.free();
    text = el_gets(state.line, &size);
  }
  if (abandoned()) return "";
  if (text == nullptr || size <= 0) return std::nullopt;
  std::string line(text, static_cast<size_t>(size));
  if (line.ends_with('\n')) line.pop_back();
  if (line.empty()) return line;
  history(state.history, &state.event, H_ENTER, line.c_str());
  if (!state.history_file.empty()) history(state.history, &state.event, H_SAVE, state.history_file.c_str());
  return line;
}

bool LineEditor::abandoned() const { return interrupted != 0; }

Status CheckHistoryFile(const std::filesystem::path& path) {
  std::error_code error;  // what can't be looked at can't be read either
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return {};
  if (!std::filesystem::is_regular_file(status)) {
    return Fail(ErrorCode::kInvalidArgument, "--history: ", path, " is ", KindOf(status.type()),
                "; name a file, or give an empty name to keep none");
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size == 0) return {};
  if (size > kMostHistoryBytes) {
    return Fail(ErrorCode::kInvalidArgument, "--history: ", path, " has ", Counted(size, "byte"),
                ", a history at most ", kMostHistoryBytes, "; name another file, or give an empty name to keep none");
  }
  return CheckFirstLine(path);
}

std::filesystem::path DefaultHistoryFile() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != 0) {
    return std::filesystem::path(state) / "octet" / "chat_history";
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == 0) return {};
  return std::filesystem::path(home) / ".local" / "state" / "octet" / "chat_history";
}

}  // namespace octet::cli
