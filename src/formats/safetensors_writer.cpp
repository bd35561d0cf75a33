#include "formats/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/checked.h"
#include "base/counted.h"
#include "base/json.h"
#include "base/json_text.h"

namespace octet {
namespace {

// The header's text, padded with blanks so that the tensors begin at a multiple of 8.
Result<std::string> HeaderText(const std::vector<TensorSpec>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names;
  uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    const uint64_t bytes = OCTET_TRY(ByteSize(tensor));
    if (tensor.name == "__metadata__" || !names.insert(tensor.name).second) {
      return Fail(ErrorCode::kInvalidArgument, "tensor `", tensor.name, "` can't be written: the name is taken");
    }
    const std::optional<uint64_t> end = CheckedAdd(offset, bytes);
    if (!end) return Fail(ErrorCode::kInvalidArgument, "tensor `", tensor.name, "` ends beyond 64 bits");
    // push_back, since operator[] of an ordered object looks through all that it has.
    header.get_ref<Json::object_t&>().push_back(
        {tensor.name, {{"dtype", Name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, *end}}}});
    offset = *end;
  }
  std::string text = Dump(header);
  text.resize(RoundUp(text.size(), 8), ' ');
  return text;
}

}  // namespace

Result<uint64_t> ByteSize(const TensorSpec& tensor) {
  const std::optional<uint64_t> elements = ElementCount(tensor.shape);
  const std::optional<uint64_t> bytes = elements ? CheckedMultiply(*elements, ByteSize(tensor.dtype)) : std::nullopt;
  if (!bytes) {
    return Fail(ErrorCode::kInvalidArgument, "tensor `", tensor.name, "`: shape ", ToText(tensor.shape),
                " has more bytes than 64 bits can count");
  }
  return *bytes;
}

Result<SafetensorsWriter> SafetensorsWriter::Create(const std::filesystem::path& path, std::vector<TensorSpec> tensors,
                                                    const std::map<std::string, std::string>& metadata) {
  const std::string header = OCTET_TRY(HeaderText(tensors, metadata));
  const uint64_t length = header.size();
  SafetensorsWriter writer(OCTET_TRY(AtomicFile::Create(path)), path);
  OCTET_TRY(writer.file_.Write(std::as_bytes(std::span(&length, 1))));
  OCTET_TRY(writer.file_.Write(header));
  uint64_t offset = writer.file_.size();
  for (const TensorSpec& tensor : tensors) {
    const uint64_t bytes = *ByteSize(tensor);  // HeaderText has added them all up
    writer.places_[tensor.name] = {offset, bytes};
    writer.missing_ += bytes;
    offset += bytes;
  }
  return writer;
}

Status SafetensorsWriter::Write(std::string_view name, std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  const auto found = places_.find(name);
  if (found == places_.end()) {
    return Fail(ErrorCode::kInvalidArgument, path_, ": tensor `", name, "` was written, which the header doesn't have");
  }
  Place& place = found->second;
  if (bytes.size() > place.remaining) {
    return Fail(ErrorCode::kInvalidArgument, path_, ": ", bytes.size(), " more bytes of tensor `", name,
                "` were written, ", place.remaining, " were missing");
  }
  // What comes in the file's order goes to the disk at once (base/atomic_file.h).
  OCTET_TRY(place.offset == file_.size() ? file_.Write(bytes) : file_.WriteAt(place.offset, bytes));
  place.offset += bytes.size();
  place.remaining -= bytes.size();
  missing_ -= bytes.size();
  return {};
}

Status SafetensorsWriter::Commit() {
  for (const auto& [name, place] : places_) {
    if (place.remaining == 0) continue;
    return Fail(ErrorCode::kInvalidArgument, path_, ": ", Counted(place.remaining, "byte"), " of tensor `", name,
                "` are missing");
  }
  return file_.Commit();
}

Result<ShardedSafetensorsWriter> ShardedSafetensorsWriter::Create(const std::filesystem::path& directory,
                                                                  std::vector<TensorSpec> tensors,
                                                                  const std::map<std::string, std::string>& metadata,
                                                                  uint64_t maximum_bytes) {
  ShardedSafetensorsWriter writer;
  writer.directory_ = directory;
  writer.metadata_ = metadata;
  writer.shards_.emplace_back();
  uint64_t in_shard = 0;
  for (TensorSpec& tensor : tensors) {
    const uint64_t bytes = OCTET_TRY(ByteSize(tensor));
    if (!writer.shards_.back().tensors.empty() && (in_shard > maximum_bytes || bytes > maximum_bytes - in_shard)) {
      writer.shards_.emplace_back();
      in_shard = 0;
    }
    in_shard += bytes;
    writer.total_bytes_ += bytes;
    if (!writer.shard_of_.emplace(tensor.name, writer.shards_.size() - 1).second) {
      return Fail(ErrorCode::kInvalidArgument, "tensor `", tensor.name, "` can't be written: the name is taken");
    }
    writer.shards_.back().tensors.push_back(std::move(tensor));
  }
  const size_t count = writer.shards_.size();
  for (size_t i = 0; i < count; ++i) {
    writer.shards_[i].file_name =
        count == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, count);
  }
  return writer;
}

Status ShardedSafetensorsWriter::Open(Shard& shard) {
  shard.writer.emplace(OCTET_TRY(SafetensorsWriter::Create(directory_ / shard.file_name, shard.tensors, metadata_)));
  return {};
}

Status ShardedSafetensorsWriter::Write(std::string_view name, std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  const auto found = shard_of_.find(name);
  if (found == shard_of_.end() || shards_[found->second].is_committed) {
    return Fail(ErrorCode::kInvalidArgument, directory_, ": ", Counted(bytes.size(), "byte"), " of tensor `", name,
                "` were written, ", found == shard_of_.end() ? "which no file has" : "which is complete");
  }
  Shard& shard = shards_[found->second];
  if (!shard.writer) OCTET_TRY(Open(shard));
  OCTET_TRY(shard.writer->Write(name, bytes));
  if (!shard.writer->is_complete()) return {};
  OCTET_TRY(shard.writer->Commit());
  shard.is_committed = true;
  shard.writer.reset();
  return {};
}

Status ShardedSafetensorsWriter::Commit() {
  for (Shard& shard : shards_) {
    if (shard.is_committed) continue;
    if (!shard.writer) OCTET_TRY(Open(shard));  // of tensors without bytes, or none at all
    OCTET_TRY(shard.writer->Commit());
  }
  if (shards_.size() == 1) return {};
  Json weight_map = Json::object();
  for (const auto& [name, shard] : shard_of_) {
    weight_map.get_ref<Json::object_t&>().push_back({name, shards_[shard].file_name});
  }
  const Json index = {{"metadata", {{"total_size", total_bytes_}}}, {"weight_map", std::move(weight_map)}};
  return WriteFileAtomically(directory_ / "model.safetensors.index.json", Dump(index, 2) + "\n");
}

}  // namespace octet
