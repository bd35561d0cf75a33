#include "formats/gguf.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace octet {
namespace {

// Element i of an array's numbers, as a type that holds every value of its kind.
template <class Wide, class... Narrow>
Wide ElementAt(const GgufArray& array, uint64_t i) {
  Wide value{};
  const auto read = [&](auto element) {
    if (sizeof element != array.element_bytes) return;
    std::memcpy(&element, array.numbers.data() + i * sizeof element, sizeof element);
    value = static_cast<Wide>(element);
  };
  (read(Narrow{}), ...);
  return value;
}

int64_t SignedAt(const GgufArray& array, uint64_t i) {
  return ElementAt<int64_t, int8_t, int16_t, int32_t, int64_t>(array, i);
}
uint64_t UnsignedAt(const GgufArray& array, uint64_t i) {
  return ElementAt<uint64_t, uint8_t, uint16_t, uint32_t, uint64_t>(array, i);
}
double FloatAt(const GgufArray& array, uint64_t i) { return ElementAt<double, float, double>(array, i); }

tl::unexpected<Error> WrongType(const GgufFile& file, std::string_view key, std::string_view expected) {
  return Fail(ErrorCode::kCorrupt, file.path(), ": metadata `", key, "` is ", file.Has(key) ? "not " : "missing, ",
              expected, file.Has(key) ? "" : " is expected");
}

const GgufArray* FindArray(const GgufFile& file, std::string_view key) {
  const GgufValue* value = file.Find(key);
  return value == nullptr ? nullptr : std::get_if<GgufArray>(value);
}

}  // namespace

Result<std::shared_ptr<const GgufFile>> GgufFile::Open(const std::filesystem::path& path) {
  auto file = std::make_shared<GgufFile>();
  file->path_ = path;
  file->file_ = OCTET_TRY(MappedFile::Open(path));
  file->header_ = OCTET_TRY(ReadGgufHeader(file->file_.bytes(), path.native()));
  return file;
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto found =
      std::lower_bound(tensors().begin(), tensors().end(), name,
                       [](const GgufTensor& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found == tensors().end() || found->name != name ? nullptr : &*found;
}

const GgufValue* GgufFile::Find(std::string_view key) const {
  const auto found = metadata().find(key);
  return found == metadata().end() ? nullptr : &found->second;
}

Result<int64_t> GgufFile::GetInteger(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value != nullptr) {
    if (const int64_t* number = std::get_if<int64_t>(value)) return *number;
    const uint64_t* number = std::get_if<uint64_t>(value);
    if (number != nullptr && *number <= uint64_t{INT64_MAX}) return static_cast<int64_t>(*number);
  }
  return WrongType(*this, key, "an integer of 63 bits");
}

Result<double> GgufFile::GetNumber(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value != nullptr) {
    if (const double* number = std::get_if<double>(value)) return *number;
    if (const uint64_t* number = std::get_if<uint64_t>(value)) return static_cast<double>(*number);
    if (const int64_t* number = std::get_if<int64_t>(value)) return static_cast<double>(*number);
  }
  return WrongType(*this, key, "a number");
}

Result<bool> GgufFile::GetBool(std::string_view key) const {
  const GgufValue* value = Find(key);
  const bool* flag = value == nullptr ? nullptr : std::get_if<bool>(value);
  if (flag == nullptr) return WrongType(*this, key, "true or false");
  return *flag;
}

Result<std::string_view> GgufFile::GetString(std::string_view key) const {
  const GgufValue* value = Find(key);
  const std::string_view* text = value == nullptr ? nullptr : std::get_if<std::string_view>(value);
  if (text == nullptr) return WrongType(*this, key, "a string");
  return *text;
}

Result<std::vector<std::string_view>> GgufFile::GetStrings(std::string_view key) const {
  const GgufArray* array = FindArray(*this, key);
  if (array == nullptr || array->kind != GgufArray::Kind::kString) return WrongType(*this, key, "an array of strings");
  return array->strings;
}

Result<std::vector<int64_t>> GgufFile::GetIntegers(std::string_view key) const {
  const GgufArray* array = FindArray(*this, key);
  const bool is_signed = array != nullptr && array->kind == GgufArray::Kind::kSigned;
  const bool is_unsigned = array != nullptr && array->kind == GgufArray::Kind::kUnsigned;
  if (!is_signed && !is_unsigned) return WrongType(*this, key, "an array of integers");
  std::vector<int64_t> values(array->size);
  for (uint64_t i = 0; i < array->size; ++i) {
    const uint64_t bits = is_signed ? static_cast<uint64_t>(SignedAt(*array, i)) : UnsignedAt(*array, i);
    if (is_unsigned && bits > uint64_t{INT64_MAX}) return WrongType(*this, key, "an array of integers of 63 bits");
    values[i] = static_cast<int64_t>(bits);
  }
  return values;
}

Result<std::vector<double>> GgufFile::GetNumbers(std::string_view key) const {
  const GgufArray* array = FindArray(*this, key);
  if (array == nullptr || array->kind != GgufArray::Kind::kFloat) return WrongType(*this, key, "an array of floats");
  std::vector<double> values(array->size);
  for (uint64_t i = 0; i < array->size; ++i) values[i] = FloatAt(*array, i);
  return values;
}

}  // namespace octet
