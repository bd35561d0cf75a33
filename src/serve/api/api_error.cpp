#include "serve/api/api_error.h"

#include "base/json_text.h"

namespace octet::serve {
namespace {

constexpr int kRetryAfter = 1;  // seconds; a place in the queue is free about as soon as an answer ends

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kExhausted:
      return 503;
    case ErrorCode::kCancelled:
      return 504;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

}  // namespace

ApiError WrongField(std::string param, std::string message) {
  return {.param = std::move(param), .message = std::move(message)};
}

ApiError FromError(const Error& error) {
  ApiError out = StatusError(StatusOf(error.code), error.message);
  if (error.code == ErrorCode::kExhausted) out.code = "queue_full";
  return out;
}

ApiError StatusError(int status, std::string_view message) {
  ApiError error{.status = status, .message = std::string(message)};
  if (status == 401) {
    error.type = "authentication_error";
    error.code = "invalid_api_key";
  } else if (status == 403) {
    error.type = "permission_error";
  } else if (status == 503) {
    error.type = "server_error";
    error.code = "unavailable";
    error.retry_after = kRetryAfter;
  } else if (status == 408 || status == 504) {
    error.type = "timeout_error";
  } else if (status >= 500) {
    error.type = "server_error";
  }
  return error;
}

Json ErrorJson(const ApiError& error) {
  return {{"error",
           {{"message", error.message},
            {"type", error.type},
            {"param", OrNull(error.param)},
            {"code", OrNull(error.code)}}}};
}

HttpReply ErrorReply(const ApiError& error) {
  HttpReply reply = JsonReply(ErrorJson(error), error.status);
  if (error.retry_after > 0) reply.headers.push_back({"Retry-After", std::to_string(error.retry_after)});
  if (error.status == 401) reply.headers.push_back({"WWW-Authenticate", "Bearer"});
  return reply;
}

HttpReply JsonReply(const Json& json, int status) { return {.status = status, .body = Dump(json) + "\n"}; }

}  // namespace octet::serve
