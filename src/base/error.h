// How library code makes and passes on errors; the types themselves are public: octet/error.h.
//
//   Result<size_t> CountLines(const std::filesystem::path& path) {
//     MappedFile file = OCTET_TRY(MappedFile::Open(path));
//     if (file.size() == 0) return Fail(ErrorCode::kCorrupt, path.string(), ": the file is empty");
//     ...
//   }
#pragma once

#include <utility>

#include "base/cat.h"
#include "octet/error.h"

namespace octet {

// An Error ready to be returned from any function that yields a Result; the parts are joined as Cat does.
template <class... Parts>
tl::unexpected<Error> Fail(ErrorCode code, const Parts&... parts) {
  return tl::unexpected<Error>(Error{code, Cat(parts...)});
}

// The same error with words put before its message, to say where it happened.
inline tl::unexpected<Error> Prefixed(Error error, std::string_view where) {
  error.message.insert(0, where);
  return tl::unexpected<Error>(std::move(error));
}

// Ends the process with the condition's text. For what only a fault of Octet's own can break, never for input.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace octet

#define OCTET_CHECK(condition)                                              \
  do {                                                                      \
    if (!(condition)) ::octet::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)

// The value of a Result, or a return of its error from the enclosing function. Works for Status too.
#define OCTET_TRY(expression)                                                                          \
  __extension__({                                                                                      \
    auto octet_try_result = (expression);                                                              \
    if (!octet_try_result) return tl::unexpected<::octet::Error>(std::move(octet_try_result).error()); \
    ::octet::internal::Unwrap(std::move(octet_try_result));                                            \
  })

namespace octet::internal {
template <class T>
T Unwrap(Result<T>&& result) {
  return std::move(*result);
}
inline void Unwrap(Status&&) {}
}  // namespace octet::internal
