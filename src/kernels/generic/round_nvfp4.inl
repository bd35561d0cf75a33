// Rounding of activations to NVFP4: E2M1 codes, an E4M3 scale for each block of 16, and one scale for the row.

// The nearest of 0, 0.5, 1, 1.5, 2, 3, 4, 6 for x >= 0, ties to the even code.
inline Float ToE2M1Value(Float x) {
  const Float halves = Mul(Round(Add(x, x)), Set(0.5f)), twos = Mul(Round(Mul(x, Set(0.5f))), Set(2.0f));
  const Float above = Select(Less(x, Set(4.0f)), Round(x), Min(twos, Set(6.0f)));
  return Select(Less(x, Set(2.0f)), halves, above);
}

inline void RoundBlockToNvfp4(const float* x, size_t count, float row_scale, float* rounded) {
  const Float by_amax = AsFloat(ShiftLeft<16>(ToE4M3AsBf16(Set(MaxAbs(x, count) / 6.0f / row_scale))));
  const Float block_scale = Max(by_amax, Set(0x1p-9f)), scale = Mul(block_scale, Set(row_scale));
  for (size_t i = 0; i < count; i += kLanes) {
    const size_t lanes = count - i < kLanes ? count - i : kLanes;
    const Float values = LoadPart(x + i, lanes);
    StorePart(CopySign(Mul(ToE2M1Value(Div(Abs(values), scale)), block_scale), values), rounded + i, lanes);
  }
}

inline float RoundToNvfp4(const float* x, size_t count, float* rounded) {
  const float amax = MaxMagnitude(x, count), scale = amax / (6.0f * 448.0f);
  if (!(amax <= __FLT_MAX__)) {
    for (size_t i = 0; i < count; ++i) rounded[i] = 0;
    return __builtin_nanf("");
  }
  const float row_scale = scale < __FLT_MIN__ ? 1.0f : scale;
  for (size_t i = 0; i < count; i += kNvfp4Block)
    RoundBlockToNvfp4(x + i, count - i < kNvfp4Block ? count - i : kNvfp4Block, row_scale, rounded + i);
  return row_scale;
}
