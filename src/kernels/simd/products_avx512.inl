// Micro-kernels with FP32 FMAs: `rows` rows of activations times one panel, or two side by side, added to sums in
// memory. BF16, E4M3, NVFP4 and INT8 weights become floats in registers; activations are floats. See
// generic/operands.inl for their layouts.

template <size_t... t>
[[gnu::always_inline]] inline void LoadRecord(Float (&weights)[sizeof...(t)], const std::byte* record,
                                              size_t panel_bytes, std::index_sequence<t...>) {
  ((weights[t] = Load(reinterpret_cast<const float*>(record + t / 2 * panel_bytes + t % 2 * 64))), ...);
}

template <class Operand, size_t rows, size_t tiles>
[[gnu::always_inline]] inline void AddF32(Tile<rows, tiles>& tile, const std::byte* activations,
                                          const std::byte* weights, size_t panel_bytes, size_t depth,
                                          std::ptrdiff_t ahead) {
  for (size_t k = 0; k < depth; ++k, weights += kRecordBytes, activations += Operand::kStep) {
    Float record[tiles];
    PrefetchRecord<Operand>(weights, panel_bytes, std::make_index_sequence<tiles>(), ahead);
    LoadRecord(record, weights, panel_bytes, std::make_index_sequence<tiles>());
    MultiplyAddRows<Operand::kRow>(tile, record, activations, std::make_index_sequence<rows>());
  }
}

// The two steps of a pair, odd element first.
template <class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void AddPair(Tile<rows, tiles>& tile, const std::byte* activations,
                                           const Int (&pairs)[tiles], std::index_sequence<t...>) {
  const Float odd[tiles] = {OddOf(pairs[t])...};
  MultiplyAddRows<Operand::kRow>(tile, odd, activations + Operand::kOdd, std::make_index_sequence<rows>());
  const Float even[tiles] = {EvenOf(pairs[t])...};
  MultiplyAddRows<Operand::kRow>(tile, even, activations, std::make_index_sequence<rows>());
}

template <class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void AddBf16(Tile<rows, tiles>& tile, const std::byte* activations,
                                           const std::byte* weights, size_t panel_bytes, size_t depth,
                                           std::index_sequence<t...> each_tile, std::ptrdiff_t ahead) {
  for (size_t k = 0; k < depth; k += 2, weights += kRecordBytes, activations += Operand::kPair) {
    PrefetchRecord<Operand>(weights, panel_bytes, each_tile, ahead);
    const Int pairs[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
    AddPair<Operand>(tile, activations, pairs, each_tile);
  }
}

template <class Decoder, class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void AddBytes(Tile<rows, tiles>& tile, const std::byte* activations,
                                            const std::byte* weights, size_t panel_bytes, size_t depth,
                                            std::index_sequence<t...> each_tile, std::ptrdiff_t ahead) {
  const Decoder decoder;
  for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes, activations += 2 * Operand::kPair) {
    Int first[tiles], second[tiles];
    PrefetchRecord<Operand>(weights, panel_bytes, each_tile, ahead);
    (decoder.Decode(weights + t / 2 * panel_bytes + t % 2 * 64, first[t], second[t]), ...);
    AddPair<Operand>(tile, activations, first, each_tile);
    AddPair<Operand>(tile, activations + Operand::kPair, second, each_tile);
  }
}

template <class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void AddNvfp4(Tile<rows, tiles>& totals, const std::byte* activations,
                                            const std::byte* weights, size_t panel_bytes, size_t depth,
                                            std::index_sequence<t...> each_tile) {
  ChainNvfp4<Operand, Operand::kPair>(
      totals, activations, weights, panel_bytes, depth,
      [&](Tile<rows, tiles> & chains, const Int(&pairs)[tiles], const std::byte* from)
          __attribute__((always_inline)) { AddPair<Operand>(chains, from, pairs, each_tile); },
      each_tile);
}

// Elements k and k + 1 of the four in a record of INT8, odd element first.
template <int k, class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void AddInt8Pair(Tile<rows, tiles>& tile, const std::byte* activations,
                                               const Int (&words)[tiles], std::index_sequence<t...>) {
  const Float odd[tiles] = {Int8Value<k + 1>(words[t])...};
  MultiplyAddRows<Operand::kRow>(tile, odd, activations + Operand::kOdd, std::make_index_sequence<rows>());
  const Float even[tiles] = {Int8Value<k>(words[t])...};
  MultiplyAddRows<Operand::kRow>(tile, even, activations, std::make_index_sequence<rows>());
}
template <class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void AddInt8(Tile<rows, tiles>& tile, const std::byte* activations,
                                           const std::byte* weights, size_t panel_bytes, size_t depth,
                                           std::index_sequence<t...> each_tile) {
  for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes, activations += 2 * Operand::kPair) {
    PrefetchRecord<Operand>(weights, panel_bytes, each_tile);
    const Int words[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
    AddInt8Pair<0, Operand>(tile, activations, words, each_tile);
    AddInt8Pair<2, Operand>(tile, activations + Operand::kPair, words, each_tile);
  }
}

// Weights that DecodePanel has written: [depth / 2][odd, even][32] floats.
template <class Operand, size_t rows, size_t tiles>
[[gnu::always_inline]] inline void AddDecoded(Tile<rows, tiles>& tile, const std::byte* activations,
                                              const std::byte* weights, size_t depth) {
  for (size_t k = 0; k < depth; k += 2, weights += 2 * kRecordBytes, activations += Operand::kPair) {
    Float record[tiles];
    LoadRecord(record, weights, 0, std::make_index_sequence<tiles>());
    MultiplyAddRows<Operand::kRow>(tile, record, activations + Operand::kOdd, std::make_index_sequence<rows>());
    LoadRecord(record, weights + kRecordBytes, 0, std::make_index_sequence<tiles>());
    MultiplyAddRows<Operand::kRow>(tile, record, activations, std::make_index_sequence<rows>());
  }
}

// sums [panels][rows][32] += activations x weights; `ahead` is that of a matrix of the cache.
template <WeightFormat format, template <size_t> class Operand, size_t rows, size_t panels, class Decoder = E4M3Decoder>
[[gnu::noinline]] void AddProducts(const std::byte* activations, const std::byte* weights, size_t panel_bytes,
                                   size_t depth, float* sums, std::ptrdiff_t ahead = 0) {
  constexpr size_t kTiles = 2 * panels;
  const auto each_sum = std::make_index_sequence<rows * kTiles>();
  const auto each_tile = std::make_index_sequence<kTiles>();
  Tile<rows, kTiles> tile;
  LoadTile(tile, sums, each_sum);
  if constexpr (format == WeightFormat::kF32)
    AddF32<Operand<rows>>(tile, activations, weights, panel_bytes, depth, ahead);
  if constexpr (format == WeightFormat::kBf16)
    AddBf16<Operand<rows>>(tile, activations, weights, panel_bytes, depth, each_tile, ahead);
  if constexpr (format == WeightFormat::kE4M3)
    AddBytes<Decoder, Operand<rows>>(tile, activations, weights, panel_bytes, depth, each_tile, ahead);
  if constexpr (format == WeightFormat::kNvfp4)
    AddNvfp4<Operand<rows>>(tile, activations, weights, panel_bytes, depth, each_tile);
  if constexpr (format == WeightFormat::kInt8)
    AddInt8<Operand<rows>>(tile, activations, weights, panel_bytes, depth, each_tile);
  StoreTile(tile, sums, each_sum);
}

template <size_t rows>
[[gnu::noinline]] void AddDecodedProducts(const std::byte* activations, const float* weights, size_t depth,
                                          float* sums) {
  const auto each_sum = std::make_index_sequence<rows * 2>();
  Tile<rows, 2> tile;
  LoadTile(tile, sums, each_sum);
  AddDecoded<Planes<rows>>(tile, activations, reinterpret_cast<const std::byte*>(weights), depth);
  StoreTile(tile, sums, each_sum);
}

// The same of one block of E4M3 in blocks: chains from zero, which join the sums.
template <size_t rows>
[[gnu::noinline]] void AddDecodedProductsOfBlock(const std::byte* activations, const float* weights, size_t depth,
                                                 const BlockFactors& factors, float* sums) {
  const auto each_sum = std::make_index_sequence<rows * 2>();
  Tile<rows, 2> tile;
  ClearTile(tile, each_sum);
  AddDecoded<Planes<rows>>(tile, activations, reinterpret_cast<const std::byte*>(weights), depth);
  CloseTile(tile, factors, sums, each_sum);
}

// sums [rows][32] += activations x weights, a chain from zero for each group, times its scales [groups][32]. Four rows'
// sums stay in registers beside their chains.
template <size_t rows, size_t group>
[[gnu::noinline]] void AddDecodedGroups(const std::byte* activations, const float* weights, const float* scales,
                                        size_t depth, float* sums) {
  InParts<rows, 4>([&](auto count, size_t first) __attribute__((always_inline)) {
    const auto each_sum = std::make_index_sequence<count() * 2>();
    Tile<count(), 2> totals;
    LoadTile(totals, sums + first * kPanelColumns, each_sum);
    for (size_t k = 0; k < depth; k += group) {
      Tile<count(), 2> chains;
      ClearTile(chains, each_sum);
      AddDecoded<Planes<rows>>(chains, activations + 4 * first + 2 * k * rows,
                               reinterpret_cast<const std::byte*>(weights + k * kPanelColumns), group);
      const float* of_group = scales + k / group * kPanelColumns;
      const Float both[2] = {Load(of_group), Load(of_group + 16)};
      JoinChains(totals, chains, both, std::make_index_sequence<count()>());
    }
    StoreTile(totals, sums + first * kPanelColumns, each_sum);
  });
}

[[gnu::always_inline]] inline void StoreDecoded(Int pairs, float* to) {
  Store(OddOf(pairs), to);
  Store(EvenOf(pairs), to + 32);
}

// `depth` positions of a panel of NVFP4 without their scales, and these [blocks][32].
inline void DecodeNvfp4Panel(const std::byte* weights, size_t depth, float* to, float* scales) {
  const Int values = _mm512_load_si512(kNvfp4.values);
  for (size_t k = 0; k < depth; k += kNvfp4Record, weights += RecordBytes(WeightFormat::kNvfp4)) {
    for (size_t step = 0; step < kNvfp4Record / 8; ++step) {
      UseNvfp4Step<2>(
          values, weights + step * kRecordBytes, 0,
          [&](const Int(&pairs)[2], size_t) __attribute__((always_inline)) {
            StoreDecoded(pairs[0], to);
            StoreDecoded(pairs[1], to + 16);
            to += 2 * kPanelColumns;
          },
          std::make_index_sequence<2>());
    }
    for (size_t column = 0; column < 2 * kPanelColumns; column += 16, scales += 16)
      Store(LoadBlockScales(weights + CodeBytes(WeightFormat::kNvfp4) + column), scales);
  }
}

// `depth` positions of a panel as floats for AddDecodedProducts.
template <WeightFormat format>
void DecodePanel(const std::byte* weights, size_t depth, float* to) {
  if constexpr (format == WeightFormat::kBf16) {
    for (size_t k = 0; k < depth; k += 2, weights += kRecordBytes, to += 64) {
      StoreDecoded(LoadWords(weights), to);
      StoreDecoded(LoadWords(weights + 64), to + 16);
    }
  } else {
    const E4M3Decoder decoder;
    for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes, to += 128) {
      for (size_t tile = 0; tile < 2; ++tile) {
        Int first, second;
        decoder.Decode(weights + 64 * tile, first, second);
        StoreDecoded(first, to + 16 * tile);
        StoreDecoded(second, to + 64 + 16 * tile);
      }
    }
  }
}

// Attention's products: one panel of the cache. Of F32 and BF16:
template <WeightFormat format>
inline void MultiplyFloats(size_t rows, const std::byte* activations, const CacheMatrix& weights, size_t depth,
                           float* sums) {
  WithRows(rows, [&](auto count) {
    AddProducts<format, RowMajor, count(), 1>(activations, weights.data, 0, depth, sums, weights.ahead);
  });
}

// Of codes:
template <CacheFormat format>
inline void MultiplyCodes(size_t rows, const std::byte* activations, const CacheMatrix& weights, size_t depth,
                          float* sums) {
  WithRows(rows, [&](auto count) {
    AddProducts<WeightFormat::kE4M3, RowMajor, count(), 1, CacheDecoder<format>>(activations, weights.data, 0, depth,
                                                                                 sums, weights.ahead);
  });
}
