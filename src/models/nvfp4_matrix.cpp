#include "models/nvfp4_matrix.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/counted.h"
#include "kernels/layout.h"
#include "models/input_factors.h"
#include "models/integer_matrix.h"
#include "numeric/e2m1.h"
#include "numeric/e8m0.h"
#include "numeric/fp8.h"
#include "numeric/mx.h"

namespace octet {
namespace {

// The tensor where it has a shape and type; not_found and corrupt otherwise.
Status RequireTensor(const TensorSource& tensors, const std::string& codes, const std::string& name, DType dtype,
                     const Shape& shape) {
  const TensorInfo* info = tensors.Find(name);
  if (info == nullptr)
    return Fail(ErrorCode::kNotFound, "tensor ", codes, " holds codes of four bits, but ", name, " is missing");
  if (info->dtype == dtype && info->shape == shape) return {};
  return Fail(info->dtype == dtype ? ErrorCode::kCorrupt : ErrorCode::kUnsupported, "tensor ", name, " has shape ",
              ToText(info->shape), " in ", info->stored_type, "; NVFP4 has ", ToText(shape), " in ", Name(dtype));
}

// One of the two numbers by which a dialect scales a whole tensor, as what its values are multiplied with: ModelOpt
// stores that, compressed-tensors its reciprocal.
struct TensorFactor {
  const char* factor;
  const char* reciprocal;
};

Result<float> ReadFactor(const TensorSource& tensors, const std::string& codes, const std::string& module,
                         const TensorFactor& names) {
  const bool is_factor = tensors.Find(module + names.factor) != nullptr;
  if (is_factor && tensors.Find(module + names.reciprocal) != nullptr) {
    return Fail(ErrorCode::kCorrupt, "tensors ", module, names.factor, " and ", module, names.reciprocal,
                " are both there; which of them scales is open");
  }
  const std::string name = module + (is_factor ? names.factor : names.reciprocal);
  const TensorInfo* info = tensors.Find(name);
  const Shape shape = info != nullptr && info->shape.empty() ? Shape{} : Shape{1};
  OCTET_TRY(RequireTensor(tensors, codes, name, DType::kF32, shape));
  float stored = 0;
  OCTET_TRY(tensors.ReadRows(name, 0, 1, &stored));
  const float value = is_factor ? stored : 1 / stored;
  if (std::isfinite(stored) && stored > 0 && std::isfinite(value) && value > 0) return value;
  return Fail(ErrorCode::kCorrupt, "scale ", name, " is ", stored, ", a number above 0 is expected");
}

constexpr TensorFactor kWeights = {".weight_scale_2", ".weight_global_scale"};
constexpr TensorFactor kInputs = {".input_scale", ".input_global_scale"};

bool HasInputScale(const TensorSource& tensors, const std::string& module) {
  return tensors.Find(module + kInputs.factor) != nullptr || tensors.Find(module + kInputs.reciprocal) != nullptr;
}

// What would change the value of a weight and isn't computed.
Status RefuseOthers(const TensorSource& tensors, const std::string& module) {
  for (const auto& [suffix, meaning] : {std::pair{".weight_zero_point", "codes have zero points"},
                                        std::pair{".svdquant_lora_a", "a product of two matrices is added"}}) {
    if (tensors.Find(module + suffix) == nullptr) continue;
    return Fail(ErrorCode::kUnsupported, "tensor ", module, suffix, " is there: ", meaning, ", which isn't known");
  }
  return {};
}

// Bytes of two codes may also be MXFP4 (models/mx_matrix.h), and ModelOpt's INT4, whose codes are of two rows
// (models/integer_matrix.h).
bool IsOfAnotherFormat(const TensorSource& tensors, const std::string& module, const TensorInfo& codes,
                       const WeightSlot& slot) {
  const TensorInfo* scale = tensors.Find(module + ".weight_scale");
  const bool is_power = scale != nullptr && (scale->dtype == DType::kU8 || scale->dtype == DType::kE8M0);
  const bool has_factor =
      tensors.Find(module + kWeights.factor) != nullptr || tensors.Find(module + kWeights.reciprocal) != nullptr;
  if (is_power && !has_factor) return true;
  return HoldsRowPairs(codes, slot);
}

// Powers of two in E4M3.
constexpr int kLeastPower = -9, kGreatestPower = 8;

bool IsZero(std::span<const uint8_t> codes, size_t block) {
  const auto begin = codes.begin() + static_cast<std::ptrdiff_t>(block * kMxBlock);
  const auto end = codes.begin() + static_cast<std::ptrdiff_t>(std::min((block + 1) * kMxBlock, codes.size()));
  return std::all_of(begin, end, [](uint8_t code) { return (code & 7) == 0; });
}

// The E8M0 code that is to be 1 for all powers to fit into E4M3; nothing where none is, or one is NaN. Blocks of zeros
// count unless they are looked for, which reads all codes.
Result<std::optional<int>> CommonPower(const TensorSource& tensors, const MxMatrix& mx, bool finds_zeros) {
  constexpr int kLeastFactor = 1;       // 2^-126: smaller ones are denormal
  constexpr int kGreatestFinite = 252;  // 6 times a greater one is no FP32 number
  int least = kE8M0Largest.bits, greatest = 0;
  std::vector<uint8_t> codes(mx.columns), powers(mx.blocks());
  for (size_t row = 0; row < mx.rows; ++row) {
    OCTET_TRY(mx.ReadPowers(tensors, row, 1, powers));
    if (finds_zeros) OCTET_TRY(mx.ReadCodes(tensors, row, 1, codes));
    for (size_t block = 0; block < powers.size(); ++block) {
      if (powers[block] > kE8M0Largest.bits) return std::optional<int>();
      if (finds_zeros && IsZero(codes, block)) continue;
      least = std::min<int>(least, powers[block]);
      greatest = std::max<int>(greatest, powers[block]);
    }
  }
  const int one = greatest - kGreatestPower;
  const bool fits = one >= kLeastFactor && greatest <= kGreatestFinite && least >= one + kLeastPower;
  return fits ? std::optional(one) : std::nullopt;
}

}  // namespace

Result<std::optional<Nvfp4Matrix>> AsNvfp4(const TensorSource& tensors, const MxMatrix& mx) {
  if (mx.is_e4m3) return std::optional<Nvfp4Matrix>();
  std::optional<int> one = OCTET_TRY(CommonPower(tensors, mx, /*finds_zeros=*/false));
  if (!one) one = OCTET_TRY(CommonPower(tensors, mx, /*finds_zeros=*/true));
  if (!one) return std::optional<Nvfp4Matrix>();
  return Nvfp4Matrix{.codes = mx.codes,
                     .scales = mx.scales,
                     .rows = mx.rows,
                     .columns = mx.columns,
                     .factor = ToFloat(E8M0{static_cast<uint8_t>(*one)}),
                     .mx = mx,
                     .one = *one};
}

Result<std::optional<Nvfp4Matrix>> FindNvfp4Matrix(const TensorSource& tensors, const WeightSlot& slot) {
  if (!slot.IsMatrix() || !slot.tensor.ends_with(".weight")) return std::optional<Nvfp4Matrix>();
  const std::string module = slot.tensor.substr(0, slot.tensor.rfind('.'));
  const TensorInfo* plain = tensors.Find(slot.tensor);
  const TensorInfo* packed = tensors.Find(module + ".weight_packed");
  const TensorInfo* codes = packed != nullptr ? packed : plain;
  if (codes == nullptr || codes->dtype != DType::kU8) return std::optional<Nvfp4Matrix>();
  if (IsOfAnotherFormat(tensors, module, *codes, slot)) return std::optional<Nvfp4Matrix>();
  if (packed != nullptr && plain != nullptr) {
    return Fail(ErrorCode::kCorrupt, "tensors ", plain->name, " and ", packed->name,
                " are both there; which of them holds the weights is open");
  }
  Nvfp4Matrix matrix{
      .codes = codes->name, .scales = module + ".weight_scale", .rows = slot.tensor_rows, .columns = slot.columns};
  if (const Shape expected{matrix.rows, CeilDivide(matrix.columns, 2)}; codes->shape != expected) {
    return Fail(ErrorCode::kCorrupt, "tensor ", codes->name, " has shape ", ToText(codes->shape), ", ", matrix.rows,
                " x ", Counted(matrix.columns, "code"), " of four bits are ", ToText(expected));
  }
  OCTET_TRY(RefuseOthers(tensors, module));
  OCTET_TRY(RequireTensor(tensors, matrix.codes, matrix.scales, DType::kE4M3, Shape{matrix.rows, matrix.blocks()}));
  matrix.factor = OCTET_TRY(ReadFactor(tensors, matrix.codes, module, kWeights));
  if (HasInputScale(tensors, module))
    matrix.input_scale = OCTET_TRY(ReadFactor(tensors, matrix.codes, module, kInputs));
  matrix.input_factors = OCTET_TRY(ReadInputFactors(tensors, module, matrix.columns));
  return std::optional<Nvfp4Matrix>(std::move(matrix));
}

size_t Nvfp4Matrix::blocks() const { return CeilDivide(columns, kernels::kNvfp4Block); }

Status Nvfp4Matrix::ReadCodes(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const {
  if (mx) return mx->ReadCodes(tensors, first, count, to);
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(codes));
  const size_t row_bytes = CeilDivide(columns, size_t{2});
  for (size_t row = 0; row < count; ++row) {
    const std::span<const std::byte> from = bytes.subspan((first + row) * row_bytes, row_bytes);
    for (size_t column = 0; column < columns; ++column) {
      const auto pair = std::to_integer<uint8_t>(from[column / 2]);
      to[row * columns + column] = column % 2 == 0 ? pair & 15 : pair >> 4;
    }
  }
  return {};
}

Status Nvfp4Matrix::ReadScales(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const {
  if (mx) return ReadPowers(tensors, first, count, to);
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(scales));
  const std::span<const std::byte> from = bytes.subspan(first * blocks(), count * blocks());
  std::transform(from.begin(), from.end(), to.begin(), [](std::byte code) { return std::to_integer<uint8_t>(code); });
  const auto found = std::find_if(to.begin(), to.end(), [](uint8_t code) { return code >= 0x7F; });
  if (found == to.end()) return {};
  const auto at = static_cast<size_t>(found - to.begin());
  return Fail(ErrorCode::kCorrupt, "scale ", scales, " is ", ToFloat(E4M3{*found}), " in row ", first + at / blocks(),
              ", block ", at % blocks(), "; scales of NVFP4 are 0 to 448");
}

// A power for every block of 16; those of zeros may be beyond E4M3's and become 0.
Status Nvfp4Matrix::ReadPowers(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const {
  std::vector<uint8_t> powers(count * mx->blocks());
  OCTET_TRY(mx->ReadPowers(tensors, first, count, powers));
  for (size_t i = 0; i < to.size(); ++i) {
    const size_t row = i / blocks(), column = i % blocks() * kernels::kNvfp4Block;
    const int power = powers[row * mx->blocks() + column / kMxBlock] - one;
    to[i] = power < kLeastPower || power > kGreatestPower ? 0 : ToE4M3(std::ldexp(1.0F, power)).bits;
  }
  return {};
}

Status Nvfp4Matrix::ReadRows(const TensorSource& tensors, size_t first, size_t count, float* to) const {
  std::vector<uint8_t> stored(count * columns), of_blocks(count * blocks());
  OCTET_TRY(ReadCodes(tensors, first, count, stored));
  OCTET_TRY(ReadScales(tensors, first, count, of_blocks));
  for (size_t i = 0; i < stored.size(); ++i) {
    const size_t row = i / columns, column = i % columns;
    const float scale = ToFloat(E4M3{of_blocks[row * blocks() + column / kernels::kNvfp4Block]}) * factor;
    to[i] = ToFloat(E2M1{stored[i]}) * scale * (input_factors.empty() ? 1.0F : input_factors[column]);
  }
  return {};
}

}  // namespace octet
