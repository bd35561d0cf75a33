#include "serve/generation_task.h"

#include <utility>

#include "base/cat.h"

namespace octet::serve {

GenerationTask::GenerationTask(Generation generation, ModelLease model, std::shared_ptr<Answer> answer)
    : generation_(std::move(generation)),
      model_(std::move(model)),
      loop_(*model_->loop),
      answer_(std::move(answer)),
      states_(generation_.prompts.size() * generation_.choices),
      begun_(states_.size()) {
  for (size_t i = 0; i < states_.size(); ++i)
    states_[i].prompt_tokens = generation_.prompts[i / generation_.choices].size();
}

void GenerationTask::Start(std::optional<std::chrono::steady_clock::time_point> deadline,
                           std::vector<HttpHeader> headers) {
  headers_ = std::move(headers);
  for (size_t i = 0; i < generation_.prompts.size(); ++i) {
    Submission submission;
    submission.request.prompt = generation_.prompts[i];
    submission.request.options = generation_.options;
    submission.request.grammar = generation_.grammar;
    submission.request.adapter = generation_.adapter;
    submission.request.number = static_cast<uint32_t>(i * generation_.choices);
    submission.choices = generation_.choices;
    submission.priority = generation_.priority;
    submission.deadline = deadline;
    submission.cache_salt = generation_.cache_salt;
    submission.prompt_logprobs = generation_.prompt_logprobs;
    const auto on_event = [self = shared_from_this(), i](ChoiceEvent event) {
      self->answer_->Post([self, i, event = std::move(event)] { self->OnEvent(i, event); });
    };
    const Result<uint64_t> id = loop_.Submit(std::move(submission), on_event);
    if (!id) return Fail(FromError(id.error()));
    ids_.push_back(*id);
  }
  answer_->WhenGone([weak = weak_from_this()] {
    if (const std::shared_ptr<GenerationTask> self = weak.lock()) {
      self->over_ = true;
      self->CancelAll();
    }
  });
  if (!generation_.stream) return;
  HttpReply head{.content_type = "text/event-stream; charset=utf-8", .headers = headers_};
  head.headers.push_back({"X-Accel-Buffering", "no"});  // a proxy would hold tokens back otherwise
  head.body = generation_.shape->Begin();
  answer_->BeginStream(std::move(head));
}

// Adds the event to what is known. False where the answer failed.
bool GenerationTask::TakeEvent(ChoiceState& state, const ChoiceEvent& event, std::string& text) {
  if (event.error) {
    Fail(event.deadline_passed ? StatusError(504, event.error->message) : FromError(*event.error));
    return false;
  }
  if (event.finish == FinishReason::kCancelled) {
    Fail(event.deadline_passed ? StatusError(504, "the request's time was over before its answer was whole")
                               : StatusError(503, "the server ended before the answer was whole"));
    return false;
  }
  text = event.text;
  if (event.prompt) state.prompt = event.prompt;
  state.tokens.insert(state.tokens.end(), event.tokens.begin(), event.tokens.end());
  if (event.finish) {
    state.finished = true;
    state.finish = *event.finish;
    state.stop_string = event.stop_string;
    if (event.usage) state.usage = *event.usage;
    if (event.stop_string && generation_.include_stop_text) text += generation_.options.stop[*event.stop_string];
  }
  state.text += text;
  return true;
}

void GenerationTask::OnEvent(size_t prompt, const ChoiceEvent& event) {
  if (over_) return;
  const size_t index = prompt * generation_.choices + event.choice;
  ChoiceState& state = states_[index];
  std::string text;
  if (!TakeEvent(state, event, text)) return;
  if (generation_.stream) {
    answer_->Write(generation_.shape->Delta(
        {.index = index, .text = text, .tokens = event.tokens, .first = !begun_[index], .state = state}));
    begun_[index] = true;
  }
  if (state.finished && ++finished_ == states_.size()) Finish();
}

void GenerationTask::Finish() {
  over_ = true;
  AddToLog(FinishName(states_[0]));
  if (generation_.stream) {
    answer_->Write(generation_.shape->End(states_));
    return answer_->End();
  }
  HttpReply reply = JsonReply(generation_.shape->Whole(states_));
  reply.headers = headers_;
  answer_->Send(std::move(reply));
}

void GenerationTask::Fail(const ApiError& error) {
  over_ = true;
  CancelAll();
  AddToLog("error");
  answer_->AddToLog({{"error", error.message}});
  if (!generation_.stream || ids_.size() < generation_.prompts.size())
    return answer_->Send(generation_.shape->Refusal(error));
  answer_->Write(generation_.shape->Failure(error));
  answer_->End();
}

void GenerationTask::CancelAll() {
  for (const uint64_t id : ids_) loop_.Cancel(id);
}

void GenerationTask::AddToLog(std::string_view finish) {
  const ChoiceUsage& usage = states_[0].usage;
  size_t prompt = 0, generated = 0;
  for (const std::vector<int32_t>& ids : generation_.prompts) prompt += ids.size();
  for (const ChoiceState& state : states_) generated += state.tokens.size();
  answer_->AddToLog({{"prompt_tokens", prompt},
                     {"cached_tokens", usage.timings.cached_tokens},
                     {"generated_tokens", generated},
                     {"finish_reason", finish},
                     {"queue_seconds", usage.queue_seconds},
                     {"first_token_seconds", usage.queue_seconds + usage.timings.prompt_seconds}});
}

}  // namespace octet::serve
