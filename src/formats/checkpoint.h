// A model's files, opened: configuration and tensors in Hugging Face's terms, from a directory or from a GGUF file.
//
//   Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open("models/SmolLM2"));
//   int64_t layers = OCTET_TRY(GetInteger(checkpoint.config, "num_hidden_layers", "config.json"));
//   OCTET_TRY(checkpoint.tensors->ReadRows("model.norm.weight", 0, 1, norm.data()));
//
// What a directory's tensors leave open is settled in both (formats/settle_tensors.h).
// What the configuration means: models/. Tokenizers: text/, from `path` or `gguf`. Octet packs: engine/pack.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "formats/tensor_source.h"

namespace octet {

class GgufFile;

struct Checkpoint {
  std::filesystem::path path;
  std::string kind;                             // "huggingface" or "gguf"
  Json config;                                  // config.json, or what it would be
  Json generation_config;                       // null where there is none
  Json tokenizer_config;                        // null where there is none
  std::shared_ptr<const TensorSource> tensors;  // empty for a GGUF that holds a vocabulary only; null: see below
  std::shared_ptr<const GgufFile> gguf;         // null for a directory

  // Fails with not_found where `model` is nothing or a directory without config.json (saying what was looked for and
  // found), corrupt for files that contradict themselves, unsupported for a GGUF architecture that isn't known.
  static Result<Checkpoint> Open(const std::filesystem::path& model);
  // The same, but a directory may hold config.json and no weights: `tensors` is null then, and only then.
  static Result<Checkpoint> OpenForPlan(const std::filesystem::path& model);
};

}  // namespace octet
