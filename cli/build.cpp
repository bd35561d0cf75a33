// `octet build`: a model as one file whose weights need no work at load.
#include <cstdio>
#include <filesystem>

#include "base/counted.h"
#include "cli/verb.h"
#include "engine/pack/build_pack.h"

namespace octet::cli {
namespace {

struct BuildOptions {
  std::filesystem::path output;
  size_t threads = 0;
  std::string compute = "auto";

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&BuildOptions::output, "output", "the pack to write, by custom NAME.octet", Short{'o'}, Required{});
    visit(&BuildOptions::threads, "threads", "threads that pack; 0: every core that this process may use",
          Between{0, 1024});
    visit(&BuildOptions::compute, "compute",
          "type of matrices that aren't quantised; auto: f32 where the model's files have it, else bf16",
          OneOf{{"auto", "bf16", "f32"}});
  }
};

ComputeType ToComputeType(std::string_view name) {
  return name == "bf16" ? ComputeType::kBf16 : name == "f32" ? ComputeType::kF32 : ComputeType::kAuto;
}

Status Build(const BuildOptions& options, Invocation& call) {
  OCTET_TRY(CheckPackTarget(options.output, call.word(0)));
  const size_t threads = options.threads == 0 ? ThreadPool::AvailableCores() : options.threads;
  const std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(threads));
  const LoadOptions load{.mode = LoadMode::kMap, .compute = ToComputeType(options.compute)};
  const ModelFiles files = OCTET_TRY(ModelFiles::Open(call.word(0), load, *pool));
  const PackSummary made = OCTET_TRY(BuildPack(files, options.output, call.progress(), call.cancel()));
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(options.output, error);
  if (call.json()) {
    return call.PrintJson({{"file", options.output.native()},
                           {"bytes", bytes},
                           {"weight_bytes", made.weight_bytes},
                           {"matrices", made.matrices},
                           {"vectors", made.vectors}});
  }
  char size[32];
  std::snprintf(size, sizeof size, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return call.Print(Cat(options.output, "  ", size, "  ", Counted(made.matrices, "matrix", "matrices"), ", ",
                        Counted(made.vectors, "vector"), "\n"));
}

const RegisterVerb kBuild(MakeVerb<BuildOptions>({.name = "build",
                                                  .words = "MODEL",
                                                  .summary = "pack a model into one file that opens at once",
                                                  .example = "octet build build/models/fp8 -o build/models/fp8.octet"},
                                                 Build));

}  // namespace
}  // namespace octet::cli
