// One request to an encoder on its way through the encoder's loop: its inputs are submitted, its result becomes the
// reply.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "serve/api/encoding.h"
#include "serve/http/answer.h"
#include "serve/open_model.h"

namespace octet::serve {

// Requires model->encoder. Returns at once; a request that can't be taken is refused. Where the client goes or the time
// is over, the encoder drops the request before its next pass.
void StartEncoding(Encoding encoding, ModelLease model, std::shared_ptr<Answer> answer,
                   std::optional<std::chrono::steady_clock::time_point> deadline, std::vector<HttpHeader> headers);

}  // namespace octet::serve
