// Progress of long work on a terminal: silent for two seconds, then one line that redraws itself with rate and time
// left.
//
//   Progress progress(StandardErrorTerminal());     // library code takes a Progress&; Progress() shows nothing
//   progress.Begin("import", bytes_in_all, "B");
//   progress.Advance(tensor.bytes());               // from any thread
//   progress.End();
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace octet {

// How far a piece of work is.
struct ProgressState {
  std::string label;
  std::string unit;  // "B" prints as KB, MB, GB
  uint64_t done = 0;
  uint64_t total = 0;  // 0 where it isn't known
  double seconds = 0;
};

// For example `import  42% [########            ]  113.0 MB of 269.1 MB  56.5 MB/s  3 s left`.
std::string ProgressLine(const ProgressState& state);

class Progress {
 public:
  using Write = std::function<void(std::string_view)>;
  using Clock = std::function<double()>;  // seconds

  Progress() = default;
  explicit Progress(Write write, Clock clock = SteadySeconds);
  ~Progress() { End(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Begin(std::string_view label, uint64_t total, std::string_view unit);
  void Advance(uint64_t amount);
  // Takes the line away again.
  void End();

  static double SteadySeconds();

 private:
  static constexpr double kSilentSeconds = 2;
  static constexpr double kRedrawSeconds = 0.1;

  std::mutex mutex_;
  Write write_;
  Clock clock_;
  ProgressState state_;
  double begin_ = 0;
  double last_drawn_ = 0;
  bool running_ = false;
  bool drawn_ = false;
};

// Writes to standard error where it is a terminal that can redraw a line; otherwise empty, which shows nothing.
Progress::Write StandardErrorTerminal();

}  // namespace octet
