// Single columns of packed weights as floats.
#include "kernels/reference/elements.h"
#include "kernels/reference/reference.h"

namespace octet::kernels::reference {

template <WeightFormat format>
void UnpackColumn(const void* weights, const float* column_scales, size_t depth, size_t column, float* out) {
  const float scale = column_scales == nullptr ? 1 : column_scales[column];
  for (size_t k = 0; k < depth; ++k) {
    float weight = WeightAt<format>(weights, depth, column, k);
    if constexpr (format == WeightFormat::kE4M3Block)
      weight *= LoadAs<float>(weights, PackedFp8ScaleOffset(depth, column, k));
    if constexpr (Int4Group(format) != 0) weight *= ScaleAt<format>(weights, depth, column, k);
    out[k] = weight * scale;
  }
}

template void UnpackColumn<WeightFormat::kF32>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kBf16>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kE4M3>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kE4M3Block>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kNvfp4>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kInt8>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kInt4Group32>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kInt4Group64>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kInt4Group128>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kInt4Zeros32>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kInt4Zeros64>(const void*, const float*, size_t, size_t, float*);
template void UnpackColumn<WeightFormat::kInt4Zeros128>(const void*, const float*, size_t, size_t, float*);

}  // namespace octet::kernels::reference
