// Micro-kernels with FP32 FMAs over eight lanes: sixteen registers hold three rows of a panel's 32 columns, so a block
// of rows is taken in parts of up to three. BF16 weights become floats in registers, E4M3 and NVFP4 weights once for
// all rows (DecodePanel).

template <size_t rows>
struct Tile {
  Float sum[rows][4];
};

// Volatile keeps the order as written: with sixteen registers g++ would load too far ahead and spill.
[[gnu::always_inline]] inline void MultiplyAdd(Float& sum, Float weights, Float activation) {
  asm volatile("vfmadd231ps %1, %2, %0" : "+x"(sum) : "x"(weights), "x"(activation));
}

[[gnu::always_inline]] inline Float Broadcast(const std::byte* from) {
  Float out;
  asm volatile("vbroadcastss %1, %0" : "=x"(out) : "m"(*reinterpret_cast<const Word*>(from)));
  return out;
}

template <size_t rows, size_t... i>
[[gnu::always_inline]] inline void LoadTile(Tile<rows>& tile, const float* sums, std::index_sequence<i...>) {
  ((tile.sum[i / 4][i % 4] = Load(sums + 8 * i)), ...);
}
template <size_t rows, size_t... i>
[[gnu::always_inline]] inline void StoreTile(const Tile<rows>& tile, float* sums, std::index_sequence<i...>) {
  (Store(tile.sum[i / 4][i % 4], sums + 8 * i), ...);
}

[[gnu::always_inline]] inline Float RowFactor(const BlockFactors& factors, size_t row) {
  return Set(factors.of_rows == nullptr ? 1.0f : factors.of_rows[row * factors.stride]);
}

template <size_t rows, size_t... i>
[[gnu::always_inline]] inline void ClearTile(Tile<rows>& tile, std::index_sequence<i...>) {
  ((tile.sum[i / 4][i % 4] = Zero()), ...);
}

// The chains of a block join the sums of the rows from `first` on.
template <size_t rows, size_t... i>
[[gnu::always_inline]] inline void CloseTile(const Tile<rows>& tile, const BlockFactors& factors, size_t first,
                                             float* sums, std::index_sequence<i...>) {
  (Store(Fma(tile.sum[i / 4][i % 4], Mul(Load(factors.scales + i % 4 * 8), RowFactor(factors, first + i / 4)),
             Load(sums + 8 * i)),
         sums + 8 * i),
   ...);
}

// sums += chains * scales [32].
template <size_t rows, size_t... i>
[[gnu::always_inline]] inline void JoinChains(const Tile<rows>& chains, const float* scales, float* sums,
                                              std::index_sequence<i...>) {
  (Store(Fma(chains.sum[i / 4][i % 4], Load(scales + i % 4 * 8), Load(sums + 8 * i)), sums + 8 * i), ...);
}

[[gnu::always_inline]] inline void MultiplyAddRow(Float& first, Float& second, Float w0, Float w1,
                                                  const std::byte* activation) {
  const Float value = Broadcast(activation);
  MultiplyAdd(first, w0, value);
  MultiplyAdd(second, w1, value);
}

// One k of all rows, half of the columns: columns 0 .. 15 are sums 0 and 1. With all four weights at once, the twelve
// sums and a broadcast would need seventeen registers.
template <size_t half, size_t kRow, size_t rows, size_t... r>
[[gnu::always_inline]] inline void MultiplyAddRows(Tile<rows>& tile, Float w0, Float w1, const std::byte* activations,
                                                   std::index_sequence<r...>) {
  (MultiplyAddRow(tile.sum[r][2 * half], tile.sum[r][2 * half + 1], w0, w1, activations + kRow * r), ...);
}

[[gnu::always_inline]] inline Float LoadFloats(const std::byte* from) {
  return Load(reinterpret_cast<const float*>(from));
}

// One k: 32 floats of weights.
template <size_t kRow, size_t rows>
[[gnu::always_inline]] inline void AddRecord(Tile<rows>& tile, const std::byte* weights, const std::byte* activations) {
  const auto each_row = std::make_index_sequence<rows>();
  MultiplyAddRows<0, kRow>(tile, LoadFloats(weights), LoadFloats(weights + 32), activations, each_row);
  MultiplyAddRows<1, kRow>(tile, LoadFloats(weights + 64), LoadFloats(weights + 96), activations, each_row);
}

// A pair of elements in two steps, odd element first, half of the columns.
template <size_t half, class Operand, size_t rows>
[[gnu::always_inline]] inline void AddPair(Tile<rows>& tile, const std::byte* weights, const std::byte* activations) {
  const auto each_row = std::make_index_sequence<rows>();
  const Int first = LoadWords(weights + 64 * half), second = LoadWords(weights + 64 * half + 32);
  MultiplyAddRows<half, Operand::kRow>(tile, OddOf(first), OddOf(second), activations + Operand::kOdd, each_row);
  MultiplyAddRows<half, Operand::kRow>(tile, EvenOf(first), EvenOf(second), activations, each_row);
}

template <class Operand, size_t rows>
[[gnu::always_inline]] inline void AddF32(Tile<rows>& tile, const std::byte* activations, const std::byte* weights,
                                          size_t depth) {
  for (size_t k = 0; k < depth; ++k, weights += kRecordBytes, activations += Operand::kStep) {
    AddRecord<Operand::kRow>(tile, weights, activations);
  }
}

template <class Operand, size_t rows>
[[gnu::always_inline]] inline void AddBf16(Tile<rows>& tile, const std::byte* activations, const std::byte* weights,
                                           size_t depth) {
  for (size_t k = 0; k < depth; k += 2, weights += kRecordBytes, activations += Operand::kPair) {
    AddPair<0, Operand>(tile, weights, activations);
    AddPair<1, Operand>(tile, weights, activations);
  }
}

// Weights that DecodePanel has written: [depth / 2][odd, even][32] floats.
template <class Operand, size_t rows>
[[gnu::always_inline]] inline void AddDecoded(Tile<rows>& tile, const std::byte* activations, const std::byte* weights,
                                              size_t depth) {
  for (size_t k = 0; k < depth; k += 2, weights += 2 * kRecordBytes, activations += Operand::kPair) {
    AddRecord<Operand::kRow>(tile, weights, activations + Operand::kOdd);
    AddRecord<Operand::kRow>(tile, weights + kRecordBytes, activations);
  }
}

// sums [rows][32] += activations x weights; one panel at a time.
template <WeightFormat format, template <size_t> class Operand, size_t rows, size_t panels>
[[gnu::noinline]] void AddProducts(const std::byte* activations, const std::byte* weights, size_t, size_t depth,
                                   float* sums) {
  static_assert(panels == 1 && (format == WeightFormat::kF32 || format == WeightFormat::kBf16));
  // Widening BF16 takes registers for the pairs and the mask.
  InParts<rows, format == WeightFormat::kF32 ? 3 : 2>([&](auto count, size_t first) {
    using Layout = Operand<rows>;
    const auto each_sum = std::make_index_sequence<count() * 4>();
    Tile<count()> tile;
    LoadTile(tile, sums + first * kPanelColumns, each_sum);
    const std::byte* from = activations + first * Layout::kRow;
    if constexpr (format == WeightFormat::kF32) {
      AddF32<Layout>(tile, from, weights, depth);
    } else {
      AddBf16<Layout>(tile, from, weights, depth);
    }
    StoreTile(tile, sums + first * kPanelColumns, each_sum);
  });
}

template <size_t rows, template <size_t> class Operand = Planes>
[[gnu::noinline]] void AddDecodedProducts(const std::byte* activations, const float* weights, size_t depth,
                                          float* sums) {
  InParts<rows, 3>([&](auto count, size_t first) {
    using Layout = Operand<rows>;
    const auto each_sum = std::make_index_sequence<count() * 4>();
    Tile<count()> tile;
    LoadTile(tile, sums + first * kPanelColumns, each_sum);
    AddDecoded<Layout>(tile, activations + first * Layout::kRow, reinterpret_cast<const std::byte*>(weights), depth);
    StoreTile(tile, sums + first * kPanelColumns, each_sum);
  });
}

// The same of one block of E4M3 in blocks: chains from zero, which join the sums.
template <size_t rows>
[[gnu::noinline]] void AddDecodedProductsOfBlock(const std::byte* activations, const float* weights, size_t depth,
                                                 const BlockFactors& factors, float* sums) {
  InParts<rows, 3>([&](auto count, size_t first) {
    using Layout = Planes<rows>;
    const auto each_sum = std::make_index_sequence<count() * 4>();
    Tile<count()> tile;
    ClearTile(tile, each_sum);
    AddDecoded<Layout>(tile, activations + first * Layout::kRow, reinterpret_cast<const std::byte*>(weights), depth);
    CloseTile(tile, factors, first, sums + first * kPanelColumns, each_sum);
  });
}

// sums [rows][32] += activations x weights, a chain from zero for each group, times its scales [groups][32].
template <size_t rows, size_t group>
[[gnu::noinline]] void AddDecodedGroups(const std::byte* activations, const float* weights, const float* scales,
                                        size_t depth, float* sums) {
  InParts<rows, 3>([&](auto count, size_t first) {
    const auto each_sum = std::make_index_sequence<count() * 4>();
    float* const of_part = sums + first * kPanelColumns;
    for (size_t k = 0; k < depth; k += group) {
      Tile<count()> chains;
      ClearTile(chains, each_sum);
      AddDecoded<Planes<rows>>(chains, activations + 4 * first + 2 * k * rows,
                               reinterpret_cast<const std::byte*>(weights + k * kPanelColumns), group);
      asm volatile("" : : : "memory");  // or sums are loaded before the chains end, into registers that these need
      JoinChains(chains, scales + k / group * kPanelColumns, of_part, each_sum);
    }
  });
}

// Eight E4M3 codes in the upper bytes of 16-bit words, as floats: sign and magnitude moved to FP16's places are the
// value divided by 256, subnormals included. NaN codes would become 480, so they are put back.
struct E4M3Decoder {
  [[gnu::always_inline]] static Float Decode(__m128i words) {
    const __m128i sign = _mm_and_si128(words, _mm_set1_epi16(static_cast<short>(0x8000)));
    const __m128i magnitude = _mm_srli_epi16(_mm_slli_epi16(words, 1), 2);
    const __m128i nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x3F80));
    const __m128i half = _mm_or_si128(_mm_or_si128(sign, magnitude), _mm_and_si128(nan, _mm_set1_epi16(0x7E00)));
    return Mul(_mm256_cvtph_ps(half), Set(256.0f));
  }
};
// The same of the cache's INT8 codes, a sign over a magnitude.
struct Int8Decoder {
  [[gnu::always_inline]] static Float Decode(__m128i words) {
    const Int wide = _mm256_cvtepu16_epi32(words);
    const Float magnitude = _mm256_cvtepi32_ps(And(ShiftRight<8>(wide), SetInt(0x7F)));
    return AsFloat(Or(AsInt(magnitude), ShiftLeft<16>(And(wide, SetInt(0x8000)))));
  }
};

// One lane of 16 codes (layout.h) holds four columns: the even and odd elements of two pairs.
template <class Decoder>
[[gnu::always_inline]] inline void DecodeLane(const std::byte* lane, float* to) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lane));
  const Float even = Decoder::Decode(_mm_slli_epi16(codes, 8));
  const Float odd = Decoder::Decode(_mm_and_si128(codes, _mm_set1_epi16(static_cast<short>(0xFF00))));
  _mm_storeu_ps(to, _mm256_castps256_ps128(odd));
  _mm_storeu_ps(to + 32, _mm256_castps256_ps128(even));
  _mm_storeu_ps(to + 64, _mm256_extractf128_ps(odd, 1));
  _mm_storeu_ps(to + 96, _mm256_extractf128_ps(even, 1));
}

// Element `k` of a step of eight (layout.h), eight columns: kNvfp4Unit times the value of its code.
template <int k>
[[gnu::always_inline]] inline Float DecodeNvfp4(Int step) {
  constexpr int kShift = 16 * (k % 2) + 4 * (k / 2);
  const Float magnitude =
      _mm256_permutevar8x32_ps(_mm256_setr_ps(0, 128, 256, 384, 512, 768, 1024, 1536), ShiftRight<kShift>(step));
  const Int sign = And(ShiftLeft<28 - kShift>(step), SetInt(static_cast<int>(0x80000000)));
  return AsFloat(Or(AsInt(magnitude), sign));
}

template <size_t... k>
[[gnu::always_inline]] inline void DecodeNvfp4Step(Int step, float* to, std::index_sequence<k...>) {
  (Store(DecodeNvfp4<int(k)>(step), to + k / 2 * 64 + (k % 2 == 0 ? 32 : 0)), ...);
}

// `depth` positions of a panel of NVFP4 without their scales, and these [blocks][32], divided by kNvfp4Unit: so are the
// bits of E4M3 at FP16's places, subnormal ones included.
inline void DecodeNvfp4Panel(const std::byte* weights, size_t depth, float* to, float* scales) {
  for (size_t k = 0; k < depth; k += kNvfp4Record, weights += RecordBytes(WeightFormat::kNvfp4)) {
    for (size_t step = 0; step < kNvfp4Record / 8; ++step, to += 8 * kPanelColumns) {
      for (size_t c = 0; c < kPanelColumns; c += kLanes)
        DecodeNvfp4Step(LoadWords(weights + step * kRecordBytes + 4 * c), to + c, std::make_index_sequence<8>());
    }
    for (size_t column = 0; column < 2 * kPanelColumns; column += kLanes, scales += kLanes) {
      const auto* from = reinterpret_cast<const __m128i*>(weights + CodeBytes(WeightFormat::kNvfp4) + column);
      Store(_mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64(from)), 7)), scales);
    }
  }
}

// `depth` positions of a panel of codes as floats for AddDecodedProducts.
template <class Decoder>
inline void DecodeBytes(const std::byte* weights, size_t depth, float* to) {
  for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes, to += 128) {
    for (size_t lane = 0; lane < 8; ++lane) DecodeLane<Decoder>(weights + 16 * lane, to + 4 * lane);
  }
}

// The same of weights.
template <WeightFormat format>
void DecodePanel(const std::byte* weights, size_t depth, float* to) {
  if constexpr (format == WeightFormat::kE4M3) return DecodeBytes<E4M3Decoder>(weights, depth, to);
  for (size_t k = 0; k < depth; k += 2, weights += kRecordBytes, to += 64) {
    for (size_t c = 0; c < kPanelColumns; c += kLanes) {
      const Int pairs = LoadWords(weights + 4 * c);
      Store(OddOf(pairs), to + c);
      Store(EvenOf(pairs), to + 32 + c);
    }
  }
}

// Attention's products: one panel of the cache. Of F32 and BF16:
template <WeightFormat format>
inline void MultiplyFloats(size_t rows, const std::byte* activations, const CacheMatrix& weights, size_t depth,
                           float* sums) {
  PrefetchSuccessor(weights, PanelBytes(format, depth));
  WithRows(rows,
           [&](auto count) { AddProducts<format, RowMajor, count(), 1>(activations, weights.data, 0, depth, sums); });
}

// Of codes, 16 KB of floats at a time:
template <CacheFormat format>
inline void MultiplyCodes(size_t rows, const std::byte* activations, const CacheMatrix& weights, size_t depth,
                          float* sums) {
  PrefetchSuccessor(weights, PanelBytes(WeightFormat::kE4M3, depth));
  using Decoder = std::conditional_t<format == CacheFormat::kInt8, Int8Decoder, E4M3Decoder>;
  constexpr size_t kPart = 128;
  alignas(64) float decoded[kPart * kPanelColumns];
  for (size_t k = 0; k < depth; k += kPart) {
    const size_t part = depth - k < kPart ? depth - k : kPart;
    DecodeBytes<Decoder>(weights.data + k / 4 * kRecordBytes, part, decoded);
    WithRows(rows,
             [&](auto count) { AddDecodedProducts<count(), RowMajor>(activations + 4 * k, decoded, part, sums); });
  }
}
