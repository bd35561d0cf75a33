// What a pipe sends to the program, whole.
//
//   const std::string text = OCTET_TRY(ReadStandardInput(call.cancel()));
#pragma once

#include <string>

#include "base/cancel.h"

namespace octet::cli {

inline constexpr size_t kMostInputBytes = size_t{256} << 20;

// Fails with invalid_argument beyond kMostInputBytes or where reading fails, and with cancelled where a signal came
// first: half a text is no text.
Result<std::string> ReadStandardInput(const CancelFlag& cancel);

}  // namespace octet::cli
