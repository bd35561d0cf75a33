#include "octet/session.h"

#include <utility>

#include "engine/api/model_state.h"
#include "engine/prompt.h"
#include "engine/session.h"
#include "models/adapter.h"

namespace octet {

struct Session::State {
  explicit State(std::shared_ptr<Model::State> opened) : model(std::move(opened)), session(*model->engine) {}

  std::shared_ptr<Model::State> model;
  EngineSession session;
  CancelFlag cancel;
  std::shared_ptr<const Adapter> adapter;
};

Session::Session(const Model& model) : state_(std::make_unique<State>(model.state_)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&& other) noexcept {
  std::swap(state_, other.state_);  // what this one had goes with the other, in its destructor
  return *this;
}
Session::~Session() {
  // Pages go back to the cache that all sessions of the model share.
  if (!state_) return;
  const std::shared_ptr<Model::State> model = state_->model;
  const std::lock_guard lock(model->running);
  state_.reset();
}

Result<GenerateResult> Session::Generate(std::string_view prompt, const GenerateOptions& options,
                                         const OnText& on_text) {
  std::vector<int32_t> tokens = OCTET_TRY(TextPrompt(*state_->model->engine, prompt));
  return GenerateFromTokens(std::move(tokens), options, on_text);
}

Result<GenerateResult> Session::GenerateFromTokens(std::vector<int32_t> prompt, const GenerateOptions& options,
                                                   const OnText& on_text) {
  const std::lock_guard lock(state_->model->running);
  state_->cancel.Clear();
  Request request{.prompt = std::move(prompt), .options = options};
  request.adapter = state_->adapter;
  return state_->session.Generate(std::move(request), on_text, &state_->cancel);
}

Result<GenerateResult> Session::Chat(std::span<const ChatMessage> messages, const GenerateOptions& options,
                                     const OnText& on_text) {
  std::vector<int32_t> tokens = OCTET_TRY(ChatPrompt(*state_->model->engine, messages));
  return GenerateFromTokens(std::move(tokens), options, on_text);
}

Status Session::UseAdapter(const std::filesystem::path& directory) {
  std::shared_ptr<const Adapter> adapter;
  if (!directory.empty()) adapter = OCTET_TRY(Adapter::Open(directory, state_->model->engine->spec()));
  const std::lock_guard lock(state_->model->running);
  state_->adapter = std::move(adapter);
  return {};
}

void Session::Cancel() { state_->cancel.Request(); }

}  // namespace octet
