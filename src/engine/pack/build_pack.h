// Writing and opening Octet packs: a model's parts in one file, its matrices in the order that the kernels read.
//
//   ModelFiles files = OCTET_TRY(ModelFiles::Open("build/models/fp8", {}, pool));
//   PackSummary made = OCTET_TRY(BuildPack(files, "fp8.octet", progress, cancel));
//   ModelFiles pack = OCTET_TRY(OpenPack("fp8.octet", LoadMode::kMap, pool));
//
// A pack is a cache of its source: nothing needs it. Its sections: docs/formats/octet_pack.md.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/cancel.h"
#include "base/error.h"
#include "base/progress.h"
#include "engine/model_files.h"

namespace octet {

struct PackSummary {
  uint64_t weight_bytes = 0;
  size_t matrices = 0;
  size_t vectors = 0;
};

// Whether BuildPack can write there, so that it's known before the work. Fails with invalid_argument where the path is
// a directory, a device or the like, a file that is no pack (it might be the user's only copy) or the model itself, and
// as creating a file does.
Status CheckPackTarget(const std::filesystem::path& path, const std::filesystem::path& model);

// Packs piece by piece, one while the one before is written: some 200 MB of memory whatever the model's size. The file
// appears whole or not at all, replacing a pack. Fails as
// CheckPackTarget, as reading the weights and writing do, and with cancelled.
Result<PackSummary> BuildPack(const ModelFiles& files, const std::filesystem::path& path, Progress& progress,
                              const CancelFlag& cancel);

// The pool must outlive the weights.
Result<ModelFiles> OpenPack(const std::filesystem::path& path, LoadMode mode, ThreadPool& pool);

}  // namespace octet
