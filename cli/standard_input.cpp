#include "cli/standard_input.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace octet::cli {

Result<std::string> ReadStandardInput(const CancelFlag& cancel) {
  std::string text;
  char block[65536];
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, block, sizeof block);
    OCTET_TRY(cancel.Check());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ErrorCode::kInvalidArgument, "standard input can't be read: ", std::strerror(errno));
    text.append(block, static_cast<size_t>(got));
    if (text.size() > kMostInputBytes)
      return Fail(ErrorCode::kInvalidArgument, "standard input is longer than ", kMostInputBytes, " bytes");
  }
}

}  // namespace octet::cli
