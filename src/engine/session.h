// One stream of requests to an engine, each run from start to end; what two prompts begin with in common is computed
// once.
//
//   EngineSession session(*engine);
//   GenerateResult answer = OCTET_TRY(session.Generate(request, on_text, &cancel));
//
// The next request may repeat this one with more behind it, as a chat does: its keys and values are still in the cache.
// The answer is the same as without. Text to ids: engine/prompt.h.
#pragma once

#include <memory>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "engine/engine.h"
#include "engine/request.h"

namespace octet {

class EngineSession {
 public:
  // The engine must outlive it.
  explicit EngineSession(Engine& engine);

  // `cancel` may be null; it is looked at between layers. A cancelled answer is a result with what was said until then,
  // not an error. Fails as Sequence and StepRunner do.
  Result<GenerateResult> Generate(Request request, const OnText& on_text, const CancelFlag* cancel);

 private:
  size_t CommonPrefix(const Request& request) const;
  void Keep(Sequence sequence);

  Engine& engine_;
  PageTable pages_;
  std::vector<int32_t> held_;                    // tokens whose keys and values are in pages_
  size_t held_length_ = 0;                       // that counted for the keys' angles
  std::shared_ptr<const Adapter> held_adapter_;  // that computed them
};

}  // namespace octet
