#include "octet/model.h"

#include <utility>

#include "engine/api/model_state.h"
#include "engine/prompt.h"

namespace octet {

Result<Model> Model::Open(const std::filesystem::path& path, const ModelOptions& options) {
  EngineOptions engine;
  engine.threads = options.threads;
  engine.context = options.context;
  engine.sessions = options.sessions;
  if (options.copy_weights) engine.load.mode = LoadMode::kCopy;
  switch (options.activations) {
    case Activations::kAuto:
      break;
    case Activations::kBf16:
      engine.activations = nn::ActivationMode::kBf16;
      break;
    case Activations::kFp8:
      engine.activations = nn::ActivationMode::kE4M3;
      break;
    case Activations::kNvfp4:
      engine.activations = nn::ActivationMode::kNvfp4;
      break;
    case Activations::kInt8:
      engine.activations = nn::ActivationMode::kInt8;
      break;
  }
  auto state = std::make_shared<State>();
  state->engine = OCTET_TRY(Engine::Open(path, engine));
  return Model(std::move(state));
}

ModelInfo Model::info() const {
  const Engine& engine = *state_->engine;
  return {.family = engine.spec().family,
          .kind = engine.kind(),
          .parameters = engine.spec().Parameters(),
          .layers = engine.spec().layers.size(),
          .vocab = engine.spec().vocab,
          .context = engine.context(),
          .bytes_per_token = engine.decoder().bytes_per_token(),
          .tier = engine.tier(),
          .load_seconds = engine.load_seconds()};
}

GenerateOptions Model::default_options() const { return {.sampling = state_->engine->defaults().sampling}; }

bool Model::has_chat_template() const { return state_->engine->chat_template() != nullptr; }

Result<std::vector<int32_t>> Model::Tokenize(std::string_view text, bool add_special) const {
  OCTET_TRY(CheckUtf8(text, "the text"));
  const Tokenizer* tokenizer = OCTET_TRY(RequireTokenizer(*state_->engine));
  return tokenizer->Encode(text, {.add_special = add_special, .parse_special = true});
}

Result<std::string> Model::Detokenize(std::span<const int32_t> tokens, bool skip_special) const {
  const Tokenizer* tokenizer = OCTET_TRY(RequireTokenizer(*state_->engine));
  return tokenizer->Decode(tokens, skip_special);
}

}  // namespace octet
