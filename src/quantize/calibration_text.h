// A text to calibrate or to measure on, as windows of tokens.
//
//   CalibrationText text = OCTET_TRY(ReadCalibrationText(checkpoint, "chats.jsonl", {.windows = 128}));
//
// A file whose name ends in .jsonl or .ndjson has a sample in each line, {"text": "..."} or {"messages": [...]}; any
// other is one text. Samples stand one after the other as the model would read each: a text with the special tokens
// that the tokenizer puts around it, messages by the model's chat template. What is measured: quantize/calibration.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"

namespace octet {

struct CalibrationOptions {
  size_t windows = 128;  // at most
  size_t context = 0;    // tokens of one; 0: 512, fewer where the model has no room for so many
};

using CalibrationText = std::vector<std::vector<int32_t>>;  // tokens of each window

size_t TokensOf(const CalibrationText& text);

// Windows that codes are made with, and windows that they are judged by: codes fit the text that they were made with,
// of INT4 more than of others.
struct SplitText {
  CalibrationText calibrated;
  CalibrationText held_out;
};

// The last quarter is held out, at most 16 windows; a single window is both. Requires a window.
SplitText HoldOut(const CalibrationText& windows);

// Consecutive windows of a file from its beginning; the first token of each is BOS where the tokenizer begins a text
// with it. Of JSONL no more lines are read than the windows take. Fails as the readers of file and tokenizer do; with
// invalid_argument where the text is shorter than one window (both named), is no UTF-8 or holds NUL bytes (the offset
// named), where a line is no sample (its number named), and for windows longer than the model's context.
Result<CalibrationText> ReadCalibrationText(const Checkpoint& checkpoint, const std::filesystem::path& file,
                                            const CalibrationOptions& options);

// The same of a text in memory; `name` opens messages.
Result<CalibrationText> CutCalibrationText(const Checkpoint& checkpoint, std::string_view content,
                                           std::string_view name, const CalibrationOptions& options);

}  // namespace octet
