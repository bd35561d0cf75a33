// Calls of the micro-kernels that multiply floats. For BF16, E4M3 and NVFP4 the bits are those of vdpbf16ps, for which
// denormals are zeros: so is the mode of the processor meanwhile.

template <WeightFormat format, template <size_t> class Operand>
inline void Multiply(size_t rows, size_t panels, const std::byte* activations, const std::byte* weights,
                     size_t panel_bytes, size_t depth, float* sums) {
  if (panels == 1) {
    WithRows<MostInPlace(format)>(rows, [&](auto count) {
      AddProducts<format, Operand, count(), 1>(activations, weights, panel_bytes, depth, sums);
    });
  } else if constexpr (kPairedRows == 0) {
    __builtin_unreachable();
  } else if (rows == 1) {
    AddProducts<format, Operand, 1, 2>(activations, weights, panel_bytes, depth, sums);
  } else {
    AddProducts<format, Operand, kPairedRows, 2>(activations, weights, panel_bytes, depth, sums);
  }
}

// FP32 as it is packed.
template <WeightFormat format>
inline void MultiplyPacked(size_t rows, size_t panels, const std::byte* activations, const std::byte* weights,
                           size_t panel_bytes, size_t depth, float* sums) {
  static_assert(format == WeightFormat::kF32);
  Multiply<format, Packed>(rows, panels, activations, weights, panel_bytes, depth, sums);
}

template <WeightFormat format>
inline void MultiplyWidened(size_t rows, size_t panels, const std::byte* activations, const std::byte* weights,
                            size_t panel_bytes, size_t depth, float* sums) {
  const DenormalsAreZero mode;
  Multiply<format, Planes>(rows, panels, activations, weights, panel_bytes, depth, sums);
}

// The caller sets the mode.
inline void MultiplyDecoded(size_t rows, const std::byte* activations, const float* weights, size_t depth,
                            float* sums) {
  WithRows(rows, [&](auto count) { AddDecodedProducts<count()>(activations, weights, depth, sums); });
}

// Attention's products: one panel of the cache.
template <CacheFormat format>
inline void MultiplyScratch(size_t rows, const std::byte* activations, const CacheMatrix& weights, size_t depth,
                            float* sums) {
  if constexpr (format == CacheFormat::kF32) {
    MultiplyFloats<WeightFormat::kF32>(rows, activations, weights, depth, sums);
  } else {
    const DenormalsAreZero mode;
    if constexpr (format == CacheFormat::kBf16)
      MultiplyFloats<WeightFormat::kBf16>(rows, activations, weights, depth, sums);
    else
      MultiplyCodes<format>(rows, activations, weights, depth, sums);
  }
}
