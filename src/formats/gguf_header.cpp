// Parsing a GGUF's metadata and tensor list, with every count held against the bytes that are left.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>

#include "base/checked.h"
#include "base/counted.h"
#include "formats/gguf.h"

namespace octet {
namespace {

constexpr int kMaximumDepth = 4;      // of arrays in arrays
constexpr uint64_t kMaximumAxes = 4;  // as ggml has it
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaximumAlignment = uint64_t{1} << 20;

// The bytes of the header, read from front to back.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::string_view where) : bytes_(bytes), where_(where) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }
  std::string_view where() const { return where_; }

  Result<std::span<const std::byte>> Take(uint64_t count, std::string_view what) {
    if (count > left()) {
      return Fail(ErrorCode::kCorrupt, where_, ": ", what, " at byte ", position_, " needs ", Counted(count, "byte"),
                  ", ", left(), " are left; the file was cut short or is damaged");
    }
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  template <class Number>
  Result<Number> Read(std::string_view what) {
    const auto bytes = OCTET_TRY(Take(sizeof(Number), what));
    Number number;
    std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  }

  Result<std::string_view> ReadString(std::string_view what) {
    const uint64_t length = OCTET_TRY(Read<uint64_t>(what));
    const auto bytes = OCTET_TRY(Take(length, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  // A count of things of at least `least_bytes` each: refused where so many can't follow.
  Result<uint64_t> ReadCount(uint64_t least_bytes, std::string_view what) {
    const uint64_t count = OCTET_TRY(Read<uint64_t>(what));
    if (count > left() / least_bytes) {
      return Fail(ErrorCode::kCorrupt, where_, ": ", what, " is ", count, ", the ", Counted(left(), "byte"),
                  " behind it hold at most ", left() / least_bytes);
    }
    return count;
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  uint64_t position_ = 0;
};

// Types of metadata values, by their number in the file.
enum class Type : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64, kCount };

constexpr size_t kTypeBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};  // of a string or array: at least
static_assert(std::size(kTypeBytes) == static_cast<size_t>(Type::kCount));

GgufArray::Kind KindOf(Type type) {
  switch (type) {
    case Type::kI8:
    case Type::kI16:
    case Type::kI32:
    case Type::kI64:
      return GgufArray::Kind::kSigned;
    case Type::kF32:
    case Type::kF64:
      return GgufArray::Kind::kFloat;
    case Type::kBool:
      return GgufArray::Kind::kBool;
    case Type::kString:
      return GgufArray::Kind::kString;
    case Type::kArray:
      return GgufArray::Kind::kArray;
    default:
      return GgufArray::Kind::kUnsigned;
  }
}

Result<Type> ReadType(Cursor& cursor, std::string_view key) {
  const uint32_t number = OCTET_TRY(cursor.Read<uint32_t>(key));
  if (number >= static_cast<uint32_t>(Type::kCount)) {
    return Fail(ErrorCode::kCorrupt, cursor.where(), ": metadata `", key, "` has type ", number, ", types end at ",
                static_cast<uint32_t>(Type::kCount) - 1);
  }
  return static_cast<Type>(number);
}

Result<GgufArray> ReadArray(Cursor& cursor, std::string_view key, int depth) {
  if (depth == kMaximumDepth) {
    return Fail(ErrorCode::kUnsupported, cursor.where(), ": metadata `", key, "` nests arrays deeper than ",
                kMaximumDepth);
  }
  const Type type = OCTET_TRY(ReadType(cursor, key));
  const size_t element_bytes = kTypeBytes[static_cast<size_t>(type)];
  GgufArray array;
  array.kind = KindOf(type);
  array.size = OCTET_TRY(cursor.ReadCount(element_bytes, Cat("the size of `", key, "`")));
  if (array.kind == GgufArray::Kind::kString) {
    for (uint64_t i = 0; i < array.size; ++i) array.strings.push_back(OCTET_TRY(cursor.ReadString(key)));
  } else if (array.kind == GgufArray::Kind::kArray) {
    for (uint64_t i = 0; i < array.size; ++i) array.arrays.push_back(OCTET_TRY(ReadArray(cursor, key, depth + 1)));
  } else {
    array.element_bytes = element_bytes;
    array.numbers = OCTET_TRY(cursor.Take(array.size * element_bytes, key));
  }
  return array;
}

template <class Stored, class Kept>
Result<GgufValue> ReadAs(Cursor& cursor, std::string_view key) {
  return GgufValue(static_cast<Kept>(OCTET_TRY(cursor.Read<Stored>(key))));
}

Result<GgufValue> ReadValue(Cursor& cursor, std::string_view key) {
  switch (OCTET_TRY(ReadType(cursor, key))) {
    case Type::kU8:
      return ReadAs<uint8_t, uint64_t>(cursor, key);
    case Type::kU16:
      return ReadAs<uint16_t, uint64_t>(cursor, key);
    case Type::kU32:
      return ReadAs<uint32_t, uint64_t>(cursor, key);
    case Type::kU64:
      return ReadAs<uint64_t, uint64_t>(cursor, key);
    case Type::kI8:
      return ReadAs<int8_t, int64_t>(cursor, key);
    case Type::kI16:
      return ReadAs<int16_t, int64_t>(cursor, key);
    case Type::kI32:
      return ReadAs<int32_t, int64_t>(cursor, key);
    case Type::kI64:
      return ReadAs<int64_t, int64_t>(cursor, key);
    case Type::kF32:
      return ReadAs<float, double>(cursor, key);
    case Type::kF64:
      return ReadAs<double, double>(cursor, key);
    case Type::kBool:
      return GgufValue(OCTET_TRY(cursor.Read<uint8_t>(key)) != 0);
    case Type::kString:
      return GgufValue(OCTET_TRY(cursor.ReadString(key)));
    default:
      return GgufValue(OCTET_TRY(ReadArray(cursor, key, 0)));
  }
}

struct StoredType {
  uint32_t number;
  std::string_view name;
  std::optional<GgmlBlock> block;
  DType dtype;
};

constexpr StoredType kStoredTypes[] = {
    {0, "F32", std::nullopt, DType::kF32},         {1, "F16", std::nullopt, DType::kF16},
    {30, "BF16", std::nullopt, DType::kBf16},      {28, "F64", std::nullopt, DType::kF64},
    {24, "I8", std::nullopt, DType::kI8},          {25, "I16", std::nullopt, DType::kI16},
    {26, "I32", std::nullopt, DType::kI32},        {27, "I64", std::nullopt, DType::kI64},
    {2, "Q4_0", GgmlBlock::kQ4_0, DType::kF32},    {3, "Q4_1", GgmlBlock::kQ4_1, DType::kF32},
    {6, "Q5_0", GgmlBlock::kQ5_0, DType::kF32},    {7, "Q5_1", GgmlBlock::kQ5_1, DType::kF32},
    {8, "Q8_0", GgmlBlock::kQ8_0, DType::kF32},    {10, "Q2_K", GgmlBlock::kQ2_K, DType::kF32},
    {11, "Q3_K", GgmlBlock::kQ3_K, DType::kF32},   {12, "Q4_K", GgmlBlock::kQ4_K, DType::kF32},
    {13, "Q5_K", GgmlBlock::kQ5_K, DType::kF32},   {14, "Q6_K", GgmlBlock::kQ6_K, DType::kF32},
    {39, "MXFP4", GgmlBlock::kMxfp4, DType::kF32},
};

// Names of types that exist and aren't read, for the message.
std::string NameOfOtherType(uint32_t number) {
  constexpr std::pair<uint32_t, std::string_view> kNames[] = {
      {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"},
      {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"},  {29, "IQ1_M"},  {34, "TQ1_0"},   {35, "TQ2_0"}, {40, "NVFP4"}};
  for (const auto& [known, name] : kNames) {
    if (known == number) return std::string(name);
  }
  return Cat("number ", number);
}

// Bytes of a tensor; its offset is that in the file, relative to the data.
Status ComputeSize(GgufTensor& tensor, std::string_view where) {
  const std::optional<uint64_t> elements = ElementCount(tensor.shape);
  const GgmlBlockInfo info =
      tensor.block ? InfoOf(*tensor.block) : GgmlBlockInfo{tensor.type, 1, ByteSize(tensor.dtype)};
  const std::optional<uint64_t> bytes = elements ? CheckedMultiply(*elements / info.values, info.bytes) : std::nullopt;
  if (!bytes) {
    return Fail(ErrorCode::kCorrupt, where, ": tensor `", tensor.name, "`: shape ", ToText(tensor.shape),
                " has more bytes than 64 bits can count");
  }
  if (tensor.shape.back() % info.values != 0) {
    return Fail(ErrorCode::kCorrupt, where, ": tensor `", tensor.name, "`: rows of ", tensor.shape.back(),
                " can't be cut into ", info.name, " blocks of ", info.values);
  }
  tensor.bytes = *bytes;
  return {};
}

Result<GgufTensor> ReadTensor(Cursor& cursor) {
  GgufTensor tensor;
  tensor.name = OCTET_TRY(cursor.ReadString("a tensor's name"));
  const uint32_t axes = OCTET_TRY(cursor.Read<uint32_t>(tensor.name));
  if (axes == 0 || axes > kMaximumAxes) {
    return Fail(ErrorCode::kCorrupt, cursor.where(), ": tensor `", tensor.name, "` has ", Counted(axes, "axis", "axes"),
                ", 1 to ", kMaximumAxes, " are possible");
  }
  for (uint32_t axis = 0; axis < axes; ++axis) tensor.shape.push_back(OCTET_TRY(cursor.Read<uint64_t>(tensor.name)));
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  const uint32_t number = OCTET_TRY(cursor.Read<uint32_t>(tensor.name));
  const auto type = std::find_if(std::begin(kStoredTypes), std::end(kStoredTypes),
                                 [&](const StoredType& stored) { return stored.number == number; });
  if (type == std::end(kStoredTypes)) {
    return Fail(ErrorCode::kUnsupported, cursor.where(), ": tensor `", tensor.name, "` is of type ",
                NameOfOtherType(number),
                ", this build reads F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K and MXFP4");
  }
  tensor.type = type->name;
  tensor.block = type->block;
  tensor.dtype = type->dtype;
  tensor.offset = OCTET_TRY(cursor.Read<uint64_t>(tensor.name));
  OCTET_TRY(ComputeSize(tensor, cursor.where()));
  return tensor;
}

Result<uint32_t> ReadVersion(Cursor& cursor) {
  const auto magic = OCTET_TRY(cursor.Take(4, "the magic number"));
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
    return Fail(ErrorCode::kCorrupt, cursor.where(), ": doesn't begin with `GGUF`, so it is no GGUF file");
  }
  const uint32_t version = OCTET_TRY(cursor.Read<uint32_t>("the version"));
  if (version != 2 && version != 3) {
    const bool swapped = (version & 0xFFFF) == 0;
    return Fail(ErrorCode::kUnsupported, cursor.where(), ": GGUF version ", swapped ? version >> 24 : version,
                swapped ? " in big-endian order" : "",
                ", this build reads 2 and 3 in little-endian order; convert the file again");
  }
  return version;
}

Result<uint64_t> Alignment(const GgufHeader& header, std::string_view where) {
  const auto found = header.metadata.find("general.alignment");
  if (found == header.metadata.end()) return kDefaultAlignment;
  const uint64_t* value = std::get_if<uint64_t>(&found->second);
  if (value == nullptr || *value == 0 || *value > kMaximumAlignment || (*value & (*value - 1)) != 0) {
    return Fail(ErrorCode::kCorrupt, where, ": `general.alignment` is ",
                value ? Cat(*value) : std::string("no unsigned integer"), ", a power of two up to ", kMaximumAlignment,
                " is expected");
  }
  return *value;
}

// Makes offsets absolute; tensors must lie inside the file, aligned, without sharing bytes.
Status PlaceTensors(GgufHeader& header, uint64_t data_start, uint64_t file_size, std::string_view where) {
  const uint64_t alignment = OCTET_TRY(Alignment(header, where));
  data_start = RoundUp(data_start, alignment);
  std::vector<GgufTensor*> by_offset;
  for (GgufTensor& tensor : header.tensors) by_offset.push_back(&tensor);
  std::sort(by_offset.begin(), by_offset.end(), [](const GgufTensor* a, const GgufTensor* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  uint64_t end = data_start;
  for (GgufTensor* tensor : by_offset) {
    if (tensor->offset % alignment != 0) {
      return Fail(ErrorCode::kCorrupt, where, ": tensor `", tensor->name, "` begins at ", tensor->offset,
                  ", which is no multiple of the alignment ", alignment);
    }
    const std::optional<uint64_t> begin = CheckedAdd(data_start, tensor->offset);
    const std::optional<uint64_t> tensor_end = begin ? CheckedAdd(*begin, tensor->bytes) : std::nullopt;
    if (!tensor_end || *tensor_end > file_size) {
      return Fail(ErrorCode::kCorrupt, where, ": tensor `", tensor->name, "` of ", Counted(tensor->bytes, "byte"),
                  " begins at ", tensor->offset, " behind byte ", data_start, ", the file has ", file_size,
                  "; it was cut short, get it again");
    }
    if (*begin < end) {
      return Fail(ErrorCode::kCorrupt, where, ": tensor `", tensor->name, "` begins at byte ", *begin,
                  " of the file, inside the one before it, which ends at ", end);
    }
    tensor->offset = *begin;
    end = *tensor_end;
  }
  return {};
}

Status ReadMetadata(Cursor& cursor, uint64_t count, GgufHeader& header) {
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view key = OCTET_TRY(cursor.ReadString("a metadata key"));
    GgufValue value = OCTET_TRY(ReadValue(cursor, key));
    if (!header.metadata.emplace(key, std::move(value)).second) {
      return Fail(ErrorCode::kCorrupt, cursor.where(), ": metadata `", key, "` is there twice");
    }
  }
  return {};
}

}  // namespace

Result<GgufHeader> ReadGgufHeader(std::span<const std::byte> file, std::string_view where) {
  constexpr uint64_t kLeastTensorBytes = 8 + 4 + 8 + 4 + 8;
  constexpr uint64_t kLeastMetadataBytes = 8 + 4 + 1;
  Cursor cursor(file, where);
  GgufHeader header;
  header.version = OCTET_TRY(ReadVersion(cursor));
  const uint64_t tensor_count = OCTET_TRY(cursor.ReadCount(kLeastTensorBytes, "the number of tensors"));
  const uint64_t metadata_count = OCTET_TRY(cursor.ReadCount(kLeastMetadataBytes, "the number of metadata entries"));
  OCTET_TRY(ReadMetadata(cursor, metadata_count, header));
  for (uint64_t i = 0; i < tensor_count; ++i) header.tensors.push_back(OCTET_TRY(ReadTensor(cursor)));
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const GgufTensor& a, const GgufTensor& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(header.tensors.begin(), header.tensors.end(),
                                        [](const GgufTensor& a, const GgufTensor& b) { return a.name == b.name; });
  if (twice != header.tensors.end()) {
    return Fail(ErrorCode::kCorrupt, where, ": tensor `", twice->name, "` is there twice");
  }
  OCTET_TRY(PlaceTensors(header, cursor.position(), file.size(), where));
  return header;
}

}  // namespace octet
