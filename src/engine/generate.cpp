#include "octet/generate.h"

namespace octet {
namespace {

double Rate(size_t tokens, double seconds) { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }

}  // namespace

std::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "stop";
}

double Timings::PromptRate() const { return Rate(prompt_tokens - cached_tokens, prompt_seconds); }

// The first token belongs to the prompt's time.
double Timings::DecodeRate() const { return generated_tokens < 2 ? 0 : Rate(generated_tokens - 1, decode_seconds); }

}  // namespace octet
