// A model that is open, with what computes for it.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/embed/encoder_loop.h"
#include "engine/schedule/engine_loop.h"
#include "models/adapter.h"
#include "serve/api/served_model.h"

namespace octet::serve {

// One of the two loops is there; whoever made them keeps them for as long as leases are out or the server runs.
struct OpenModel {
  ServedModel model;
  EngineLoop* loop = nullptr;                                 // of a model that writes text
  EncoderLoop* encoder = nullptr;                             // of an encoder
  std::vector<std::shared_ptr<const Adapter>> adapters = {};  // parallel to model.adapters
  double load_seconds = 0;
  std::string tier;

  // The adapter of that name; null for the model as it is.
  std::shared_ptr<const Adapter> AdapterNamed(std::string_view name) const {
    const auto place = std::find(model.adapters.begin(), model.adapters.end(), name);
    return place == model.adapters.end() ? nullptr : adapters[static_cast<size_t>(place - model.adapters.begin())];
  }
};

// Whoever uses a model holds one from before its first call to after its last: a model without leases may be closed.
using ModelLease = std::shared_ptr<const OpenModel>;

}  // namespace octet::serve
