// Packing of activations into the blocks of layout.h: a row at a time, each word to its place in the block.

// visit(row, rows of its block, where the block starts) for each row of the called blocks.
template <ActivationFormat format, class Visit>
inline void ForEachPackedRow(const KernelTable::PackArgs& args, Visit&& visit) {
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first_row = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first_row;
    std::byte* to = static_cast<std::byte*>(args.packed) + ActivationBytes(format, first_row, args.padded_depth);
    for (size_t r = 0; r < rows; ++r) visit(first_row + r, rows, reinterpret_cast<Word*>(to) + r);
  }
}

// The words of elements that follow each other go to every rows-th word; returns where the next go.
inline Word* ScatterWords(const Word* words, size_t count, size_t rows, Word* to) {
  for (size_t i = 0; i < count; ++i, to += rows) *to = words[i];
  return to;
}

// visit(k, elements) for the vectors of a row; the number is a constant but for the last vector, so that a loop over it
// is unrolled.
template <class Visit>
inline void ForEachVector(size_t depth, Visit&& visit) {
  size_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) visit(k, std::integral_constant<size_t, kLanes>());
  if (k < depth) visit(k, depth - k);
}

inline Float LoadPadded(const float* x, size_t k, size_t depth) {
  if (k + kLanes <= depth) return Load(x + k);
  return k < depth ? LoadPart(x + k, depth - k) : Zero();
}

inline void PackActivationsF32(const KernelTable::PackArgs& args) {
  ForEachPackedRow<ActivationFormat::kF32>(args, [&](size_t row, size_t rows, Word* to) {
    Word words[kLanes];
    ForEachVector(args.padded_depth, [&](size_t k, auto count) {
      Store(LoadPadded(args.x + row * args.stride, k, args.depth), reinterpret_cast<float*>(words));
      to = ScatterWords(words, count, rows, to);
    });
  });
}

// Packs BF16 codes: code(row, k, x) gives those of a vector of values from k on in the lower halves of its lanes.
template <class Code>
inline void PackPairs(const KernelTable::PackArgs& args, Code&& code) {
  ForEachPackedRow<ActivationFormat::kBf16>(args, [&](size_t row, size_t rows, Word* to) {
    Word words[kLanes / 2];
    ForEachVector(args.padded_depth, [&](size_t k, auto count) {
      StoreLow16(code(row, k, LoadPadded(args.x + row * args.stride, k, args.depth)), words);
      to = ScatterWords(words, count / 2, rows, to);
    });
  });
}

inline void PackActivationsBf16(const KernelTable::PackArgs& args) {
  PackPairs(args, [](size_t, size_t, Float x) { return ToBf16Bits(x); });
}

inline float MaxAbs(const float* x, size_t count) {
  Float greatest = Zero();
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) greatest = Max(Abs(Load(x + i)), greatest);
  if (i < count) greatest = Max(Abs(LoadPart(x + i, count - i)), greatest);
  return MaxLanes(greatest);
}

// The value of the nearest E4M3 code, ties to even, saturated to 448, as BF16 bits; NaN stays.
inline Int ToE4M3AsBf16(Float x) {
  const Int bits = AsInt(x), magnitude = And(bits, SetInt(0x7FFFFFFF));
  // Normal codes: 3 bits of mantissa stay. Subnormal ones are multiples of 2^-9: adding 2^14 leaves them as the last
  // bits.
  const Int odd = And(ShiftRight<20>(magnitude), SetInt(1));
  const Int normal = And(AddInt(magnitude, AddInt(odd, SetInt(0x7FFFF))), SetInt(static_cast<int>(0xFFF00000)));
  const Int subnormal = AsInt(Sub(Add(AsFloat(magnitude), Set(16384.0f)), Set(16384.0f)));
  const Int value =
      SelectInt(LessInt(magnitude, SetInt(0x3C800000)), subnormal, MinUnsigned(normal, SetInt(0x43E00000)));
  const Int finite = SelectInt(LessInt(SetInt(0x7F800000), magnitude), SetInt(0x7FC00000), value);
  return Or(ShiftRight<16>(finite), And(ShiftRight<16>(bits), SetInt(0x8000)));
}

// The E4M3 code nearest to each lane as a signed byte, its value as ToE4M3AsBf16 has it. Not for NaN.
inline Int ToE4M3Codes(Float x) {
  const Int bits = AsInt(x), magnitude = And(bits, SetInt(0x7FFFFFFF));
  const Int odd = And(ShiftRight<20>(magnitude), SetInt(1));
  // 120 is the difference of the exponents' offsets.
  const Int normal = SubInt(ShiftRight<20>(AddInt(magnitude, AddInt(odd, SetInt(0x7FFFF)))), SetInt(120 << 3));
  const Int subnormal = SubInt(AsInt(Add(AsFloat(magnitude), Set(16384.0f))), AsInt(Set(16384.0f)));
  const Int code = SelectInt(LessInt(magnitude, SetInt(0x3C800000)), subnormal, MinUnsigned(normal, SetInt(0x7E)));
  return SubInt(code, And(ShiftRight<24>(bits), SetInt(0x80)));
}

inline void FindRowScales(const KernelTable::PackArgs& args) {
  const size_t end_row = RowBlockBegin(args.rows, args.end_block);
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < end_row; ++row) {
    const float scale = MaxAbs(args.x + row * args.stride, args.depth) / 448.0f;
    args.row_scales[row] = scale == 0 ? 1.0f : scale;
  }
}

inline void PackActivationsE4M3(const KernelTable::PackArgs& args) {
  FindRowScales(args);
  PackPairs(args, [&](size_t row, size_t, Float x) { return ToE4M3AsBf16(Div(x, Set(args.row_scales[row]))); });
}

inline void FindBlockScales(const KernelTable::PackArgs& args) {
  const size_t end_row = RowBlockBegin(args.rows, args.end_block);
  float* scales = args.block_scales + RowBlockBegin(args.rows, args.first_block) * Fp8Blocks(args.depth);
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < end_row; ++row) {
    for (size_t k = 0; k < args.depth; k += kFp8Block) {
      const size_t count = args.depth - k < kFp8Block ? args.depth - k : kFp8Block;
      const float scale = MaxAbs(args.x + row * args.stride + k, count) / 448.0f;
      *scales++ = scale < __FLT_MIN__ ? 1.0f : scale;
    }
  }
}

// Of a vector of values from k on: blocks begin where vectors do. Behind the depth there may be no block.
inline Int ToBlockE4M3AsBf16(const KernelTable::PackArgs& args, size_t row, size_t k, Float x) {
  if (k >= args.depth) return AsInt(Zero());
  return ToE4M3AsBf16(Div(x, Set(args.block_scales[row * Fp8Blocks(args.depth) + k / kFp8Block])));
}

inline void PackActivationsE4M3Blocks(const KernelTable::PackArgs& args) {
  FindBlockScales(args);
  PackPairs(args, [&](size_t row, size_t k, Float x) { return ToBlockE4M3AsBf16(args, row, k, x); });
}
