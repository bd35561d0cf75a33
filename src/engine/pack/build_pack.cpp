#include "engine/pack/build_pack.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/atomic_file.h"
#include "base/json_text.h"
#include "engine/pack/background_writer.h"
#include "engine/pack/pack_index.h"
#include "engine/pack/pack_weights.h"
#include "formats/octet_pack.h"
#include "models/hf_config.h"

namespace octet {
namespace {

constexpr size_t kPieceBytes = size_t{32} << 20;

// The weights of a model on their way into a pack: pieces of panels are made in one half of a buffer while the other
// half is written.
class WeightCopy {
 public:
  WeightCopy(WeightProvider& weights, OctetPackWriter& writer, Progress& progress, const CancelFlag& cancel)
      : weights_(weights), writer_(writer), background_(writer), progress_(progress), cancel_(cancel) {}

  Result<PackEntry> AddMatrix(const std::string& name) {
    const PackedMatrix matrix = OCTET_TRY(weights_.Outline(name));
    OCTET_TRY(writer_.Begin(DataSection(name)));
    OCTET_TRY(AddPanels(name, matrix));
    OCTET_TRY(background_.Finish());
    if (!matrix.column_scales.empty()) OCTET_TRY(writer_.Add(ScalesSection(name), std::as_bytes(matrix.column_scales)));
    if (!matrix.bias.empty()) OCTET_TRY(writer_.Add(BiasSection(name), std::as_bytes(matrix.bias)));
    PackEntry entry;
    entry.name = name;
    entry.is_matrix = true;
    entry.format = matrix.format;
    entry.columns = matrix.columns;
    entry.depth = matrix.depth;
    entry.input_scale = matrix.input_scale;
    entry.takes_mx_inputs = matrix.takes_mx_inputs;
    return entry;
  }

  Result<PackEntry> AddVector(const std::string& name) {
    OCTET_TRY(cancel_.Check());
    const std::vector<float> vector = OCTET_TRY(weights_.Vector(name));
    OCTET_TRY(writer_.Add(DataSection(name), std::as_bytes(std::span(vector))));
    PackEntry entry;
    entry.name = name;
    entry.columns = vector.size();
    return entry;
  }

 private:
  Status AddPanels(const std::string& name, const PackedMatrix& matrix) {
    const size_t panels = kernels::Panels(matrix.columns);
    const size_t panel_bytes = kernels::PanelBytes(matrix.format, matrix.depth);
    const size_t step = std::max<size_t>(1, kPieceBytes / panel_bytes);
    for (size_t begin = 0; begin < panels; begin += step) {
      OCTET_TRY(cancel_.Check());
      const size_t end = std::min(begin + step, panels), bytes = (end - begin) * panel_bytes;
      std::byte* const to = OCTET_TRY(OtherHalf(bytes));
      OCTET_TRY(weights_.ReadPanels(name, begin, end, to));
      OCTET_TRY(background_.Write({to, bytes}));
      progress_.Advance(bytes);
    }
    return {};
  }

  // The half that isn't being written, with room for `bytes`.
  Result<std::byte*> OtherHalf(size_t bytes) {
    half_ = 1 - half_;
    std::shared_ptr<AlignedBuffer>& buffer = halves_[half_];
    if (buffer == nullptr || buffer->size() < bytes)
      buffer = OCTET_TRY(AlignedBuffer::Allocate(std::max(bytes, kPieceBytes)));
    return buffer->data();
  }

  WeightProvider& weights_;
  OctetPackWriter& writer_;
  std::array<std::shared_ptr<AlignedBuffer>, 2> halves_;  // outlive what the writer's thread reads of them
  size_t half_ = 0;
  BackgroundWriter background_;
  Progress& progress_;
  const CancelFlag& cancel_;
};

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
  if (files.spec.encoder) {
    return Fail(ErrorCode::kUnsupported, files.path, ": is an encoder (`", files.spec.family,
                "`), of which there are no packs; `octet embed` runs the directory");
  }
  OctetPackWriter writer = OCTET_TRY(OctetPackWriter::Create(path));
  std::vector<PackEntry> entries;
  PackSummary summary;
  progress.Begin("build", files.weights->bytes(), "B");
  WeightCopy copy(*files.weights, writer, progress, cancel);
  for (const WeightProvider::Entry& entry : files.weights->Entries()) {
    entries.push_back(OCTET_TRY(entry.is_matrix ? copy.AddMatrix(entry.name) : copy.AddVector(entry.name)));
    ++(entry.is_matrix ? summary.matrices : summary.vectors);
    summary.weight_bytes += entry.bytes;
  }
  progress.End();
  OCTET_TRY(writer.Add(kPackIndexSection, WritePackIndex(entries)));
  OCTET_TRY(AddTexts(writer, files));
  OCTET_TRY(writer.Commit());
  return summary;
}

Result<ModelFiles> OpenPack(const std::filesystem::path& path, LoadMode mode, ThreadPool& pool) {
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
  files.all_f32 = std::all_of(entries.begin(), entries.end(), [](const PackEntry& entry) {
    return !entry.is_matrix || entry.format == kernels::WeightFormat::kF32;
  });
  files.weights = std::make_unique<PackWeights>(pack, std::move(entries), mode, pool);
  files.weight_bytes = files.weights->bytes();
  if (!files.tokenizer_json.empty()) {
    files.tokenizer =
        OCTET_TRY(Tokenizer::FromJson(files.tokenizer_json, files.tokenizer_config, Cat(path, ": tokenizer.json")));
  }
  return files;
}

}  // namespace octet
