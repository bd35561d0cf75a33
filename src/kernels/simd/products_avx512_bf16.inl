// Micro-kernels with vdpbf16ps: the activations' BF16 pairs are broadcast as they are packed, E4M3 and NVFP4 codes
// become BF16 pairs in registers. FP32 weights take FMAs as in simd/products_avx512.inl, which this file stands beside.

[[gnu::always_inline]] inline void DotPairs(Float& sum, Int weights, Float activation) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(activation));
}

template <size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotRow(Float (&sums)[tiles], const Int (&weights)[tiles],
                                          const std::byte* activation, std::index_sequence<t...>) {
  const Float pair = Broadcast(activation);
  (DotPairs(sums[t], weights[t], pair), ...);
}

template <size_t kRow, size_t rows, size_t tiles, size_t... r>
[[gnu::always_inline]] inline void DotRows(Tile<rows, tiles>& tile, const Int (&weights)[tiles],
                                           const std::byte* activations, std::index_sequence<r...>) {
  (DotRow(tile.sum[r], weights, activations + kRow * r, std::make_index_sequence<tiles>()), ...);
}

template <class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotBf16(Tile<rows, tiles>& tile, const std::byte* activations,
                                           const std::byte* weights, size_t panel_bytes, size_t depth,
                                           std::index_sequence<t...> each_tile, std::ptrdiff_t ahead = 0) {
  for (size_t k = 0; k < depth; k += 2, weights += kRecordBytes, activations += Operand::kStep) {
    PrefetchRecord<Operand>(weights, panel_bytes, each_tile, ahead);
    const Int pairs[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
    DotRows<Operand::kRow>(tile, pairs, activations, std::make_index_sequence<rows>());
  }
}

template <class Decoder, class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotBytes(Tile<rows, tiles>& tile, const std::byte* activations,
                                            const std::byte* weights, size_t panel_bytes, size_t depth,
                                            std::index_sequence<t...> each_tile, std::ptrdiff_t ahead = 0) {
  const Decoder decoder;
  for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes, activations += 2 * Operand::kStep) {
    Int first[tiles], second[tiles];
    PrefetchRecord<Operand>(weights, panel_bytes, each_tile, ahead);
    (decoder.Decode(weights + t / 2 * panel_bytes + t % 2 * 64, first[t], second[t]), ...);
    DotRows<Operand::kRow>(tile, first, activations, std::make_index_sequence<rows>());
    DotRows<Operand::kRow>(tile, second, activations + Operand::kStep, std::make_index_sequence<rows>());
  }
}

template <class Operand, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotNvfp4(Tile<rows, tiles>& totals, const std::byte* activations,
                                            const std::byte* weights, size_t panel_bytes, size_t depth,
                                            std::index_sequence<t...> each_tile) {
  ChainNvfp4<Operand, Operand::kStep>(
      totals, activations, weights, panel_bytes, depth,
      [](Tile<rows, tiles> & chains, const Int(&pairs)[tiles], const std::byte* from) __attribute__((always_inline)) {
        DotRows<Operand::kRow>(chains, pairs, from, std::make_index_sequence<rows>());
      },
      each_tile);
}

// `depth` positions of a panel of NVFP4 as packed BF16 without their scales, and these [blocks][32].
inline void DecodeNvfp4Pairs(const std::byte* weights, size_t depth, std::byte* to, float* scales) {
  const Int values = _mm512_load_si512(kNvfp4.values);
  for (size_t k = 0; k < depth; k += kNvfp4Record, weights += RecordBytes(WeightFormat::kNvfp4)) {
    PrefetchNvfp4<Packed<1>>(weights, 0, std::make_index_sequence<2>());
    for (size_t step = 0; step < kNvfp4Record / 8; ++step) {
      UseNvfp4Step<2>(
          values, weights + step * kRecordBytes, 0,
          [&](const Int(&pairs)[2], size_t) __attribute__((always_inline)) {
            StoreWords(pairs[0], to);
            StoreWords(pairs[1], to + 64);
            to += kRecordBytes;
          },
          std::make_index_sequence<2>());
    }
    for (size_t column = 0; column < 2 * kPanelColumns; column += 16, scales += 16)
      Store(LoadBlockScales(weights + CodeBytes(WeightFormat::kNvfp4) + column), scales);
  }
}

// `depth` positions of a panel of E4M3 as packed BF16.
inline void DecodePairs(const std::byte* weights, size_t depth, std::byte* to) {
  const E4M3Decoder decoder;
  for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes, to += 2 * kRecordBytes) {
    for (size_t tile = 0; tile < kRecordBytes; tile += 64) {
      Int first, second;
      PrefetchStream<Packed<1>>(weights + tile);
      decoder.Decode(weights + tile, first, second);
      StoreWords(first, to + tile);
      StoreWords(second, to + kRecordBytes + tile);
    }
  }
}

// What DecodeIntegers has written, as packed BF16: codes less their zero points have at most eight bits.
inline void PackDecoded(const float* decoded, size_t depth, std::byte* to) {
  for (size_t k = 0; k < depth; k += 2, decoded += 2 * kPanelColumns, to += kRecordBytes) {
    for (size_t c = 0; c < kPanelColumns; c += kLanes)
      StoreWords(JoinPair(Load(decoded + c), Load(decoded + kPanelColumns + c)), to + 4 * c);
  }
}

// Packed BF16 without a branch, times activations of blocks of `block_rows` rows.
template <size_t block_rows, size_t rows, size_t... step>
[[gnu::always_inline]] inline void DotSteps(Tile<rows, 2>& tile, const std::byte* activations, const std::byte* pairs,
                                            std::index_sequence<step...>) {
  const auto dot = [&](const std::byte* words, const std::byte* record) __attribute__((always_inline)) {
    const Int both[2] = {LoadWords(record), LoadWords(record + 64)};
    DotRows<4>(tile, both, words, std::make_index_sequence<rows>());
  };
  (dot(activations + 4 * block_rows * step, pairs + kRecordBytes * step), ...);
}

template <size_t block_rows, size_t group, size_t rows>
[[gnu::always_inline]] inline void DotGroups(Tile<rows, 2>& totals, const std::byte* activations,
                                             const std::byte* pairs, const float* scales, size_t depth) {
  constexpr size_t kStep = 16;
  for (size_t k = 0; k < depth; k += group, scales += kPanelColumns) {
    Tile<rows, 2> chains;
    ClearTile(chains, std::make_index_sequence<rows * 2>());
    for (size_t i = 0; i < group; i += kStep, pairs += 2 * kStep * kPanelColumns, activations += 2 * kStep * block_rows)
      DotSteps<block_rows>(chains, activations, pairs, std::make_index_sequence<kStep / 2>());
    const Float both[2] = {Load(scales), Load(scales + 16)};
    JoinChains(totals, chains, both, std::make_index_sequence<rows>());
  }
}

// A block of E4M3 in blocks, as packed BF16: chains from zero, which join the sums [rows][32].
template <size_t rows>
[[gnu::noinline]] void DotProductsOfBlock(const std::byte* activations, const std::byte* pairs, size_t depth,
                                          const BlockFactors& factors, float* sums) {
  const auto each_sum = std::make_index_sequence<rows * 2>();
  Tile<rows, 2> tile;
  ClearTile(tile, each_sum);
  DotBf16<Packed<rows>>(tile, activations, pairs, 0, depth, std::make_index_sequence<2>());
  const DenormalsAreZero mode;
  CloseTile(tile, factors, sums, each_sum);
}

// sums [rows][32] += activations x pairs [depth / 2][32], a chain from zero for each group, times its scales
// [groups][32]. As with integers, four rows' sums stay in registers beside their chains.
template <size_t rows, size_t group>
[[gnu::noinline]] void DotProductsOfGroups(const std::byte* activations, const std::byte* pairs, const float* scales,
                                           size_t depth, float* sums) {
  const DenormalsAreZero mode;
  InParts<rows, 4>([&](auto count, size_t first) __attribute__((always_inline)) {
    const auto each_sum = std::make_index_sequence<count() * 2>();
    Tile<count(), 2> totals;
    LoadTile(totals, sums + first * kPanelColumns, each_sum);
    DotGroups<rows, group>(totals, activations + 4 * first, pairs, scales, depth);
    StoreTile(totals, sums + first * kPanelColumns, each_sum);
  });
}

// sums [panels][rows][32] += activations x weights; `ahead` is that of a matrix of the cache.
template <WeightFormat format, template <size_t> class Operand, size_t rows, size_t panels, class Decoder = E4M3Decoder>
[[gnu::noinline]] void DotProducts(const std::byte* activations, const std::byte* weights, size_t panel_bytes,
                                   size_t depth, float* sums, std::ptrdiff_t ahead = 0) {
  constexpr size_t kTiles = 2 * panels;
  const auto each_sum = std::make_index_sequence<rows * kTiles>();
  const auto each_tile = std::make_index_sequence<kTiles>();
  Tile<rows, kTiles> tile;
  LoadTile(tile, sums, each_sum);
  if constexpr (format == WeightFormat::kBf16)
    DotBf16<Operand<rows>>(tile, activations, weights, panel_bytes, depth, each_tile, ahead);
  if constexpr (format == WeightFormat::kE4M3)
    DotBytes<Decoder, Operand<rows>>(tile, activations, weights, panel_bytes, depth, each_tile, ahead);
  if constexpr (format == WeightFormat::kNvfp4) {
    const DenormalsAreZero mode;
    DotNvfp4<Operand<rows>>(tile, activations, weights, panel_bytes, depth, each_tile);
  }
  StoreTile(tile, sums, each_sum);
}
