#include "cli/signals.h"

#include <unistd.h>
#include <csignal>

#include <atomic>

namespace octet::cli {
namespace {

std::atomic<CancelFlag*> the_flag{nullptr};
std::atomic<int> last_signal{0};

extern "C" void NoteSignal(int signal) {
  if (signal == SIGINT && last_signal.load() == SIGINT) ::_exit(128 + signal);
  last_signal.store(signal);
  the_flag.load()->Request();
}

void Handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);  // no SA_RESTART: a blocked read returns, so that the flag is seen
}

}  // namespace

void CatchSignals(CancelFlag& cancel) {
  the_flag.store(&cancel);
  Handle(SIGINT, NoteSignal);
  Handle(SIGTERM, NoteSignal);
  struct sigaction before = {};
  if (::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) Handle(SIGHUP, NoteSignal);
  Handle(SIGPIPE, SIG_IGN);
  Handle(SIGXFSZ, SIG_IGN);
}

void LetSignalsEnd() {
  Handle(SIGINT, SIG_DFL);
  Handle(SIGTERM, SIG_DFL);
  struct sigaction before = {};
  if (::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler == NoteSignal) Handle(SIGHUP, SIG_DFL);
  if (last_signal.load() != 0) ::raise(last_signal.load());
}

bool IsAskedToEnd() { return LastSignal() == SIGTERM || LastSignal() == SIGHUP; }
int LastSignal() { return last_signal.load(); }
void ForgetSignal() { last_signal.store(0); }

}  // namespace octet::cli
