// A request with what answering it needs, and the table of routes' rows. Internal to service.h.
#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "serve/api/api_error.h"
#include "serve/service.h"

namespace octet::serve {

inline constexpr std::string_view kModelPath = "/v1/models/";

// In the shape of the API whose path it is.
HttpReply FailedReply(const HttpRequest& request, const ApiError& error);

struct Service::Call {
  HttpRequest request;
  std::shared_ptr<Answer> answer;
  std::chrono::steady_clock::time_point arrival = {};
};

// A path without `method` of its own kind is found by Find; {id} behind a path that ends in a slash.
struct Service::Route {
  std::string_view method;
  std::string_view path;
  void (Service::*answer)(Call&) const;
  bool is_public = false;     // answered without a key
  bool needs_model = true;    // 503 while the first models are being loaded
  bool needs_engine = false;  // 503 while the server drains
  bool is_admin = false;      // 403 without a key of an administrator
};

}  // namespace octet::serve
