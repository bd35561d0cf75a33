// The tensors of one safetensors file, or of all shards that an index names, as one TensorSource.
#include <algorithm>
#include <map>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "formats/safetensors.h"

namespace octet {
namespace {

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kSingleName = "model.safetensors";

struct Place {
  const SafetensorsFile* file;
  const SafetensorsFile::Entry* entry;
};

class SafetensorsSource : public TensorSource {
 public:
  // Takes over the files; `places` point into them and are sorted by name.
  SafetensorsSource(std::vector<std::unique_ptr<SafetensorsFile>> files, std::vector<Place> places)
      : files_(std::move(files)), places_(std::move(places)) {
    for (const Place& place : places_) {
      const SafetensorsFile::Entry& entry = *place.entry;
      tensors_.push_back({entry.name, entry.dtype, entry.shape, std::string(Name(entry.dtype)), entry.bytes});
    }
  }

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }

  Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const override {
    const TensorInfo* info = OCTET_TRY(RequireRows(name, first, count));
    const uint64_t row = RowSize(info->shape);
    const std::byte* bytes = BytesOf(*info).data() + first * row * ByteSize(info->dtype);
    DecodeElements(info->dtype, bytes, count * row, out);
    return {};
  }

  Result<std::span<const std::byte>> Bytes(std::string_view name) const override {
    return BytesOf(*OCTET_TRY(Require(name)));
  }

  void ReleaseRows(std::string_view name, uint64_t first, uint64_t count) const override {
    if (const TensorInfo* info = Find(name)) {
      const auto [offset, bytes] = RangeOf(*info, first, count);
      PlaceOf(*info).file->mapped().Release(offset, bytes);
    }
  }

  void ExpectRows(std::string_view name, uint64_t first, uint64_t count) const override {
    if (const TensorInfo* info = Find(name)) {
      const auto [offset, bytes] = RangeOf(*info, first, count);
      PlaceOf(*info).file->mapped().Expect(offset, bytes);
    }
  }

 private:
  // Where those of the rows that there are lie in the file: offset and bytes.
  std::pair<uint64_t, uint64_t> RangeOf(const TensorInfo& info, uint64_t first, uint64_t count) const {
    const uint64_t rows = RowCount(info.shape), row_bytes = info.stored_bytes / std::max<uint64_t>(rows, 1);
    const uint64_t begin = std::min(first, rows), some = std::min(count, rows - begin);
    return {PlaceOf(info).entry->offset + begin * row_bytes, some * row_bytes};
  }
  const Place& PlaceOf(const TensorInfo& info) const { return places_[static_cast<size_t>(&info - tensors_.data())]; }
  std::span<const std::byte> BytesOf(const TensorInfo& info) const {
    return PlaceOf(info).file->Bytes(*PlaceOf(info).entry);
  }

  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::vector<Place> places_;
  std::vector<TensorInfo> tensors_;
};

Result<std::shared_ptr<const TensorSource>> OpenOneFile(const std::filesystem::path& path) {
  std::vector<std::unique_ptr<SafetensorsFile>> files;
  files.push_back(std::make_unique<SafetensorsFile>(OCTET_TRY(SafetensorsFile::Open(path))));
  std::vector<Place> places;
  for (const SafetensorsFile::Entry& entry : files[0]->entries()) places.push_back({files[0].get(), &entry});
  return std::make_shared<SafetensorsSource>(std::move(files), std::move(places));
}

// A file name and nothing else: no directory, no way out of one.
bool IsPlainName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

using WeightMap = std::map<std::string, std::string>;  // tensor name -> file name

Result<WeightMap> ReadIndex(const std::filesystem::path& path) {
  const std::string text = OCTET_TRY(ReadTextFile(path));
  const Json index = OCTET_TRY(ParseJson(text, path.native()));
  const Json* map = FindMember(index, "weight_map");
  if (map == nullptr || !map->is_object()) {
    return Fail(ErrorCode::kCorrupt, path, ": `weight_map` is missing or not an object");
  }
  WeightMap weight_map;
  for (const auto& item : map->items()) {
    if (!item.value().is_string()) return Fail(ErrorCode::kCorrupt, path, ": `", item.key(), "` names no file");
    const std::string& file = item.value().get_ref<const std::string&>();
    if (!IsPlainName(file)) {
      return Fail(ErrorCode::kCorrupt, path, ": tensor `", item.key(), "` is said to be in `", file,
                  "`; a shard is a file of the same directory");
    }
    weight_map.emplace(item.key(), file);
  }
  return weight_map;
}

const SafetensorsFile::Entry* FindEntry(const SafetensorsFile& file, std::string_view name) {
  const auto& entries = file.entries();
  const auto found = std::lower_bound(
      entries.begin(), entries.end(), name,
      [](const SafetensorsFile::Entry& entry, std::string_view wanted) { return entry.name < wanted; });
  return found == entries.end() || found->name != name ? nullptr : &*found;
}

Result<std::shared_ptr<const TensorSource>> OpenShards(const std::filesystem::path& index_path) {
  const WeightMap weight_map = OCTET_TRY(ReadIndex(index_path));
  if (weight_map.empty())
    return Fail(ErrorCode::kCorrupt, index_path, ": `weight_map` names no tensor; get the whole model again");
  std::vector<std::unique_ptr<SafetensorsFile>> files;
  std::map<std::string, const SafetensorsFile*> by_name;
  std::vector<Place> places;
  for (const auto& [tensor, shard] : weight_map) {
    if (by_name[shard] == nullptr) {
      Result<SafetensorsFile> file = SafetensorsFile::Open(index_path.parent_path() / shard);
      if (!file && file.error().code == ErrorCode::kNotFound) {
        return Fail(ErrorCode::kNotFound, index_path, ": shard `", shard, "` with tensor `", tensor,
                    "` is missing; get the whole model again");
      }
      files.push_back(std::make_unique<SafetensorsFile>(OCTET_TRY(std::move(file))));
      by_name[shard] = files.back().get();
    }
    const SafetensorsFile* file = by_name[shard];
    const SafetensorsFile::Entry* entry = FindEntry(*file, tensor);
    if (entry == nullptr) {
      return Fail(ErrorCode::kCorrupt, index_path, ": tensor `", tensor, "` is said to be in `", shard, "`, which has ",
                  file->entries().size(), " others");
    }
    places.push_back({file, entry});
  }
  return std::make_shared<SafetensorsSource>(std::move(files), std::move(places));
}

}  // namespace

bool HoldsSafetensors(const std::filesystem::path& directory) {
  std::error_code error;
  return std::filesystem::exists(directory / kIndexName, error) ||
         std::filesystem::exists(directory / kSingleName, error);
}

Result<std::shared_ptr<const TensorSource>> OpenSafetensors(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return OpenOneFile(path);
  const bool has_index = std::filesystem::exists(path / kIndexName, error);
  if (std::filesystem::exists(path / kSingleName, error)) {
    if (has_index) LogWarningOnce(path, ": holds ", kSingleName, " and ", kIndexName, "; the single file is read");
    return OpenOneFile(path / kSingleName);
  }
  if (has_index) return OpenShards(path / kIndexName);
  return Fail(ErrorCode::kNotFound, path, ": holds neither ", kSingleName, " nor ", kIndexName,
              "; weights in other formats must be saved as safetensors first");
}

}  // namespace octet
