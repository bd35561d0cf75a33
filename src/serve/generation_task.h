// One generating request on its way through the engine: its prompts are submitted, its events become the reply.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/api/generation.h"
#include "serve/http/answer.h"
#include "serve/open_model.h"

namespace octet::serve {

class GenerationTask : public std::enable_shared_from_this<GenerationTask> {
 public:
  // Requires model->loop.
  GenerationTask(Generation generation, ModelLease model, std::shared_ptr<Answer> answer);

  // Submits all prompts, or refuses the request where one can't be taken. On the connection's thread; returns at once.
  // The task keeps itself until its last event. Where the client goes, the engine is told before its next step.
  void Start(std::optional<std::chrono::steady_clock::time_point> deadline, std::vector<HttpHeader> headers);

 private:
  void OnEvent(size_t prompt, const ChoiceEvent& event);
  bool TakeEvent(ChoiceState& state, const ChoiceEvent& event, std::string& text);
  void Finish();
  void Fail(const ApiError& error);
  void CancelAll();
  void AddToLog(std::string_view finish);

  Generation generation_;
  ModelLease model_;
  EngineLoop& loop_;
  std::shared_ptr<Answer> answer_;
  std::vector<HttpHeader> headers_;
  std::vector<uint64_t> ids_;
  std::vector<ChoiceState> states_;
  std::vector<bool> begun_;
  size_t finished_ = 0;
  bool over_ = false;  // what comes now is for nobody
};

}  // namespace octet::serve
