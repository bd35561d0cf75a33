#include "text/jinja/budget.h"

namespace octet::jinja {

Status Budget::Spend(uint64_t steps) {
  if (steps > limits_.steps - spent_) {
    spent_ = limits_.steps;
    return Fail(ErrorCode::kExhausted, "the template did not end within the step limit of ", limits_.steps);
  }
  spent_ += steps;
  if (alive_ > limits_.memory_bytes) {
    return Fail(ErrorCode::kExhausted, "the template's values take ", alive_, " bytes, the limit is ",
                limits_.memory_bytes);
  }
  return {};
}

Status Budget::Fit(size_t bytes) const {
  if (alive_ > limits_.memory_bytes || bytes > limits_.memory_bytes - alive_) {
    return Fail(ErrorCode::kExhausted, "a value of ", bytes, " bytes beside ", alive_,
                " bytes of others is above the limit of ", limits_.memory_bytes);
  }
  return {};
}

Status Budget::Allow(size_t bytes) {
  OCTET_TRY(Fit(bytes));
  return SpendBytes(bytes);
}

Status Budget::AllowBehind(size_t held, size_t bytes) {
  OCTET_TRY(Fit(2 * held + bytes));
  return SpendBytes(bytes);
}

}  // namespace octet::jinja
