#include "quantize/edited_source.h"

namespace octet {
namespace {

// Factors of one axis times those that it has.
void MultiplyInto(const std::vector<float>& factors, std::vector<float>& to) {
  if (factors.empty()) return;
  if (to.empty()) to.assign(factors.size(), 1.0F);
  OCTET_CHECK(to.size() == factors.size());
  for (size_t i = 0; i < to.size(); ++i) to[i] *= factors[i];
}

}  // namespace

void EditedSource::Replace(std::string_view name, std::vector<Bf16> values) {
  replaced_[std::string(name)] = std::move(values);
}

void EditedSource::Scale(std::string_view name, const TensorFactors& factors) {
  TensorFactors& known = factors_[std::string(name)];
  MultiplyInto(factors.rows, known.rows);
  MultiplyInto(factors.columns, known.columns);
}

void EditedSource::Forget(std::string_view name) {
  replaced_.erase(std::string(name));
  factors_.erase(std::string(name));
}

Status EditedSource::ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const {
  const TensorInfo* info = OCTET_TRY(RequireRows(name, first, count));
  const uint64_t columns = RowSize(info->shape);
  if (const auto replaced = replaced_.find(name); replaced != replaced_.end()) {
    for (uint64_t i = 0; i < count * columns; ++i) out[i] = ToFloat(replaced->second[first * columns + i]);
    return {};
  }
  OCTET_TRY(source_.ReadRows(name, first, count, out));
  const auto found = factors_.find(name);
  if (found == factors_.end()) return {};
  const TensorFactors& factors = found->second;
  for (uint64_t row = 0; row < count; ++row) {
    const float of_row = factors.rows.empty() ? 1.0F : factors.rows[first + row];
    for (uint64_t column = 0; column < columns; ++column)
      out[row * columns + column] *= factors.columns.empty() ? of_row : of_row * factors.columns[column];
  }
  return {};
}

Result<std::span<const std::byte>> EditedSource::Bytes(std::string_view name) const {
  if (!replaced_.contains(name) && !factors_.contains(name)) return source_.Bytes(name);
  return Fail(ErrorCode::kUnsupported, "tensor `", name, "` was edited, the file has other bytes");
}

}  // namespace octet
