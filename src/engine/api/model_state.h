// What stands behind the public classes.
#pragma once

#include <memory>
#include <mutex>

#include "engine/engine.h"
#include "octet/model.h"

namespace octet {

struct Model::State {
  std::unique_ptr<Engine> engine;
  std::mutex running;  // held by the one request that runs
};

}  // namespace octet
