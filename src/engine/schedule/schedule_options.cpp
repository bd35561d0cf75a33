#include "engine/schedule/schedule_options.h"

namespace octet {

Status ScheduleOptions::Check() const {
  if (max_running == 0) return Fail(ErrorCode::kInvalidArgument, "max-running is 0, at least 1 is needed");
  if (max_waiting == 0) return Fail(ErrorCode::kInvalidArgument, "max-waiting is 0, at least 1 is needed");
  if (step_tokens < max_running) {
    return Fail(ErrorCode::kInvalidArgument, "step-tokens is ", step_tokens, ", less than the ", max_running,
                " answers of max-running, which need a token each");
  }
  if (!(promote_seconds >= 0)) {
    return Fail(ErrorCode::kInvalidArgument, "promote-seconds is ", promote_seconds, ", allowed is 0 or more");
  }
  return {};
}

}  // namespace octet
