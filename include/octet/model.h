// A language model, opened and ready to run.
//
//   octet::Result<octet::Model> model = octet::Model::Open("build/models/fp8", {.threads = 2});
//   if (!model) { std::puts(model.error().message.c_str()); return 1; }
//   octet::Session session(*model);                      // octet/session.h
//
// A model is a Hugging Face directory, a .gguf or a .octet file. Weights are read once and shared by every copy of the
// value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octet/error.h"
#include "octet/generate.h"

namespace octet {

// What the inputs of quantised weights are rounded to, per token: kFp8 those of FP8 weights, kNvfp4 those of NVFP4
// weights, kInt8 those of INT8, INT4 and NVFP4 weights, other weights' inputs to BF16. kAuto: int8 for INT8 and INT4,
// BF16 for the rest. A model that has no weights for it doesn't open.
enum class Activations { kAuto, kBf16, kFp8, kNvfp4, kInt8 };

// What the cache keeps keys and values in. kFp8 (E4M3) and kInt8 are codes of a byte with a scale for each token and
// head, half the memory of kBf16. kAuto: BF16, or FP32 where all weights are.
enum class Kv { kAuto, kBf16, kFp8, kInt8 };

struct ModelOptions {
  size_t threads = 0;   // 0: every core that this process may use
  size_t context = 0;   // tokens of prompt and answer together; 0: what the model was made for
  size_t sessions = 4;  // conversations that the cache has room for at the same time; memory follows use
  // Of a .octet: into huge pages, slower to open, faster to run; else they stay in the mapped file.
  bool copy_weights = false;
  Activations activations = Activations::kAuto;
  Kv kv = Kv::kAuto;
};

// What a model is, for display.
struct ModelInfo {
  std::string family;  // config.json's model_type: "llama", "qwen2", ...
  std::string kind;    // "huggingface", "gguf" or "octet"
  uint64_t parameters = 0;
  size_t layers = 0;
  size_t vocab = 0;
  size_t context = 0;            // as opened
  uint64_t bytes_per_token = 0;  // weights that a decode step reads
  std::string tier;              // of the CPU: "avx512_bf16", ...
  double load_seconds = 0;
};

class Model {
 public:
  // Fails with not_found, corrupt or unsupported as the files are; with exhausted where memory doesn't suffice.
  static Result<Model> Open(const std::filesystem::path& path, const ModelOptions& options = {});

  ModelInfo info() const;
  // What generation_config says for this model; a good start for a request's options.
  GenerateOptions default_options() const;
  bool has_chat_template() const;

  // Token ids of a text, with BOS and the like where `add_special`; special tokens in the text count as such.
  // Fails with invalid_argument for text that is not UTF-8, naming the first bad byte, and for a model without a
  // tokenizer.
  Result<std::vector<int32_t>> Tokenize(std::string_view text, bool add_special = true) const;
  // Fails with invalid_argument for a model without a tokenizer.
  Result<std::string> Detokenize(std::span<const int32_t> tokens, bool skip_special = false) const;

 private:
  friend class Session;
  struct State;
  explicit Model(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

}  // namespace octet
