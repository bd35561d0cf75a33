// Micro-kernels of INT8, INT4 and NVFP4 weights with int8 activations and of NVFP4 ones with both, by vpmaddubsw: it
// adds two products of unsigned and signed bytes in 16 bits, where nothing may saturate. All 32 columns go in one pass,
// two rows at a time. The lanes of a tile hold integers here, as bits.

[[gnu::always_inline]] inline Int BroadcastWord(const std::byte* from) { return AsInt(Broadcast(from)); }
[[gnu::always_inline]] inline Int WidenPairs(Int pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

// sum += |w| * (a with w's sign): 128 * 127 * 2 stays within 16 bits. Volatile as in products_avx2.inl.
[[gnu::always_inline]] inline void AddInt8(Float& sum, Int weights, Int magnitude, Int activation) {
  Int products;
  asm volatile("vpsignb %2, %4, %1\n\tvpmaddubsw %1, %3, %1\n\tvpmaddwd %5, %1, %1\n\tvpaddd %1, %0, %0"
               : "+x"(sum), "=&x"(products)
               : "x"(weights), "x"(magnitude), "x"(activation), "x"(_mm256_set1_epi16(1)));
}

template <size_t half, size_t rows, size_t... r>
[[gnu::always_inline]] inline void AddInt8Half(Tile<rows>& tile, const std::byte* activations, const std::byte* weights,
                                               std::index_sequence<r...>) {
  const Int flip = _mm256_set1_epi8(static_cast<char>(0x80));
  const Int first = _mm256_xor_si256(LoadWords(weights), flip), first_magnitude = _mm256_abs_epi8(first);
  (AddInt8(tile.sum[r][2 * half], first, first_magnitude, BroadcastWord(activations + 4 * r)), ...);
  const Int second = _mm256_xor_si256(LoadWords(weights + 32), flip), second_magnitude = _mm256_abs_epi8(second);
  (AddInt8(tile.sum[r][2 * half + 1], second, second_magnitude, BroadcastWord(activations + 4 * r)), ...);
}

template <size_t rows, size_t... i>
[[gnu::always_inline]] inline void StoreConverted(const Tile<rows>& tile, float* sums, std::index_sequence<i...>) {
  (Store(_mm256_cvtepi32_ps(AsInt(tile.sum[i / 4][i % 4])), sums + 8 * i), ...);
}

// Codes are signed here, so the start values aren't needed.
template <size_t block_rows, size_t rows>
[[gnu::always_inline]] inline void DotInt8(const std::byte* activations, const std::byte* weights, size_t depth,
                                           float* sums) {
  const auto each_row = std::make_index_sequence<rows>();
  Tile<rows> tile;
  ClearTile(tile, std::make_index_sequence<rows * 4>());
  for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes) {
    activations += 4 * block_rows;
    PrefetchStream<Packed<block_rows>>(weights);
    PrefetchStream<Packed<block_rows>>(weights + 64);
    AddInt8Half<0>(tile, activations, weights, each_row);
    AddInt8Half<1>(tile, activations, weights + 64, each_row);
  }
  StoreConverted(tile, sums, std::make_index_sequence<rows * 4>());
}

// In 16 bits; eight of these sums reach 8 * 2 * 15 * 127 = 30480.
[[gnu::always_inline]] inline void AddInt4(Float& sum, Int weights, Int activation) {
  Int products;
  asm volatile("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
               : "+x"(sum), "=&x"(products)
               : "x"(weights), "x"(activation));
}
[[gnu::always_inline]] inline void AddInt4Row(Float& first, Float& second, Int w0, Int w1,
                                              const std::byte* activation) {
  const Int value = BroadcastWord(activation);
  AddInt4(first, w0, value);
  AddInt4(second, w1, value);
}

template <size_t half, size_t block_rows, size_t rows, size_t... r>
[[gnu::always_inline]] inline void AddInt4Half(Tile<rows>& tile, const std::byte* activations, const std::byte* weights,
                                               std::index_sequence<r...>) {
  const Int mask = _mm256_set1_epi8(15);
  const Int first = LoadWords(weights), second = LoadWords(weights + 32);
  const Int low0 = And(first, mask), low1 = And(second, mask);
  (AddInt4Row(tile.sum[r][2 * half], tile.sum[r][2 * half + 1], low0, low1, activations + 4 * r), ...);
  const Int high0 = And(_mm256_srli_epi16(first, 4), mask), high1 = And(_mm256_srli_epi16(second, 4), mask);
  (AddInt4Row(tile.sum[r][2 * half], tile.sum[r][2 * half + 1], high0, high1, activations + 4 * (block_rows + r)), ...);
}

// partial [rows][32] += the 16-bit sums.
template <size_t rows, size_t... i>
[[gnu::always_inline]] inline void DrainInt4(const Tile<rows>& tile, std::byte* partial, std::index_sequence<i...>) {
  (StoreInt(AddInt(LoadWords(partial + 32 * i), WidenPairs(AsInt(tile.sum[i / 4][i % 4]))),
            reinterpret_cast<int*>(partial + 32 * i)),
   ...);
}
// Where there are zero points, codes aren't shifted by 128 here: a sum starts at the start value * zero / 128.
template <WeightFormat format, size_t... i>
[[gnu::always_inline]] inline void StartPartial(const std::byte* starts, [[maybe_unused]] const std::byte* zeros,
                                                std::byte* partial, std::index_sequence<i...>) {
  const auto start = [&](size_t at) {
    const Int value = BroadcastWord(starts + at / 4 * 4);
    if constexpr (!HasZeros(format)) return value;
    return _mm256_mullo_epi32(_mm256_srai_epi32(value, 7), Load8(zeros + at % 4 * 8));
  };
  (StoreInt(start(i), reinterpret_cast<int*>(partial + 32 * i)), ...);
}
template <size_t... i>
[[gnu::always_inline]] inline void AddScaled(const std::byte* partial, const std::byte* scales, float* sums,
                                             std::index_sequence<i...>) {
  (Store(Fma(ToFloats(LoadWords(partial + 32 * i)), LoadHalves(scales + i % 4 * 16), Load(sums + 8 * i)), sums + 8 * i),
   ...);
}

// The float sums and those of a group wait in memory, the latter at `partial`: registers hold the 16-bit ones. Without
// the barriers the compiler would take the waiting ones into registers as well, and spill those.
template <WeightFormat format, size_t block_rows, size_t rows>
[[gnu::always_inline]] inline void DotInt4(const std::byte* activations, const std::byte* weights, size_t depth,
                                           std::byte* partial, float* sums) {
  const auto each_row = std::make_index_sequence<rows>();
  const auto each_sum = std::make_index_sequence<rows * 4>();
  for (size_t k = 0; k < depth; k += Int4Group(format)) {
    const std::byte* behind = weights + CodeBytes(format);
    StartPartial<format>(activations, behind + 2 * kPanelColumns, partial, each_sum);
    asm volatile("" : : : "memory");
    activations += 4 * block_rows;
    for (size_t begin = 0; begin < Int4Group(format); begin += 32) {
      Tile<rows> tile;
      ClearTile(tile, each_sum);
      for (size_t step = 0; step < 4; ++step, weights += kRecordBytes, activations += 8 * block_rows) {
        PrefetchStream<Packed<block_rows>>(weights);
        PrefetchStream<Packed<block_rows>>(weights + 64);
        AddInt4Half<0, block_rows>(tile, activations, weights, each_row);
        AddInt4Half<1, block_rows>(tile, activations, weights + 64, each_row);
      }
      DrainInt4(tile, partial, each_sum);
      asm volatile("" : : : "memory");
    }
    PrefetchStream<Packed<block_rows>>(behind);
    AddScaled(partial, behind, sums, each_sum);
    asm volatile("" : : : "memory");
    weights = behind + RecordBytes(format) - CodeBytes(format);
  }
}

// In 16 bits; the four of these sums in a block reach 4 * 2 * 24 * 127 = 24384.
template <size_t half, size_t block_rows, size_t rows, size_t... r>
[[gnu::always_inline]] inline void AddNvfp4Half(Tile<rows>& tile, const std::byte* activations,
                                                const std::byte* weights, std::index_sequence<r...>) {
  const Int mask = _mm256_set1_epi8(15);
  const Int values = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kNvfp4Codes.values)));
  const Int first = LoadWords(weights), second = LoadWords(weights + 32);
  const Int low0 = _mm256_shuffle_epi8(values, And(first, mask)), low1 = _mm256_shuffle_epi8(values, And(second, mask));
  (AddInt4Row(tile.sum[r][2 * half], tile.sum[r][2 * half + 1], low0, low1, activations + 4 * r), ...);
  const Int high0 = _mm256_shuffle_epi8(values, And(_mm256_srli_epi16(first, 4), mask)),
            high1 = _mm256_shuffle_epi8(values, And(_mm256_srli_epi16(second, 4), mask));
  (AddInt4Row(tile.sum[r][2 * half], tile.sum[r][2 * half + 1], high0, high1, activations + 4 * (block_rows + r)), ...);
}

// sums [rows][32] += (16-bit sums + start values) * scales, which are a 256th of E4M3's, and the rows' scales behind
// the start values of NVFP4 activations.
template <ActivationFormat read, size_t block_rows, size_t rows, size_t... i>
[[gnu::always_inline]] inline void AddScaledBlocks(const Tile<rows>& tile, const std::byte* starts,
                                                   const std::byte* scales, float* sums, std::index_sequence<i...>) {
  const auto counts = [&](size_t at) {
    return ToFloats(AddInt(BroadcastWord(starts + at / 4 * 4), WidenPairs(AsInt(tile.sum[at / 4][at % 4]))));
  };
  const auto scale = [&](size_t at) {
    const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(scales + at % 4 * 8));
    const Float of_weights = _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(codes), 7));
    if constexpr (read != ActivationFormat::kNvfp4) return of_weights;
    return Mul(of_weights, Broadcast(starts + 4 * block_rows + at / 4 * 4));
  };
  (Store(Fma(counts(i), scale(i), Load(sums + 8 * i)), sums + 8 * i), ...);
}

template <ActivationFormat read, size_t block_rows, size_t rows>
[[gnu::always_inline]] inline void DotNvfp4(const std::byte* activations, const std::byte* weights, size_t depth,
                                            float* sums) {
  const auto each_row = std::make_index_sequence<rows>();
  const auto each_sum = std::make_index_sequence<rows * 4>();
  for (size_t k = 0; k < depth; k += kNvfp4Block) {
    const std::byte *record = weights + k / kNvfp4Record * RecordBytes(WeightFormat::kNvfp4), *starts = activations;
    const size_t block = k % kNvfp4Record / kNvfp4Block;
    Tile<rows> tile;
    ClearTile(tile, each_sum);
    activations += 4 * GroupWords(read) * block_rows;
    for (size_t step = 2 * block; step < 2 * block + 2; ++step, activations += 8 * block_rows) {
      PrefetchStream<Packed<block_rows>>(record + step * kRecordBytes);
      PrefetchStream<Packed<block_rows>>(record + step * kRecordBytes + 64);
      AddNvfp4Half<0, block_rows>(tile, activations, record + step * kRecordBytes, each_row);
      AddNvfp4Half<1, block_rows>(tile, activations, record + step * kRecordBytes + 64, each_row);
    }
    const std::byte* scales = record + CodeBytes(WeightFormat::kNvfp4) + block * kPanelColumns;
    PrefetchStream<Packed<block_rows>>(scales);
    AddScaledBlocks<read, block_rows>(tile, starts, scales, sums, each_sum);
    asm volatile("" : : : "memory");
  }
  // A 256th, and codes are twice their values; a power of two leaves sums as exact.
  const Float unit = Set(read == ActivationFormat::kNvfp4 ? 64 : 128);
  for (size_t i = 0; i < rows * kPanelColumns; i += kLanes) Store(Mul(Load(sums + i), unit), sums + i);
}

// sums [rows][32] = activations x weights; as many words behind them are overwritten.
template <WeightFormat format, size_t rows, size_t panels, ActivationFormat read>
[[gnu::noinline]] void IntegerProducts(const std::byte* activations, const std::byte* weights, size_t, size_t depth,
                                       float* sums) {
  static_assert(panels == 1);
  InParts<rows, 2>([&](auto count, size_t first) {
    float* part = sums + first * kPanelColumns;
    if constexpr (format == WeightFormat::kInt8) {
      DotInt8<rows, count()>(activations + 4 * first, weights, depth, part);
    } else {
      for (size_t i = 0; i < count() * kPanelColumns; i += kLanes) Store(Zero(), part + i);
      if constexpr (format == WeightFormat::kNvfp4) {
        DotNvfp4<read, rows, count()>(activations + 4 * first, weights, depth, part);
      } else {
        auto* partial = reinterpret_cast<std::byte*>(sums + rows * kPanelColumns);
        DotInt4<format, rows, count()>(activations + 4 * first, weights, depth, partial, part);
      }
    }
  });
}
