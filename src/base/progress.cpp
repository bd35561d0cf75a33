#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace octet {
namespace {

constexpr size_t kBarWidth = 20;

std::string Amount(double amount, const std::string& unit) {
  if (unit != "B") return fmt::format("{:.0f} {}", amount, unit);
  if (amount >= 1e9) return fmt::format("{:.2f} GB", amount / 1e9);
  if (amount >= 1e6) return fmt::format("{:.1f} MB", amount / 1e6);
  return fmt::format("{:.0f} KB", amount / 1e3);
}

std::string TimeLeft(double seconds) {
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s left", whole);
  if (whole < 3600) return fmt::format("{} min {} s left", whole / 60, whole % 60);
  return fmt::format("{} h {} min left", whole / 3600, whole / 60 % 60);
}

}  // namespace

std::string ProgressLine(const ProgressState& state) {
  const double rate = state.seconds > 0 ? static_cast<double>(state.done) / state.seconds : 0;
  const std::string rate_text = Amount(rate, state.unit) + "/s";
  if (state.total == 0)
    return fmt::format("{}  {}  {}", state.label, Amount(static_cast<double>(state.done), state.unit), rate_text);

  const uint64_t done = std::min(state.done, state.total);
  const double share = static_cast<double>(done) / static_cast<double>(state.total);
  const auto filled = static_cast<size_t>(share * kBarWidth);
  std::string line = fmt::format("{}  {:.0f}% [{}{}]  {} of {}  {}", state.label, share * 100, std::string(filled, '#'),
                                 std::string(kBarWidth - filled, ' '), Amount(static_cast<double>(done), state.unit),
                                 Amount(static_cast<double>(state.total), state.unit), rate_text);
  if (rate > 0) line += "  " + TimeLeft(static_cast<double>(state.total - done) / rate);
  return line;
}

Progress::Progress(Write write, Clock clock) : write_(std::move(write)), clock_(std::move(clock)) {}

double Progress::SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Progress::Begin(std::string_view label, uint64_t total, std::string_view unit) {
  if (!write_) return;
  End();
  const std::lock_guard lock(mutex_);
  state_ = {std::string(label), std::string(unit), 0, total, 0};
  begin_ = clock_();
  running_ = true;
}

void Progress::Advance(uint64_t amount) {
  if (!write_) return;
  const std::lock_guard lock(mutex_);
  if (!running_) return;
  state_.done += amount;
  const double now = clock_();
  state_.seconds = now - begin_;
  if (state_.seconds < kSilentSeconds || (drawn_ && now - last_drawn_ < kRedrawSeconds)) return;
  write_("\r\033[K" + ProgressLine(state_));
  last_drawn_ = now;
  drawn_ = true;
}

void Progress::End() {
  const std::lock_guard lock(mutex_);
  if (drawn_) write_("\r\033[K");
  running_ = false;
  drawn_ = false;
}

Progress::Write StandardErrorTerminal() {
  const char* kind = std::getenv("TERM");
  if (::isatty(STDERR_FILENO) == 0 || kind == nullptr || std::string_view(kind) == "dumb") return {};
  return [](std::string_view text) {
    // A terminal that went away is no reason to stop the work.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  };
}

}  // namespace octet
