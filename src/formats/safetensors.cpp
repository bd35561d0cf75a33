#include "formats/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/checked.h"
#include "base/counted.h"

namespace octet {
namespace {

using Entry = SafetensorsFile::Entry;

constexpr uint64_t kLengthBytes = 8;
// The limit of the reference implementation; 300,000 tensors fit.
constexpr uint64_t kMaximumHeader = 100'000'000;

tl::unexpected<Error> WrongField(std::string_view where, std::string_view name, std::string_view field) {
  return Fail(ErrorCode::kCorrupt, where, ": tensor `", name, "`: `", field,
              "` is missing or not what the format has there");
}

Result<Shape> ReadShape(simdjson::dom::element tensor, std::string_view name, std::string_view where) {
  simdjson::dom::array sizes;
  if (tensor["shape"].get(sizes) != simdjson::SUCCESS) return WrongField(where, name, "shape");
  Shape shape;
  for (const simdjson::dom::element size : sizes) {
    uint64_t value = 0;
    if (size.get(value) != simdjson::SUCCESS) return WrongField(where, name, "shape");
    shape.push_back(value);
  }
  return shape;
}

// The span that a tensor's shape and type need must be the one that its offsets give.
Status CheckSize(const Entry& entry, std::string_view where) {
  const std::optional<uint64_t> elements = ElementCount(entry.shape);
  const std::optional<uint64_t> needed = elements ? CheckedMultiply(*elements, ByteSize(entry.dtype)) : std::nullopt;
  if (!needed) {
    return Fail(ErrorCode::kCorrupt, where, ": tensor `", entry.name, "`: shape ", ToText(entry.shape),
                " has more elements than 63 bits can count");
  }
  if (*needed != entry.bytes) {
    return Fail(ErrorCode::kCorrupt, where, ": tensor `", entry.name, "`: shape ", ToText(entry.shape), " of ",
                Name(entry.dtype), " needs ", Counted(*needed, "byte"), ", its offsets span ", entry.bytes);
  }
  return {};
}

Result<Entry> ReadEntry(std::string_view name, simdjson::dom::element tensor, uint64_t data_start,
                        std::string_view where) {
  Entry entry;
  entry.name = name;
  std::string_view dtype_name;
  if (tensor["dtype"].get(dtype_name) != simdjson::SUCCESS) return WrongField(where, name, "dtype");
  const std::optional<DType> dtype = DTypeFromName(dtype_name);
  if (!dtype) {
    return Fail(ErrorCode::kUnsupported, where, ": tensor `", name, "` has element type `", dtype_name,
                "`, which this build doesn't read");
  }
  entry.dtype = *dtype;
  entry.shape = OCTET_TRY(ReadShape(tensor, name, where));

  simdjson::dom::array offsets;
  uint64_t begin = 0, end = 0;
  if (tensor["data_offsets"].get(offsets) != simdjson::SUCCESS || offsets.size() != 2 ||
      offsets.at(0).get(begin) != simdjson::SUCCESS || offsets.at(1).get(end) != simdjson::SUCCESS) {
    return WrongField(where, name, "data_offsets");
  }
  const std::optional<uint64_t> offset = CheckedAdd(data_start, begin);
  if (begin > end || !offset || !CheckedAdd(data_start, end)) {
    return Fail(ErrorCode::kCorrupt, where, ": tensor `", name, "` begins at ", begin, " and ends at ", end);
  }
  entry.offset = *offset;
  entry.bytes = end - begin;
  OCTET_TRY(CheckSize(entry, where));
  return entry;
}

Result<std::map<std::string, std::string>> ReadMetadata(simdjson::dom::element element, std::string_view where) {
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS)
    return Fail(ErrorCode::kCorrupt, where, ": `__metadata__` is not an object");
  std::map<std::string, std::string> metadata;
  for (const simdjson::dom::key_value_pair field : object) {
    std::string_view value;
    if (field.value.get(value) != simdjson::SUCCESS) {
      return Fail(ErrorCode::kCorrupt, where, ": `__metadata__` has `", field.key, "`, which is not a string");
    }
    metadata[std::string(field.key)] = value;
  }
  return metadata;
}

// Tensors must lie one behind the other, from the header's end to the file's end.
Status CheckLayout(const std::vector<Entry>& entries, uint64_t data_start, uint64_t file_size, std::string_view where) {
  std::vector<const Entry*> by_offset;
  for (const Entry& entry : entries) by_offset.push_back(&entry);
  std::sort(by_offset.begin(), by_offset.end(), [](const Entry* a, const Entry* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  uint64_t end = data_start;
  for (const Entry* entry : by_offset) {
    if (entry->offset != end) {
      return Fail(
          ErrorCode::kCorrupt, where, ": tensor `", entry->name, "` begins at byte ", entry->offset - data_start,
          entry->offset < end ? ", inside the one before it, which ends at " : ", behind a hole that begins at ",
          end - data_start);
    }
    end = entry->offset + entry->bytes;
    if (end > file_size) {
      return Fail(ErrorCode::kCorrupt, where, ": tensor `", entry->name, "` ends at byte ", end,
                  " of the file, which has ", file_size, "; it was cut short, get it again");
    }
  }
  if (end != file_size) {
    return Fail(ErrorCode::kCorrupt, where, ": the tensors end at byte ", end, " of the file, which has ", file_size);
  }
  return {};
}

Status SortByName(std::vector<Entry>& entries, std::string_view where) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(entries.begin(), entries.end(),
                                        [](const Entry& a, const Entry& b) { return a.name == b.name; });
  if (twice == entries.end()) return {};
  return Fail(ErrorCode::kCorrupt, where, ": tensor `", twice->name, "` is there twice");
}

// The text of the header, between its length and the tensors.
Result<std::string_view> HeaderText(std::span<const std::byte> file, std::string_view where) {
  if (file.size() < kLengthBytes) {
    return Fail(ErrorCode::kCorrupt, where, ": has ", Counted(file.size(), "byte"),
                ", a safetensors file has at least ", kLengthBytes);
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > file.size() - kLengthBytes) {
    return Fail(ErrorCode::kCorrupt, where, ": the header should have ", Counted(length, "byte"), ", the file has ",
                file.size() - kLengthBytes, " behind its length; it was cut short or is no safetensors file");
  }
  if (length > kMaximumHeader) {
    return Fail(ErrorCode::kUnsupported, where, ": the header has ", Counted(length, "byte"), ", at most ",
                kMaximumHeader, " are read");
  }
  return std::string_view(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
}

}  // namespace

Result<SafetensorsHeader> ReadSafetensorsHeader(std::span<const std::byte> file, std::string_view where) {
  const std::string_view text = OCTET_TRY(HeaderText(file, where));
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root); error != simdjson::SUCCESS) {
    return Fail(ErrorCode::kCorrupt, where, ": the header is not a JSON object: ", simdjson::error_message(error));
  }
  const uint64_t data_start = kLengthBytes + text.size();
  SafetensorsHeader header;
  for (const simdjson::dom::key_value_pair field : root) {
    if (field.key == "__metadata__") {
      header.metadata = OCTET_TRY(ReadMetadata(field.value, where));
    } else {
      header.entries.push_back(OCTET_TRY(ReadEntry(field.key, field.value, data_start, where)));
    }
  }
  OCTET_TRY(SortByName(header.entries, where));
  OCTET_TRY(CheckLayout(header.entries, data_start, file.size(), where));
  return header;
}

Result<SafetensorsFile> SafetensorsFile::Open(const std::filesystem::path& path) {
  SafetensorsFile file;
  file.path_ = path;
  file.file_ = OCTET_TRY(MappedFile::Open(path));
  SafetensorsHeader header = OCTET_TRY(ReadSafetensorsHeader(file.file_.bytes(), path.native()));
  file.entries_ = std::move(header.entries);
  file.metadata_ = std::move(header.metadata);
  return file;
}

}  // namespace octet
