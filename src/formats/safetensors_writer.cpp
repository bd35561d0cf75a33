#include "formats/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/checked.h"
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
  writer.tensors_ = std::move(tensors);
  if (!writer.tensors_.empty()) writer.remaining_ = *ByteSize(writer.tensors_[0]);
  writer.SkipFinished();
  return writer;
}

// Moves on to the next tensor that needs bytes.
void SafetensorsWriter::SkipFinished() {
  while (current_ < tensors_.size() && remaining_ == 0) {
    ++current_;
    if (current_ < tensors_.size()) remaining_ = *ByteSize(tensors_[current_]);
  }
}

Status SafetensorsWriter::Write(std::string_view name, std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  if (current_ == tensors_.size() || tensors_[current_].name != name) {
    return Fail(ErrorCode::kInvalidArgument, path_, ": tensor `", name, "` was written, ",
                current_ == tensors_.size() ? "all are complete" : Cat("`", tensors_[current_].name, "` is next"));
  }
  if (bytes.size() > remaining_) {
    return Fail(ErrorCode::kInvalidArgument, path_, ": ", bytes.size(), " more bytes of tensor `", name,
                "` were written, ", remaining_, " were missing");
  }
  OCTET_TRY(file_.Write(bytes));
  remaining_ -= bytes.size();
  SkipFinished();
  return {};
}

Status SafetensorsWriter::Commit() {
  if (current_ < tensors_.size()) {
    return Fail(ErrorCode::kInvalidArgument, path_, ": ", remaining_, " bytes of tensor `", tensors_[current_].name,
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
  OCTET_TRY(writer.OpenNext());
  return writer;
}

Status ShardedSafetensorsWriter::OpenNext() {
  if (writer_) OCTET_TRY(writer_->Commit());
  writer_.reset();
  const Shard& shard = shards_[opened_++];
  writer_.emplace(OCTET_TRY(SafetensorsWriter::Create(directory_ / shard.file_name, shard.tensors, metadata_)));
  return {};
}

Status ShardedSafetensorsWriter::Write(std::string_view name, std::span<const std::byte> bytes) {
  const auto shard = shard_of_.find(name);
  if (shard != shard_of_.end() && shard->second == opened_) OCTET_TRY(OpenNext());
  return writer_->Write(name, bytes);
}

Status ShardedSafetensorsWriter::Commit() {
  while (opened_ < shards_.size()) OCTET_TRY(OpenNext());
  OCTET_TRY(writer_->Commit());
  if (shards_.size() == 1) return {};
  Json weight_map = Json::object();
  for (const auto& [name, shard] : shard_of_) {
    weight_map.get_ref<Json::object_t&>().push_back({name, shards_[shard].file_name});
  }
  const Json index = {{"metadata", {{"total_size", total_bytes_}}}, {"weight_map", std::move(weight_map)}};
  return WriteFileAtomically(directory_ / "model.safetensors.index.json", Dump(index, 2) + "\n");
}

}  // namespace octet
