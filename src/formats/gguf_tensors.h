// A GGUF's tensors under their Hugging Face names, with what conversion did to them undone on the way.
//
//   std::shared_ptr<const TensorSource> tensors = OCTET_TRY(MakeGgufTensorSource(file, *architecture, config));
//
// Part of opening a GGUF as a checkpoint: formats/checkpoint.h.
#pragma once

#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_architecture.h"
#include "formats/tensor_source.h"

namespace octet {

// `config` is the one that MakeGgufConfig made of the file. Fails with unsupported for a tensor that has no place in
// the architecture, with corrupt where rows don't divide into heads. A file without tensors gives an empty source.
Result<std::shared_ptr<const TensorSource>> MakeGgufTensorSource(std::shared_ptr<const GgufFile> file,
                                                                 const GgufArchitecture* architecture,
                                                                 const Json& config);

}  // namespace octet
