#include "quantize/tensor_layout.h"

#include <algorithm>

#include "base/checked.h"
#include "base/counted.h"
#include "formats/packed_integers.h"

namespace octet {
namespace {

struct Size {
  uint64_t rows = 0, columns = 0;
};

// Names behind the module's.
struct Names {
  std::string codes, scales;
};

TensorNumber Number(const TensorPrecision& tensor, const char* suffix, bool of_inputs, bool is_reciprocal) {
  const Shape shape = tensor.is_modelopt() ? Shape{} : Shape{1};
  return {{Cat(ModuleOf(tensor.name), suffix), DType::kF32, shape}, of_inputs, is_reciprocal};
}

TensorLayout LayoutOfE4M3(const TensorPrecision& tensor, const Names& names, const Size& size) {
  TensorLayout layout{.codes = {names.codes, DType::kE4M3, tensor.shape}};
  if (*tensor.encoding == Encoding::kE4M3Tensor) {
    layout.numbers.push_back(Number(tensor, ".weight_scale", false, false));
    return layout;
  }
  if (*tensor.encoding == Encoding::kMxfp8) {
    layout.scales = {names.scales, DType::kU8, {size.rows, tensor.groups()}};
    return layout;
  }
  const uint64_t rows = CeilDivide(size.rows, tensor.row_block());
  const bool is_rows = *tensor.encoding == Encoding::kE4M3;
  layout.scales = {names.scales, DType::kF32,
                   is_rows && tensor.is_modelopt() ? Shape{rows} : Shape{rows, tensor.groups()}};
  return layout;
}

TensorLayout LayoutOfNvfp4(const TensorPrecision& tensor, const Names& names, const Size& size) {
  const bool is_factor = tensor.is_modelopt();
  TensorLayout layout{.codes = {names.codes, DType::kU8, {size.rows, CeilDivide(size.columns, 2)}},
                      .scales = TensorSpec{names.scales, DType::kE4M3, {size.rows, tensor.groups()}}};
  layout.numbers.push_back(Number(tensor, is_factor ? ".weight_scale_2" : ".weight_global_scale", false, !is_factor));
  return layout;
}

TensorLayout LayoutOfIntegers(const TensorPrecision& tensor, const Names& names, const Size& size) {
  const bool is_int8 = *tensor.encoding == Encoding::kInt8;
  if (tensor.is_modelopt()) {
    const Shape codes = is_int8 ? Shape{size.rows, size.columns} : Shape{size.rows / 2, size.columns};
    const Shape scales = is_int8 ? Shape{size.rows} : Shape{size.rows, tensor.groups()};
    return {.codes = {names.codes, is_int8 ? DType::kI8 : DType::kU8, codes},
            .scales = TensorSpec{names.scales, DType::kF32, scales}};
  }
  if (tensor.takes_int8_inputs) {
    return {.codes = {names.codes, DType::kI8, tensor.shape},
            .scales = TensorSpec{names.scales, DType::kBf16, {size.rows, 1}}};
  }
  const Shape words = {size.rows, PackedWords(size.columns, is_int8 ? 8 : 4)};
  return {.codes = {names.codes, DType::kI32, words},
          .scales = TensorSpec{names.scales, DType::kBf16, {size.rows, tensor.groups()}},
          .shape = TensorSpec{Cat(ModuleOf(tensor.name), ".weight_shape"), DType::kI64, {2}}};
}

TensorLayout WithoutInputs(const TensorPrecision& tensor) {
  const std::string module(ModuleOf(tensor.name));
  const bool is_plain = tensor.is_modelopt() || IsE4M3(*tensor.encoding) || tensor.takes_int8_inputs;
  const Names names{is_plain ? tensor.name : module + ".weight_packed", module + ".weight_scale"};
  const Size size{RowCount(tensor.shape), RowSize(tensor.shape)};
  if (*tensor.encoding == Encoding::kNvfp4) return LayoutOfNvfp4(tensor, names, size);
  return IsE4M3(*tensor.encoding) ? LayoutOfE4M3(tensor, names, size) : LayoutOfIntegers(tensor, names, size);
}

}  // namespace

bool PairsRows(const TensorPrecision& tensor) { return tensor.is_modelopt() && tensor.encoding == Encoding::kInt4; }

TensorLayout LayoutOf(const TensorPrecision& tensor) {
  TensorLayout layout = WithoutInputs(tensor);
  if (!tensor.rounds_inputs) return layout;
  const bool is_reciprocal = !tensor.is_modelopt() && *tensor.encoding == Encoding::kNvfp4;
  layout.numbers.push_back(Number(tensor, is_reciprocal ? ".input_global_scale" : ".input_scale", true, is_reciprocal));
  return layout;
}

namespace {

// Rows of so few inputs fill one word in 4 bits and in 8.
bool HidesPackedBits(const TensorPrecision& tensor) {
  const bool is_integer = tensor.encoding == Encoding::kInt4 || tensor.encoding == Encoding::kInt8;
  const uint64_t columns = RowSize(tensor.shape);
  return is_integer && !tensor.is_modelopt() && PackedWords(columns, 4) == PackedWords(columns, 8);
}

bool HasOddRow(const TensorPrecision& tensor) { return PairsRows(tensor) && RowCount(tensor.shape) % 2 != 0; }

// Where a model has integers of 4 bits and of 8, its readers can't tell which such a matrix is.
Status CheckPackedBits(const PrecisionMap& map) {
  const auto has = [&](Encoding encoding) {
    return std::any_of(map.tensors.begin(), map.tensors.end(), [&](const TensorPrecision& tensor) {
      return tensor.encoding == encoding && !tensor.is_modelopt();
    });
  };
  if (!has(Encoding::kInt4) || !has(Encoding::kInt8)) return {};
  for (const TensorPrecision& tensor : map.tensors) {
    if (!HidesPackedBits(tensor)) continue;
    const uint64_t columns = RowSize(tensor.shape);
    return Fail(ErrorCode::kUnsupported, "tensor `", tensor.name, "` has ", columns,
                columns == 1 ? " input" : " inputs",
                ", which fill one word in 4 bits and in 8: no reader can tell INT4 "
                "from INT8 there; keep it with --keep, or take one of the two for all");
  }
  return {};
}

}  // namespace

bool IsReadable(const TensorPrecision& tensor) {
  return !tensor.is_ragged() && !HasOddRow(tensor) && !HidesPackedBits(tensor);
}

Status CheckLayouts(const PrecisionMap& map) {
  OCTET_TRY(CheckPackedBits(map));
  for (const TensorPrecision& tensor : map.tensors) {
    if (!tensor.quantised() || !tensor.is_modelopt()) continue;
    if (*tensor.encoding == Encoding::kE4M3Blocks) {
      return Fail(ErrorCode::kUnsupported, "tensor `", tensor.name,
                  "`: FP8 in blocks has no form that readers of ModelOpt agree on; leave --dialect out, or take fp8 or "
                  "fp8-static");
    }
    if (tensor.takes_e4m3_inputs) {
      return Fail(ErrorCode::kUnsupported, "tensor `", tensor.name,
                  "`: ModelOpt's W4A8 has a scale of inputs for the whole text, this one has each token's own; leave "
                  "--dialect out, or take int4");
    }
    if (tensor.takes_int8_inputs) {
      return Fail(
          ErrorCode::kUnsupported, "tensor `", tensor.name,
          "`: ModelOpt's SmoothQuant has factors beside its codes and a scale of inputs for the whole text, this "
          "one has neither; leave --dialect out, or take int8");
    }
    if (HasOddRow(tensor)) {
      return Fail(ErrorCode::kUnsupported, "tensor `", tensor.name, "` has ", Counted(RowCount(tensor.shape), "row"),
                  "; ModelOpt's INT4 stores two together; leave --dialect out, or keep it with --keep");
    }
  }
  return {};
}

}  // namespace octet
