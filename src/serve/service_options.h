// How the service behaves, whatever model it serves.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "serve/api_keys.h"
#include "serve/model_hub.h"

namespace octet::serve {

struct ServiceOptions {
  ApiKeys keys = {};                            // none: everybody may ask
  std::vector<std::string> cors_origins = {};   // that a browser may ask from; "*" is all
  std::vector<std::string> allowed_hosts = {};  // names in the Host header, beside those of this machine
  bool only_local_hosts = true;  // refuse other Host headers: a page of another site could else reach this machine
  bool web_page = true;          // the chat at /, for everybody: it holds no secret, and asks with the user's key
  bool strict_fields = false;    // unknown fields are refused, not told
  double request_seconds = 0;    // most time for an answer, in the queue and out of it; 0: no limit
  ModelHubOptions models = {};   // none: those that Open gets
  std::function<void(const Json& line)> log = {};  // one line per request; empty: none. Any thread
};

}  // namespace octet::serve
