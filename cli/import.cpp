// `octet import`: a GGUF file or a checkpoint as a Hugging Face directory.
#include <fmt/format.h>

#include <algorithm>

#include "base/mapped_file.h"
#include "cli/verb.h"
#include "formats/gguf.h"
#include "formats/hf_export.h"
#include "text/gguf_tokenizer.h"

namespace octet::cli {
namespace {

struct ImportOptions {
  std::filesystem::path output;
  std::string dtype = "bf16";

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ImportOptions::output, "output", "directory to write; one that octet made is replaced", Takes{"DIR"}, Short{'o'},
          Required{});
    visit(&ImportOptions::dtype, "dtype", "type of the weights written; f32 loses nothing and is twice as large",
          OneOf{{"bf16", "f16", "f32"}});
  }
};

constexpr const char* kTokenizerFiles[] = {"tokenizer.json", "tokenizer.model",     "special_tokens_map.json", "added_tokens.json",
                                           "vocab.json",     "chat_template.jinja", "chat_template.json",      "merges.txt"};

DType TypeOf(std::string_view name) { return name == "f32" ? DType::kF32 : name == "f16" ? DType::kF16 : DType::kBf16; }

// What lies beside the tensors of a directory, byte for byte.
Result<std::vector<ExportFile>> FilesOfDirectory(const std::filesystem::path& directory) {
  std::vector<ExportFile> files;
  for (const char* name : kTokenizerFiles) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(directory / name, error)) continue;
    files.push_back({name, OCTET_TRY(ReadTextFile(directory / name))});
  }
  return files;
}

// Made from the metadata.
Result<std::vector<ExportFile>> FilesOfGguf(const GgufFile& gguf) {
  std::vector<ExportFile> files;
  if (!gguf.Has("tokenizer.ggml.model")) return files;
  files.push_back({"tokenizer.json", OCTET_TRY(TokenizerJsonFromGguf(gguf))});
  files.push_back({"tokenizer_config.json", TokenizerConfigFromGguf(gguf).dump(2) + "\n"});
  if (gguf.Has("tokenizer.chat_template")) {
    files.push_back({"chat_template.jinja", std::string(OCTET_TRY(gguf.GetString("tokenizer.chat_template")))});
  }
  return files;
}

Status Import(const ImportOptions& options, Invocation& call) {
  const Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(call.word(0)));
  const std::vector<ExportFile> files =
      OCTET_TRY(checkpoint.gguf ? FilesOfGguf(*checkpoint.gguf) : FilesOfDirectory(checkpoint.path));
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
    return call.PrintJson({{"path", options.output.native()}, {"tensors", tensors}, {"bytes", written}, {"dtype", options.dtype}});
  }
  return call.Print(fmt::format("{}: {} tensors, {:.1f} MB in {}\n", options.output.native(), tensors,
                                static_cast<double>(written) / 1e6, options.dtype));
}

const RegisterVerb kImport(MakeVerb<ImportOptions>({.name = "import",
                                                    .words = "MODEL",
                                                    .summary = "a .gguf or a checkpoint as a Hugging Face directory",
                                                    .example = "octet import SmolLM2.gguf -o build/models/bf16"},
                                                   Import));

}  // namespace
}  // namespace octet::cli
