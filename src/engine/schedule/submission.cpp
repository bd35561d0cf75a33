#include "engine/schedule/submission.h"

namespace octet {

std::string_view CacheMissName(CacheMiss miss) {
  switch (miss) {
    case CacheMiss::kNone:
      return "none";
    case CacheMiss::kOff:
      return "off";
    case CacheMiss::kShortPrompt:
      return "short_prompt";
    case CacheMiss::kPromptScores:
      return "prompt_scores";
    case CacheMiss::kNew:
      return "new";
    case CacheMiss::kEvicted:
      return "evicted";
    case CacheMiss::kOtherAngles:
      return "other_angles";
  }
  return "none";
}

}  // namespace octet
