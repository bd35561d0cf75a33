#include "engine/pack/build_pack.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/atomic_file.h"
#include "base/json_text.h"
#include "engine/pack/pack_index.h"
#include "engine/pack/pack_weights.h"
#include "formats/octet_pack.h"
#include "models/hf_config.h"

namespace octet {
namespace {

Result<PackEntry> AddMatrix(OctetPackWriter& writer, const std::string& name, WeightProvider& weights) {
  const PackedMatrix matrix = OCTET_TRY(weights.Matrix(name));
  OCTET_TRY(writer.Add(DataSection(name), matrix.panels));
  if (!matrix.column_scales.empty()) OCTET_TRY(writer.Add(ScalesSection(name), std::as_bytes(matrix.column_scales)));
  if (!matrix.bias.empty()) OCTET_TRY(writer.Add(BiasSection(name), std::as_bytes(matrix.bias)));
  PackEntry entry;
  entry.name = name;
  entry.is_matrix = true;
  entry.format = matrix.format;
  entry.columns = matrix.columns;
  entry.depth = matrix.depth;
  entry.input_scale = matrix.input_scale;
  return entry;
}

Result<PackEntry> AddVector(OctetPackWriter& writer, const std::string& name, WeightProvider& weights) {
  const std::vector<float> vector = OCTET_TRY(weights.Vector(name));
  OCTET_TRY(writer.Add(DataSection(name), std::as_bytes(std::span(vector))));
  PackEntry entry;
  entry.name = name;
  entry.columns = vector.size();
  return entry;
}

uint64_t PackedSize(const PackEntry& entry) {
  return entry.is_matrix ? kernels::PackedBytes(entry.format, entry.columns, entry.depth)
                         : entry.columns * sizeof(float);
}

Status AddTexts(OctetPackWriter& writer, const ModelFiles& files) {
  OCTET_TRY(writer.Add("config.json", Dump(files.config)));
  if (!files.generation_config.is_null())
    OCTET_TRY(writer.Add("generation_config.json", Dump(files.generation_config)));
  if (!files.tokenizer_config.is_null()) OCTET_TRY(writer.Add("tokenizer_config.json", Dump(files.tokenizer_config)));
  if (!files.tokenizer_json.empty()) OCTET_TRY(writer.Add("tokenizer.json", files.tokenizer_json));
  if (!files.chat_template.empty()) OCTET_TRY(writer.Add("chat_template.jinja", files.chat_template));
  return {};
}

}  // namespace

Status CheckPackTarget(const std::filesystem::path& path, const std::filesystem::path& model) {
  OCTET_TRY(AtomicFile::Create(path));  // gone again at once
  std::error_code error;
  if (std::filesystem::equivalent(path, model, error)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": is the model that is read, ", model, "; name another file");
  }
  if (!std::filesystem::exists(path, error) || OctetPack::IsPack(path)) return {};
  return Fail(ErrorCode::kInvalidArgument, path, ": exists and is no Octet pack; name another file or remove it first");
}

Result<PackSummary> BuildPack(const ModelFiles& files, const std::filesystem::path& path, Progress& progress,
                              const CancelFlag& cancel) {
  OCTET_TRY(CheckPackTarget(path, files.path));
  OctetPackWriter writer = OCTET_TRY(OctetPackWriter::Create(path));
  std::vector<PackEntry> entries;
  PackSummary summary;
  progress.Begin("build", files.weights->Entries().size(), "weights");
  for (const WeightProvider::Entry& entry : files.weights->Entries()) {
    OCTET_TRY(cancel.Check());
    if (entry.is_matrix)
      entries.push_back(OCTET_TRY(AddMatrix(writer, entry.name, *files.weights)));
    else
      entries.push_back(OCTET_TRY(AddVector(writer, entry.name, *files.weights)));
    ++(entry.is_matrix ? summary.matrices : summary.vectors);
    summary.weight_bytes += PackedSize(entries.back());
    progress.Advance(1);
  }
  progress.End();
  OCTET_TRY(writer.Add(kPackIndexSection, WritePackIndex(entries)));
  OCTET_TRY(AddTexts(writer, files));
  OCTET_TRY(writer.Commit());
  return summary;
}

Result<ModelFiles> OpenPack(const std::filesystem::path& path, LoadMode mode) {
  const std::shared_ptr<const OctetPack> pack = OCTET_TRY(OctetPack::Open(path));
  ModelFiles files;
  files.path = path;
  files.kind = "octet";
  OCTET_TRY(pack->Text("config.json"));  // the one text that a pack must have
  files.config = OCTET_TRY(pack->OptionalJson("config.json"));
  files.generation_config = OCTET_TRY(pack->OptionalJson("generation_config.json"));
  files.tokenizer_config = OCTET_TRY(pack->OptionalJson("tokenizer_config.json"));
  files.tokenizer_json = OCTET_TRY(pack->OptionalText("tokenizer.json"));
  files.chat_template = OCTET_TRY(pack->OptionalText("chat_template.jinja"));
  files.spec = OCTET_TRY(ReadHfConfig(files.config, Cat(path, ": config.json")));
  std::vector<PackEntry> entries = OCTET_TRY(ReadPackIndex(*pack));
  files.weight_bytes =
      std::accumulate(entries.begin(), entries.end(), uint64_t{0}, [](uint64_t sum, const PackEntry& entry) {
        return sum + entry.data.size() + entry.scales.size_bytes() + entry.bias.size_bytes();
      });
  files.all_f32 = std::all_of(entries.begin(), entries.end(), [](const PackEntry& entry) {
    return !entry.is_matrix || entry.format == kernels::WeightFormat::kF32;
  });
  files.weights = std::make_unique<PackWeights>(pack, std::move(entries), mode);
  if (!files.tokenizer_json.empty()) {
    files.tokenizer =
        OCTET_TRY(Tokenizer::FromJson(files.tokenizer_json, files.tokenizer_config, Cat(path, ": tokenizer.json")));
  }
  return files;
}

}  // namespace octet
