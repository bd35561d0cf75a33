// A model that is open, with what computes for it.
#pragma once

#include <memory>
#include <string>

#include "engine/embed/encoder_loop.h"
#include "engine/schedule/engine_loop.h"
#include "serve/api/served_model.h"

namespace octet::serve {

// One of the two loops is there; whoever made them keeps them for as long as leases are out or the server runs.
struct OpenModel {
  ServedModel model;
  EngineLoop* loop = nullptr;      // of a model that writes text
  EncoderLoop* encoder = nullptr;  // of an encoder
  double load_seconds = 0;
  std::string tier;
};

// Whoever uses a model holds one from before its first call to after its last: a model without leases may be closed.
using ModelLease = std::shared_ptr<const OpenModel>;

}  // namespace octet::serve
