// `octet import`: a GGUF file or a checkpoint as a Hugging Face directory.
#include <fmt/format.h>

#include "base/counted.h"
#include "cli/verb.h"
#include "formats/hf_export.h"
#include "models/hf_config.h"
#include "models/weights.h"
#include "text/companion_files.h"

namespace octet::cli {
namespace {

struct ImportOptions {
  std::filesystem::path output;
  std::string dtype = "bf16";

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ImportOptions::output, "output", "directory to write; one that octet made is replaced", Takes{"DIR"},
          Short{'o'}, Required{});
    visit(&ImportOptions::dtype, "dtype", "type of the weights written; f32 loses nothing and is twice as large",
          OneOf{{"bf16", "f16", "f32"}});
  }
};

DType TypeOf(std::string_view name) { return name == "f32" ? DType::kF32 : name == "f16" ? DType::kF16 : DType::kBf16; }

// What no one could run is refused here and not by whoever tries the copy. The export itself refuses a vocabulary
// alone.
Status CheckModel(const Checkpoint& checkpoint) {
  if (checkpoint.tensors->tensors().empty()) return {};
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  return CheckWeights(checkpoint, spec);
}

Status Import(const ImportOptions& options, Invocation& call) {
  const Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(call.word(0)));
  OCTET_TRY(CheckModel(checkpoint));
  const std::vector<ExportFile> files = OCTET_TRY(CompanionFiles(checkpoint));
  uint64_t written = 0;
  ExportOptions exporting{.dtype = TypeOf(options.dtype)};
  exporting.progress = [&](uint64_t done, uint64_t total) {
    if (written == 0) call.progress().Begin("import", total, "B");
    call.progress().Advance(done - written);
    written = done;
    return !call.cancel().requested();
  };
  OCTET_TRY(ExportHuggingFace(checkpoint, files, options.output, exporting));
  call.progress().End();
  const size_t tensors = checkpoint.tensors->tensors().size();
  if (call.json()) {
    return call.PrintJson(
        {{"path", options.output.native()}, {"tensors", tensors}, {"bytes", written}, {"dtype", options.dtype}});
  }
  return call.Print(fmt::format("{}: {}, {:.1f} MB in {}\n", options.output.native(), Counted(tensors, "tensor"),
                                static_cast<double>(written) / 1e6, options.dtype));
}

const RegisterVerb kImport(
    MakeVerb<ImportOptions>({.name = "import",
                             .words = "MODEL",
                             .summary = "a .gguf or a checkpoint as a Hugging Face directory",
                             .example = "octet import build/models/SmolLM2-135M-Instruct.gguf -o build/models/bf16"},
                            Import));

}  // namespace
}  // namespace octet::cli
