// Lines that a user types on a terminal, with editing and a history that is kept in a file (libedit).
//
//   OCTET_TRY(CheckHistoryFile(history_file));
//   LineEditor editor(history_file);
//   while (std::optional<std::string> line = editor.Read(">", true)) {     // nothing: Ctrl-D, or asked to end
//     if (editor.abandoned()) continue;                                    // Ctrl-C
//   }
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"

namespace octet::cli {

class LineEditor {
 public:
  // An empty path keeps no file. A file that can't be written is only a history that is lost. Requires that
  // CheckHistoryFile accepts it: reading a device or a pipe needn't end, and the file is overwritten.
  explicit LineEditor(std::filesystem::path history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;

  // Without the newline; a space follows the prompt. Ctrl-C drops what was typed and gives an empty line. Nothing at
  // the end of the input, and when the program is asked to end. `coloured` makes the prompt green. Each line is kept in
  // the file at once.
  std::optional<std::string> Read(std::string_view prompt, bool coloured);
  // Whether Ctrl-C ended the last line.
  bool abandoned() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Fails with invalid_argument for what is there and is no regular file, can't be read, is larger than any history or
// holds something else: the first line typed would replace it.
Status CheckHistoryFile(const std::filesystem::path& path);

// $XDG_STATE_HOME/octet/chat_history, else ~/.local/state/octet/chat_history; empty without a home.
std::filesystem::path DefaultHistoryFile();

}  // namespace octet::cli
