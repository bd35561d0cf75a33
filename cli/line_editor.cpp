#include "cli/line_editor.h"

#include <histedit.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace octet::cli {
namespace {

constexpr int kHistoryLines = 1000;
constexpr char kHidden = 1;  // libedit counts no column for what stands between two of these

}  // namespace

struct LineEditor::State {
  std::filesystem::path history_file;
  std::string prompt;
  EditLine* line = nullptr;
  History* history = nullptr;
  HistEvent event = {};

  static char* Prompt(EditLine* line) {
    void* state = nullptr;
    el_get(line, EL_CLIENTDATA, &state);
    return static_cast<State*>(state)->prompt.data();
  }
};

LineEditor::LineEditor(std::filesystem::path history_file) : state_(std::make_unique<State>()) {
  std::setlocale(LC_CTYPE, "");  // libedit reads characters by it
  State& state = *state_;
  state.history_file = std::move(history_file);
  state.line = el_init("octet", stdin, stderr, stderr);
  state.history = history_init();
  history(state.history, &state.event, H_SETSIZE, kHistoryLines);
  history(state.history, &state.event, H_SETUNIQUE, 1);
  el_set(state.line, EL_CLIENTDATA, &state);
  el_set(state.line, EL_PROMPT_ESC, State::Prompt, kHidden);
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
  if (!state.history_file.empty()) history(state.history, &state.event, H_SAVE, state.history_file.c_str());
  history_end(state.history);
  el_end(state.line);
}

std::optional<std::string> LineEditor::Read(std::string_view prompt, bool coloured) {
  State& state = *state_;
  const std::string green = std::string(1, kHidden) + "\033[32m" + kHidden,
                    plain = std::string(1, kHidden) + "\033[0m" + kHidden;
  // The space goes last: libedit prints an escape together with the character behind it.
  state.prompt = (coloured ? green + std::string(prompt) + plain : std::string(prompt)) + " ";
  struct sigaction ignore = {}, before = {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignore, &before);
  int size = 0;
  const char* text = el_gets(state.line, &size);
  ::sigaction(SIGINT, &before, nullptr);
  if (text == nullptr || size <= 0) return std::nullopt;
  std::string line(text, static_cast<size_t>(size));
  if (line.ends_with('\n')) line.pop_back();
  if (!line.empty()) history(state.history, &state.event, H_ENTER, line.c_str());
  return line;
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
