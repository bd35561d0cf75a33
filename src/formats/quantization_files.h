// What says how a directory's weights are quantised beside config.json: files of ModelOpt, GPTQ and AutoAWQ.
//
//   OCTET_TRY(ReadQuantizationFiles("models/llama-fp8", config));
//   // config["quantization_config"] is there if anything says how
//
// What the tensors say counts more: docs/formats/modelopt.md, docs/formats/awq_gptq.md.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace octet {

// Where config.json has no quantization_config, it becomes the content of hf_quant_config.json (ModelOpt),
// quantize_config.json (GPTQ) or quant_config.json (AutoAWQ), whichever is there first, with its quant_method. Fails as
// reading them does, and with corrupt where hf_quant_config.json and config.json name different algorithms.
Status ReadQuantizationFiles(const std::filesystem::path& directory, Json& config);

// Fails with unsupported where quantization_config has a quant_method whose tensors aren't known, naming it.
Status CheckQuantizationMethod(const Json& config, const std::filesystem::path& path);

// The algorithm by which ModelOpt quantised a module: that of the module where layers differ, else that of all; empty
// where nothing says so.
std::string QuantizationAlgorithm(const Json& config, std::string_view module);

}  // namespace octet
