// What conversion to GGUF does to each kind of model, as data: the steps that reading undoes.
//
//   const GgufArchitecture* architecture = FindGgufArchitecture("llama");   // null where it isn't known
//
// Source: what llama.cpp's converter writes for each architecture.
#pragma once

#include <string>
#include <string_view>

namespace octet {

struct GgufArchitecture {
  std::string_view name;          // general.architecture
  std::string_view model_type;    // config.json
  std::string_view class_name;    // config.json, in `architectures`
  bool interleaved_rope = false;  // rows of q and k were reordered so that rotated pairs are neighbours
  bool norms_plus_one = false;    // 1 was added to norm weights
  bool four_norms = false;        // norms before and after attention and feed-forward
  bool fused = false;             // q, k, v and gate, up are one matrix each, in Hugging Face's files too
  bool gelu = false;              // gelu_pytorch_tanh instead of silu
};

const GgufArchitecture* FindGgufArchitecture(std::string_view name);

// "llama, qwen2, ...", for messages.
std::string ListGgufArchitectures();

}  // namespace octet
