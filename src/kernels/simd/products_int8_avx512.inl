// Micro-kernels of INT8 and INT4 weights with int8 activations, by vpdpbusd: it takes four unsigned bytes of a column,
// the codes as they are stored, and four signed ones of a row, broadcast from memory. What the codes have too much
// stands in the start values (layout.h). The lanes of a tile hold integers here until they are
// converted, as bits.

inline void DotBytes(Float& sum, Int weights, const std::byte* four) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(*reinterpret_cast<const Word*>(four)));
}

template <size_t tiles, size_t... t>
inline void StartRow(Float (&sums)[tiles], const std::byte* start, std::index_sequence<t...>) {
  ((sums[t] = Broadcast(start)), ...);
}
template <size_t rows, size_t tiles, size_t... r>
inline void StartRows(Tile<rows, tiles>& tile, const std::byte* starts, std::index_sequence<r...>) {
  (StartRow(tile.sum[r], starts + 4 * r, std::make_index_sequence<tiles>()), ...);
}

template <size_t tiles, size_t... t>
inline void DotBytesRow(Float (&sums)[tiles], const Int (&weights)[tiles], const std::byte* four,
                        std::index_sequence<t...>) {
  (DotBytes(sums[t], weights[t], four), ...);
}
template <size_t rows, size_t tiles, size_t... r>
inline void DotBytesRows(Tile<rows, tiles>& tile, const Int (&weights)[tiles], const std::byte* activations,
                         std::index_sequence<r...>) {
  (DotBytesRow(tile.sum[r], weights, activations + 4 * r, std::make_index_sequence<tiles>()), ...);
}

template <size_t rows, size_t tiles, size_t... i>
inline void ConvertTile(const Tile<rows, tiles>& from, Tile<rows, tiles>& to, std::index_sequence<i...>) {
  ((to.sum[i / tiles][i % tiles] = _mm512_cvtepi32_ps(AsInt(from.sum[i / tiles][i % tiles]))), ...);
}

template <size_t tiles, size_t... t>
inline void AddScaledRow(Float (&totals)[tiles], const Float (&sums)[tiles], const Float (&scales)[tiles],
                         std::index_sequence<t...>) {
  ((totals[t] = Fma(_mm512_cvtepi32_ps(AsInt(sums[t])), scales[t], totals[t])), ...);
}
template <size_t rows, size_t tiles, size_t... r>
inline void AddScaled(Tile<rows, tiles>& totals, const Tile<rows, tiles>& sums, const Float (&scales)[tiles],
                      std::index_sequence<r...>) {
  (AddScaledRow(totals.sum[r], sums.sum[r], scales, std::make_index_sequence<tiles>()), ...);
}

// Rows of a block of `block_rows`, whose words follow each other.
template <size_t block_rows, size_t rows, size_t tiles, size_t... t>
inline void DotInt8(Tile<rows, tiles>& totals, const std::byte* activations, const std::byte* weights,
                    size_t panel_bytes, size_t depth, std::index_sequence<t...> each_tile) {
  Tile<rows, tiles> tile;
  StartRows(tile, activations, std::make_index_sequence<rows>());
  activations += 4 * block_rows;
  for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes, activations += 4 * block_rows) {
    PrefetchRecord<Packed<block_rows>>(weights, panel_bytes, each_tile);
    const Int record[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
    DotBytesRows(tile, record, activations, std::make_index_sequence<rows>());
  }
  ConvertTile(tile, totals, std::make_index_sequence<rows * tiles>());
}

// Eight k: the lower halves of the bytes, then the upper ones.
template <size_t block_rows, size_t rows, size_t tiles, size_t... t>
inline void DotInt4Step(Tile<rows, tiles>& tile, const std::byte* activations, const std::byte* weights,
                        size_t panel_bytes, std::index_sequence<t...> each_tile) {
  const Int mask = _mm512_set1_epi8(15);
  PrefetchRecord<Packed<block_rows>>(weights, panel_bytes, each_tile);
  const Int bytes[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
  const Int low[tiles] = {And(bytes[t], mask)...};
  DotBytesRows(tile, low, activations, std::make_index_sequence<rows>());
  const Int high[tiles] = {And(_mm512_srli_epi16(bytes[t], 4), mask)...};
  DotBytesRows(tile, high, activations + 4 * block_rows, std::make_index_sequence<rows>());
}

inline Float LoadScales(const std::byte* from) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
}

template <size_t group, size_t block_rows, size_t rows, size_t tiles, size_t... t>
inline void DotInt4(Tile<rows, tiles>& totals, const std::byte* activations, const std::byte* weights,
                    size_t panel_bytes, size_t depth, std::index_sequence<t...> each_tile) {
  const auto each_row = std::make_index_sequence<rows>();
  for (size_t k = 0; k < depth; k += group) {
    Tile<rows, tiles> tile;
    StartRows(tile, activations, each_row);
    activations += 4 * block_rows;
    for (size_t step = 0; step < group / 8; step += 4) {
      DotInt4Step<block_rows>(tile, activations, weights, panel_bytes, each_tile);
      DotInt4Step<block_rows>(tile, activations + 8 * block_rows, weights + 128, panel_bytes, each_tile);
      DotInt4Step<block_rows>(tile, activations + 16 * block_rows, weights + 256, panel_bytes, each_tile);
      DotInt4Step<block_rows>(tile, activations + 24 * block_rows, weights + 384, panel_bytes, each_tile);
      activations += 32 * block_rows;
      weights += 4 * kRecordBytes;
    }
    const Float scales[tiles] = {LoadScales(weights + t / 2 * panel_bytes + t % 2 * 32)...};
    AddScaled(totals, tile, scales, each_row);
    PrefetchRecord<Packed<block_rows>>(weights, panel_bytes, each_tile);
    weights += 2 * kPanelColumns;
  }
}

// sums [panels][rows][32] = activations x weights.
template <WeightFormat format, size_t rows, size_t panels>
[[gnu::noinline]] void IntegerProducts(const std::byte* activations, const std::byte* weights, size_t panel_bytes,
                                       size_t depth, float* sums) {
  // Groups need float sums beside the integer ones: more than six rows don't fit.
  InParts<rows, (format == WeightFormat::kInt8 || rows <= 6) ? rows : 4>([&](auto count, size_t first) {
    constexpr size_t kTiles = 2 * panels;
    const auto each_tile = std::make_index_sequence<kTiles>();
    Tile<count(), kTiles> totals;
    if constexpr (format == WeightFormat::kInt8) {
      DotInt8<rows>(totals, activations + 4 * first, weights, panel_bytes, depth, each_tile);
    } else {
      ClearTile(totals, std::make_index_sequence<count() * kTiles>());
      DotInt4<Int4Group(format), rows>(totals, activations + 4 * first, weights, panel_bytes, depth, each_tile);
    }
    StoreTile(totals, sums + first * kPanelColumns, std::make_index_sequence<count() * kTiles>());
  });
}
