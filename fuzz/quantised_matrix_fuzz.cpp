// A module's tensors of any type, shape and content, read as each quantised format that a matrix may be stored in: what
// is accepted is decoded whole, within the bytes that there are.
#include <algorithm>
#include <vector>

#include "models/integer_matrix.h"
#include "models/mx_matrix.h"
#include "models/nvfp4_matrix.h"

namespace {

using namespace octet;

// In the order of names.
constexpr const char* kSuffixes[] = {
    "g_idx",          "input_scale",  "pre_quant_scale",     "qweight",       "qzeros",
    "scales",         "weight",       "weight_global_scale", "weight_packed", "weight_scale",
    "weight_scale_2", "weight_shape", "weight_zero_point"};
constexpr size_t kBytesOfAll = 4096;

// Each tensor takes four bytes of the input: type, number of axes and two sizes; its bytes repeat the rest.
class FuzzedModule : public TensorSource {
 public:
  FuzzedModule(const uint8_t* data, size_t size) {
    for (const char* suffix : kSuffixes) {
      if (size < 5) break;
      const uint8_t kind = data[0], axes = data[1] % 4;
      const uint8_t* sizes = data + 2;
      data += 4;
      size -= 4;
      if (kind >= kDTypeCount) continue;
      TensorInfo info{.name = Cat("m.", suffix),
                      .dtype = static_cast<DType>(kind),
                      .shape = Shape(std::min<size_t>(axes, 2)),
                      .stored_type = {}};
      for (size_t i = 0; i < info.shape.size(); ++i) info.shape[i] = sizes[i] % 98;
      info.stored_type = Name(info.dtype);
      info.stored_bytes = *ElementCount(info.shape) * ByteSize(info.dtype);
      std::vector<std::byte> bytes(info.stored_bytes);
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(data[i % size]);
      if (info.name.ends_with("g_idx") || info.name.ends_with("weight_shape")) {  // else hardly ever what fits
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = i % ByteSize(info.dtype) == 0 ? bytes[i] : std::byte{0};
      }
      infos_.push_back(std::move(info));
      bytes_.push_back(std::move(bytes));
    }
  }

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const override {
    const TensorInfo* info = OCTET_TRY(RequireRows(name, first, count));
    const uint64_t row = RowSize(info->shape);
    const std::span<const std::byte> bytes = OCTET_TRY(Bytes(name));
    DecodeElements(info->dtype, bytes.data() + first * row * ByteSize(info->dtype), count * row, out);
    return {};
  }
  Result<std::span<const std::byte>> Bytes(std::string_view name) const override {
    return std::span<const std::byte>(bytes_[static_cast<size_t>(OCTET_TRY(Require(name)) - infos_.data())]);
  }

 private:
  std::vector<TensorInfo> infos_;
  std::vector<std::vector<std::byte>> bytes_;
};

// Rows from the first and from the middle on, each into memory of exactly their size.
template <class Matrix>
void ReadAll(const Matrix& matrix, const TensorSource& tensors) {
  for (const size_t first : {size_t{0}, matrix.rows / 2}) {
    std::vector<float> rows((matrix.rows - first) * matrix.columns);
    static_cast<void>(matrix.ReadRows(tensors, first, matrix.rows - first, rows.data()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8 || size > kBytesOfAll) return 0;
  WeightSlot slot;
  slot.name = "layers.0.ffn.down";
  slot.tensor = "m.weight";
  slot.rows = slot.tensor_rows = 1 + data[0] % 97;
  slot.columns = 1 + data[1] % 97;
  DeclaredIntegers declared;
  if (data[2] != 0) declared.group_sizes.push_back(data[2]);
  if (data[3] % 3 != 0) declared.bits.push_back(data[3] % 3 * 4);
  const FuzzedModule tensors(data + 4, size - 4);
  if (const auto found = FindIntegerMatrix(tensors, slot, declared); found && *found) {
    ReadAll(**found, tensors);
    if ((*found)->decoded.empty() && kernels::Int4Group((*found)->format) != 0) {
      if (const auto scales = (*found)->ReadScales(tensors, 0, slot.rows)) KernelScales(**found, *scales);
    }
  }
  if (const auto found = FindMxMatrix(tensors, slot); found && *found) ReadAll(**found, tensors);
  if (const auto found = FindNvfp4Matrix(tensors, slot); found && *found) ReadAll(**found, tensors);
  return 0;
}
