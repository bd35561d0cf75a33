#include "cli/speed_line.h"

#include <fmt/format.h>

namespace octet::cli {
namespace {

std::string Tokens(size_t count) { return fmt::format("{} token{}", count, count == 1 ? "" : "s"); }

std::string Speed(double seconds, double rate) {
  return rate > 0 ? fmt::format(", {:.2f} s, {:.1f} tokens/s", seconds, rate) : std::string();
}

}  // namespace

std::string SpeedLine(const Timings& times) {
  std::string line = "prompt " + Tokens(times.prompt_tokens);
  if (times.cached_tokens > 0) {
    line += fmt::format(" ({} cached, {} computed)", times.cached_tokens, times.prompt_tokens - times.cached_tokens);
  }
  line += Speed(times.prompt_seconds, times.PromptRate());
  line += " | answer " + Tokens(times.generated_tokens);
  if (times.accepted_tokens > 0) line += fmt::format(" ({} guessed)", times.accepted_tokens);
  return line + Speed(times.decode_seconds, times.DecodeRate());
}

}  // namespace octet::cli
