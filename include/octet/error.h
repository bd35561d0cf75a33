// Errors as values: every call of Octet that can fail returns a Result<T>.
//
//   octet::Result<octet::Model> model = octet::Model::Open("build/models/fp8", {});
//   if (!model) std::fprintf(stderr, "%s\n", model.error().message.c_str());
//
// No call of the library prints, exits, aborts or throws on input.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace octet {

// Named by what the caller does next, not by where the error came from.
enum class ErrorCode {
  kInvalidArgument,  // the caller passed something that can't work: change the call
  kNotFound,         // a file, tensor, recipe or name doesn't exist
  kCorrupt,          // a file contradicts itself or its format: get it again
  kUnsupported,      // well-formed, but this build can't do it
  kExhausted,        // memory, disk, context or queue is full: try less, or later
  kCancelled,        // the caller asked to stop
  kInternal,         // a fault of Octet itself
};

// The code's name as it stands in JSON and logs, for example "invalid_argument".
std::string_view ErrorCodeName(ErrorCode code);

// What happened with both numbers, where, and what to do; one line, no full stop, in the user's words.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

// Outcome of a call that yields nothing.
using Status = Result<void>;

}  // namespace octet
