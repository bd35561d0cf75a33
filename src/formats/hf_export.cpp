#include "formats/hf_export.h"

#include <algorithm>
#include <map>

#include "base/atomic_file.h"
#include "base/counted.h"
#include "base/json_text.h"
#include "formats/check_values.h"
#include "formats/safetensors_writer.h"
#include "formats/staged_directory.h"
#include "numeric/bf16.h"
#include "numeric/fp16.h"

namespace octet {
namespace {

constexpr uint64_t kPieceValues = uint64_t{1} << 20;

// Scales of codes stay as they are: rounding one would change a whole row.
bool IsConverted(const TensorInfo& info) {
  const bool is_scale =
      info.name.ends_with("_scale") || info.name.ends_with("_scale_inv") || info.name.ends_with("_scale_2");
  return !is_scale && (info.dtype == DType::kF64 || info.dtype == DType::kF32 || info.dtype == DType::kF16 ||
                       info.dtype == DType::kBf16);
}

std::string_view TorchName(DType dtype) {
  return dtype == DType::kBf16 ? "bfloat16" : dtype == DType::kF16 ? "float16" : "float32";
}

// Rounds floats to BF16 or FP16 in place of themselves; the bytes to write.
std::span<const std::byte> Encode(DType dtype, std::span<float> values, std::vector<uint16_t>& codes) {
  if (dtype == DType::kF32) return std::as_bytes(values);
  codes.resize(values.size());
  if (dtype == DType::kBf16) {
    std::transform(values.begin(), values.end(), codes.begin(), [](float value) { return ToBf16(value).bits; });
  } else {
    std::transform(values.begin(), values.end(), codes.begin(), [](float value) { return ToFp16(value).bits; });
  }
  return std::as_bytes(std::span(codes));
}

class Exporter {
 public:
  Exporter(const TensorSource& source, const ExportOptions& options) : source_(source), options_(options) {}

  Status Write(const std::filesystem::path& directory) {
    std::vector<TensorSpec> specs;
    for (const TensorInfo& info : source_.tensors()) {
      specs.push_back({info.name, IsConverted(info) ? options_.dtype : info.dtype, info.shape});
      total_ += OCTET_TRY(ByteSize(specs.back()));
    }
    // Wider elements first, so that every tensor begins at a multiple of its element.
    std::stable_sort(specs.begin(), specs.end(),
                     [](const TensorSpec& a, const TensorSpec& b) { return ByteSize(a.dtype) > ByteSize(b.dtype); });
    auto writer =
        OCTET_TRY(ShardedSafetensorsWriter::Create(directory, specs, {{"format", "pt"}}, options_.maximum_shard_bytes));
    for (const TensorSpec& spec : specs) {
      const TensorInfo& info = *source_.Find(spec.name);
      OCTET_TRY(info.dtype == spec.dtype && source_.Bytes(spec.name) ? WriteBytes(spec, writer)
                                                                     : WriteRows(spec, writer));
      source_.Release(spec.name);
    }
    return writer.Commit();
  }

 private:
  Status WriteBytes(const TensorSpec& spec, ShardedSafetensorsWriter& writer) {
    std::span<const std::byte> bytes = OCTET_TRY(source_.Bytes(spec.name));
    while (!bytes.empty()) {
      const size_t piece = std::min<size_t>(bytes.size(), kPieceValues * sizeof(float));
      OCTET_TRY(writer.Write(spec.name, bytes.first(piece)));
      OCTET_TRY(Advance(piece));
      bytes = bytes.subspan(piece);
    }
    return {};
  }

  Status WriteRows(const TensorSpec& spec, ShardedSafetensorsWriter& writer) {
    const uint64_t rows = RowCount(spec.shape), size = RowSize(spec.shape);
    const uint64_t rows_per_piece = std::max<uint64_t>(kPieceValues / std::max<uint64_t>(size, 1), 1);
    for (uint64_t first = 0; first < rows && size > 0; first += rows_per_piece) {
      const uint64_t count = std::min(rows_per_piece, rows - first);
      values_.resize(count * size);
      source_.ExpectRows(spec.name, first + count, rows_per_piece);
      OCTET_TRY(source_.ReadRows(spec.name, first, count, values_.data()));
      source_.ReleaseRows(spec.name, first, count);
      OCTET_TRY(CheckValues(values_, first, size, spec.dtype, spec.name));
      const auto bytes = Encode(spec.dtype, values_, codes_);
      OCTET_TRY(writer.Write(spec.name, bytes));
      OCTET_TRY(Advance(bytes.size()));
    }
    return {};
  }

  Status Advance(uint64_t bytes) {
    done_ += bytes;
    if (!options_.progress || options_.progress(done_, total_)) return {};
    return Fail(ErrorCode::kCancelled, "the export was stopped after ", done_, " of ", Counted(total_, "byte"),
                "; nothing was kept");
  }

  const TensorSource& source_;
  const ExportOptions& options_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  std::vector<float> values_;
  std::vector<uint16_t> codes_;
};

// A file of the directory, or of a folder in it.
bool IsInside(const std::filesystem::path& name) {
  return !name.empty() && name.is_relative() && name.has_filename() &&
         std::none_of(name.begin(), name.end(),
                      [](const std::filesystem::path& part) { return part == "." || part == ".."; });
}

// Every small file of the directory by its name; what the caller gives wins.
Result<std::map<std::string, std::string>> SmallFiles(const Checkpoint& from, const std::vector<ExportFile>& files,
                                                      DType dtype) {
  std::map<std::string, std::string> contents;
  Json config = from.config;
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = TorchName(dtype);
  const std::pair<const char*, const Json*> made[] = {{"config.json", &config},
                                                      {"generation_config.json", &from.generation_config},
                                                      {"tokenizer_config.json", &from.tokenizer_config}};
  for (const auto& [name, json] : made) {
    if (!json->is_null()) contents[name] = Dump(*json, 2) + "\n";
  }
  for (const ExportFile& file : files) {
    if (!IsInside(file.name)) {
      return Fail(ErrorCode::kInvalidArgument, "`", file.name, "` is no name of a file in a model directory");
    }
    contents[file.name] = file.content;
  }
  return contents;
}

Status WriteFiles(const TensorSource& tensors, const std::map<std::string, std::string>& contents,
                  const std::filesystem::path& directory, const ExportOptions& options) {
  for (const auto& [name, content] : contents) {
    std::error_code error;  // a folder that can't be made says so as its file is written
    std::filesystem::create_directories((directory / name).parent_path(), error);
    OCTET_TRY(WriteFileAtomically(directory / name, content));
  }
  return Exporter(tensors, options).Write(directory);
}

}  // namespace

Status ExportHuggingFace(const Checkpoint& from, const std::vector<ExportFile>& files,
                         const std::filesystem::path& directory, const ExportOptions& options) {
  if (options.dtype != DType::kBf16 && options.dtype != DType::kF16 && options.dtype != DType::kF32) {
    return Fail(ErrorCode::kInvalidArgument, "weights can be written as BF16, F16 or F32, not as ",
                Name(options.dtype));
  }
  if (from.tensors->tensors().empty()) {
    return Fail(ErrorCode::kInvalidArgument, from.path,
                ": holds no tensors, only a vocabulary; there is no model to write");
  }
  const auto contents = OCTET_TRY(SmallFiles(from, files, options.dtype));
  StagedDirectory stage = OCTET_TRY(StagedDirectory::Create(directory, from.path));
  const Status written = WriteFiles(*from.tensors, contents, stage.path(), options);
  if (!written) return tl::unexpected<Error>(stage.WithTargetName(written.error()));
  return stage.Commit();
}

}  // namespace octet
