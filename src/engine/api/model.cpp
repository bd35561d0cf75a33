#include "octet/model.h"

#include <optional>
#include <utility>

#include "engine/api/model_state.h"
#include "engine/prompt.h"

namespace octet {
namespace {

nn::ActivationMode ModeOf(Activations activations) {
  switch (activations) {
    case Activations::kAuto:
      break;
    case Activations::kBf16:
      return nn::ActivationMode::kBf16;
    case Activations::kFp8:
      return nn::ActivationMode::kE4M3;
    case Activations::kNvfp4:
      return nn::ActivationMode::kNvfp4;
    case Activations::kInt8:
      return nn::ActivationMode::kInt8;
  }
  return nn::ActivationMode::kAuto;
}

std::optional<kernels::CacheFormat> FormatOf(Kv kv) {
  switch (kv) {
    case Kv::kAuto:
      break;
    case Kv::kBf16:
      return kernels::CacheFormat::kBf16;
    case Kv::kFp8:
      return kernels::CacheFormat::kE4M3;
    case Kv::kInt8:
      return kernels::CacheFormat::kInt8;
  }
  return std::nullopt;
}

}  // namespace

Result<Model> Model::Open(const std::filesystem::path& path, const ModelOptions& options) {
  EngineOptions engine;
  engine.threads = options.threads;
  engine.context = options.context;
  engine.sessions = options.sessions;
  if (options.copy_weights) engine.load.mode = LoadMode::kCopy;
  engine.activations = ModeOf(options.activations);
  engine.cache = FormatOf(options.kv);
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
