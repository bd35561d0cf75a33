// Rounding of activations to NVFP4: E2M1 codes, an E4M3 scale for each block of 16, and one scale for the row; packed
// as twice the codes' values with start values and scales (layout.h).

// The nearest of 0, 0.5, 1, 1.5, 2, 3, 4, 6 for x >= 0, ties to the even code.
inline Float ToE2M1Value(Float x) {
  const Float halves = Mul(Round(Add(x, x)), Set(0.5f)), twos = Mul(Round(Mul(x, Set(0.5f))), Set(2.0f));
  const Float above = Select(Less(x, Set(4.0f)), Round(x), Min(twos, Set(6.0f)));
  return Select(Less(x, Set(2.0f)), halves, above);
}

// The E2M1 numbers nearest to the magnitudes of x / scale. A scale below the floats' range is 0, and so is 0 / 0.
inline Float E2M1Magnitudes(Float x, Float scale) {
  const Float magnitude = Abs(x);
  return Select(Less(Zero(), magnitude), ToE2M1Value(Div(magnitude, scale)), Zero());
}

// The E4M3 scale of a block of which `greatest` has the greatest magnitudes, in every lane.
inline Float Nvfp4BlockScale(Float greatest, float row_scale) {
  const Int scale = ToE4M3AsBf16(Set(MaxLanes(greatest) / 6.0f / row_scale));
  return Max(AsFloat(ShiftLeft<16>(scale)), Set(0x1p-9f));
}

// Words of the codes of k .. k + 15, and their scale.
inline float PackNvfp4Block(const float* x, size_t k, size_t depth, float row_scale, Word* words) {
  Float greatest = Zero();
  for (size_t i = 0; i < kNvfp4Block; i += kLanes) greatest = Max(Abs(LoadPadded(x, k + i, depth)), greatest);
  const Float block_scale = Nvfp4BlockScale(greatest, row_scale), scale = Mul(block_scale, Set(row_scale));
  for (size_t i = 0; i < kNvfp4Block; i += kLanes) {
    const Float values = LoadPadded(x, k + i, depth), magnitude = E2M1Magnitudes(values, scale);
    StoreLow8(ToInts(CopySign(Add(magnitude, magnitude), values)), words + i / 4);
  }
  return MaxLanes(block_scale);
}

// NaN where the row holds infinity or NaN.
inline float Nvfp4RowScale(const KernelTable::PackArgs& args, size_t row) {
  const float own = FiniteScale(args.x + row * args.stride, args.depth, 6.0f * 448.0f);
  return args.static_scale == 0 || own != own ? own : args.static_scale;
}

inline void PackNvfp4Row(const KernelTable::PackArgs& args, size_t row, size_t rows, Word* to) {
  const float* x = args.x + row * args.stride;
  const float row_scale = args.row_scales[row] = Nvfp4RowScale(args, row);
  const bool is_finite = row_scale == row_scale;
  for (size_t k = 0; k < args.padded_depth; k += kNvfp4Block) {
    Word words[kNvfp4Block / 4];
    const float scale = PackNvfp4Block(x, k, is_finite ? args.depth : 0, is_finite ? row_scale : 1.0f, words);
    to[0] = __builtin_bit_cast(float, -StoredZero(WeightFormat::kNvfp4) * SumBlock(words));
    to[rows] = scale;
    to = ScatterBlock(words, rows, to + 2 * rows);
  }
}

inline void PackActivationsNvfp4(const KernelTable::PackArgs& args) {
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first_row = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first_row;
    std::byte* to = static_cast<std::byte*>(args.packed) +
                    CodedActivationBytes(ActivationFormat::kNvfp4, args.weights, first_row, args.padded_depth);
    for (size_t r = 0; r < rows; ++r) PackNvfp4Row(args, first_row + r, rows, reinterpret_cast<Word*>(to) + r);
  }
}
