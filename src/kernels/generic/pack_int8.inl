// Rounding of activations to int8, packed with the start values of their groups (layout.h).

// The greatest |x| in the order of the bits, where NaN comes after infinity.
inline float MaxMagnitude(const float* x, size_t count) {
  const Int magnitude = SetInt(0x7FFFFFFF);
  Int greatest = SetInt(0);
  for (size_t i = 0; i < count; i += kLanes)
    greatest = MaxInt(greatest, And(AsInt(LoadPadded(x, i, count)), magnitude));
  alignas(64) int lanes[kLanes];
  StoreInt(greatest, lanes);
  for (const int lane : lanes) lanes[0] = lane > lanes[0] ? lane : lanes[0];
  return __builtin_bit_cast(float, lanes[0]);
}

// The scale that takes a row's greatest magnitude to `limit`: NaN where the row holds infinity or NaN, 1 where the
// scale wouldn't be a normal number.
inline float FiniteScale(const float* x, size_t depth, float limit) {
  const float amax = MaxMagnitude(x, depth), scale = amax / limit;
  if (!(amax <= __FLT_MAX__)) return __builtin_nanf("");
  return scale < __FLT_MIN__ ? 1.0f : scale;
}

// Codes of k .. k + kLanes - 1 go to their words, their sums to `sum`.
inline void PackInt8Codes(const float* x, size_t k, size_t depth, float inverse, Int& sum, Word* words) {
  const Int codes = ToInts(Mul(LoadPadded(x, k, depth), Set(inverse)));
  sum = AddInt(sum, codes);
  StoreLow8(codes, words);
}

// For NVFP4 weights: a start value before each block.
inline void PackInt8Blocks(const KernelTable::PackArgs& args, const float* x, size_t depth, float inverse, size_t rows,
                           Word* to) {
  for (size_t k = 0; k < args.padded_depth; k += kNvfp4Block) {
    Word words[kNvfp4Block / 4];
    for (size_t i = 0; i < kNvfp4Block; i += kLanes)
      StoreLow8(ToInts(Mul(LoadPadded(x, k + i, depth), Set(inverse))), words + i / 4);
    *to = __builtin_bit_cast(float, -StoredZero(WeightFormat::kNvfp4) * SumBlock(words));
    to = ScatterBlock(words, rows, to + rows);
  }
}

inline void PackInt8Row(const KernelTable::PackArgs& args, size_t row, size_t rows, Word* to) {
  const size_t groups = IntegerGroups(args.weights, args.padded_depth), group_depth = args.padded_depth / groups;
  const float* x = args.x + row * args.stride;
  const float scale = args.row_scales[row];
  const bool is_finite = scale == scale;
  const float inverse = is_finite ? 1.0f / scale : 0.0f;
  if (args.weights == WeightFormat::kNvfp4)
    return PackInt8Blocks(args, x, is_finite ? args.depth : 0, inverse, rows, to);
  for (size_t begin = 0; begin < args.padded_depth; begin += group_depth) {
    Word* start = to;
    Int sum = SetInt(0);
    to += rows;
    ForEachVector(group_depth, [&](size_t k, auto count) {
      Word words[kLanes / 4];
      PackInt8Codes(x, begin + k, is_finite ? args.depth : 0, inverse, sum, words);
      to = ScatterWords(words, count / 4, rows, to);
    });
    *start = __builtin_bit_cast(float, -StoredZero(args.weights) * SumInts(sum));
  }
}

inline void PackActivationsInt8(const KernelTable::PackArgs& args) {
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first_row = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first_row;
    std::byte* to =
        static_cast<std::byte*>(args.packed) + Int8ActivationBytes(args.weights, first_row, args.padded_depth);
    for (size_t r = 0; r < rows; ++r) {
      args.row_scales[first_row + r] = FiniteScale(args.x + (first_row + r) * args.stride, args.depth, 127.0f);
      PackInt8Row(args, first_row + r, rows, reinterpret_cast<Word*>(to) + r);
    }
  }
}
