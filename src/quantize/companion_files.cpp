#include "quantize/companion_files.h"

#include "base/atomic_file.h"
#include "base/mapped_file.h"

namespace octet {
namespace {

// What readers of a checkpoint look for, beside config.json and tensors.
constexpr std::string_view kCompanions[] = {
    "generation_config.json", "tokenizer.json",    "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json",
    "added_tokens.json",      "chat_template.jinja", "chat_template.json",  "vocab.json",      "merges.txt",
    "LICENSE",                "LICENSE.txt",
};

Status CopyIfThere(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(from, error)) return {};
  const std::string content = OCTET_TRY(ReadTextFile(from));
  return WriteFileAtomically(to, content);
}

}  // namespace

Status WriteCompanionFiles(const Checkpoint& checkpoint, const Json& config, const std::filesystem::path& directory) {
  OCTET_TRY(WriteFileAtomically(directory / "config.json", config.dump(2) + "\n"));
  for (const std::string_view name : kCompanions) OCTET_TRY(CopyIfThere(checkpoint.path / name, directory / name));
  return {};
}

}  // namespace octet
