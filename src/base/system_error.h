// An error of the file system, with what was tried.
#pragma once

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/error.h"

namespace octet {

// Exhausted where the disk or a quota is full, else invalid_argument.
inline tl::unexpected<Error> SystemError(const std::filesystem::path& path, std::string_view what,
                                         const std::error_code& error) {
  const bool full = error == std::errc::no_space_on_device || error.value() == EDQUOT;
  return Fail(full ? ErrorCode::kExhausted : ErrorCode::kInvalidArgument, path, ": ", what, ": ", error.message());
}

}  // namespace octet
