// What a client is told when a request can't be answered, in the shape of OpenAI's API, and the one table from Octet's
// errors to HTTP's statuses.
//
//   ApiResult<Json> body = ParseBody(request);
//   if (!body) answer->Send(ErrorReply(body.error()));
//
// Clients retry what ends in 408, 409, 429 and 5xx, so that an error which would come again is none of these.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/json.h"
#include "serve/http/http_message.h"

namespace octet::serve {

struct ApiError {
  int status = 400;
  std::string type = "invalid_request_error";
  std::string code = {};   // for programs, as in context_length_exceeded; may be empty
  std::string param = {};  // the field at fault, as in messages[0].content; may be empty
  std::string message = {};
  int retry_after = 0;  // seconds; 0: no such advice
};

template <class T>
using ApiResult = tl::expected<T, ApiError>;

// A field that can't be honoured: 400.
ApiError WrongField(std::string param, std::string message);

// By the table: invalid_argument, corrupt, unsupported 400; not_found 404; exhausted 503; cancelled 504; internal 500.
ApiError FromError(const Error& error);

// A status with its usual type and code: 401 is an authentication_error, 503 a server_error that may be tried again.
ApiError StatusError(int status, std::string_view message);

// {"error": {"message", "type", "param", "code"}}; what is empty is null.
Json ErrorJson(const ApiError& error);
HttpReply ErrorReply(const ApiError& error);

// A JSON document as a reply.
HttpReply JsonReply(const Json& json, int status = 200);

inline ApiError AsApiError(ApiError error) { return error; }
inline ApiError AsApiError(const Error& error) { return FromError(error); }
template <class T, class E>
T Unwrap(tl::expected<T, E>&& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace octet::serve

// OCTET_TRY for functions that return an ApiResult, of a Result or an ApiResult.
#define OCTET_API_TRY(expression)                                                                                  \
  __extension__({                                                                                                  \
    auto octet_try_result = (expression);                                                                          \
    if (!octet_try_result) return tl::unexpected(::octet::serve::AsApiError(std::move(octet_try_result).error())); \
    ::octet::serve::Unwrap(std::move(octet_try_result));                                                           \
  })
