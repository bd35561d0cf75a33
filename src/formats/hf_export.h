// Writing a checkpoint as a Hugging Face directory: config.json, tokenizer files and safetensors of a chosen float
// type.
//
//   Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open("SmolLM2.gguf"));
//   OCTET_TRY(ExportHuggingFace(checkpoint, {{"tokenizer.json", tokenizer}}, "models/SmolLM2", {.dtype =
//   DType::kBf16}));
//
// Memory is bounded: rows are decoded, rounded and written some megabytes at a time. The directory is there when all of
// it is, or not at all (formats/staged_directory.h says what is replaced).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/checkpoint.h"
#include "tensor/dtype.h"

namespace octet {

struct ExportOptions {
  // BF16, F16 or F32: what F64, F32, F16, BF16 and block-quantised tensors become, to nearest even, saturating. Other
  // types (FP8 codes, integers) and scales of codes, by their names, are kept as they are, since they mean something
  // only together.
  DType dtype = DType::kBf16;
  uint64_t maximum_shard_bytes = 5'000'000'000;
  // Called after every piece with bytes written and bytes in all; returning false stops with cancelled. May be empty.
  std::function<bool(uint64_t done, uint64_t total)> progress = nullptr;
};

// A small file of the directory, such as tokenizer.json or 1_Pooling/config.json: `name` doesn't lead out of it.
struct ExportFile {
  std::string name;
  std::string content;
};

// Writes `from` to `directory`. config.json, generation_config.json and tokenizer_config.json come from the checkpoint,
// where it has them and `files` doesn't; the type of the weights is noted in config.json. Fails with invalid_argument
// for another dtype, for a name that leads out of the directory, or for a directory that may not be replaced;
// cancelled; exhausted for a full disk; and as reading the source does.
Status ExportHuggingFace(const Checkpoint& from, const std::vector<ExportFile>& files,
                         const std::filesystem::path& directory, const ExportOptions& options);

}  // namespace octet
