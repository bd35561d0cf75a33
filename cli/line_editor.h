// Lines that a user types on a terminal, with editing and a history that is kept in a file (libedit).
//
//   LineEditor editor(history_file);
//   while (std::optional<std::string> line = editor.Read(">", true)) { ... }      // nothing: Ctrl-D on an empty line
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace octet::cli {

class LineEditor {
 public:
  // An empty path keeps no file. A file that can't be read or written is only a history that is lost.
  explicit LineEditor(std::filesystem::path history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;

  // Without the newline; a space follows the prompt. While it waits, Ctrl-C does nothing. `coloured` makes the prompt
  // green.
  std::optional<std::string> Read(std::string_view prompt, bool coloured);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// $XDG_STATE_HOME/octet/chat_history, else ~/.local/state/octet/chat_history; empty without a home.
std::filesystem::path DefaultHistoryFile();

}  // namespace octet::cli
