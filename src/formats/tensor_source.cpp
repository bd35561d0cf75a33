#include "formats/tensor_source.h"

#include <algorithm>

namespace octet {

const TensorInfo* TensorSource::Find(std::string_view name) const {
  const std::vector<TensorInfo>& all = tensors();
  const auto found = std::lower_bound(
      all.begin(), all.end(), name, [](const TensorInfo& info, std::string_view wanted) { return info.name < wanted; });
  return found == all.end() || found->name != name ? nullptr : &*found;
}

Result<const TensorInfo*> TensorSource::Require(std::string_view name) const {
  const TensorInfo* info = Find(name);
  if (info == nullptr) return Fail(ErrorCode::kNotFound, "tensor `", name, "` is missing");
  return info;
}

Result<const TensorInfo*> TensorSource::RequireRows(std::string_view name, uint64_t first, uint64_t count) const {
  const TensorInfo* info = OCTET_TRY(Require(name));
  const uint64_t rows = RowCount(info->shape);
  if (first > rows || count > rows - first) {
    return Fail(ErrorCode::kInvalidArgument, "tensor `", name, "`: rows ", first, " and ", count,
                " more were asked for, it has ", rows);
  }
  return info;
}

}  // namespace octet
