// Micro-kernels of INT8, INT4 and NVFP4 weights with int8 activations and of NVFP4 ones with both, by vpdpbusd: it
// takes four unsigned bytes of a column and four signed ones of a row, which are broadcast once for its tiles. What the
// unsigned bytes have too much stands in the start values (layout.h). The lanes of a tile hold integers here until they
// are converted, as bits.

[[gnu::always_inline]] inline void DotBytes(Float& sum, Int weights, Float four) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(four));
}

template <size_t tiles, size_t... t>
[[gnu::always_inline]] inline void StartRow(Float (&sums)[tiles], const std::byte* start, std::index_sequence<t...>) {
  ((sums[t] = Broadcast(start)), ...);
}
template <size_t rows, size_t tiles, size_t... r>
[[gnu::always_inline]] inline void StartRows(Tile<rows, tiles>& tile, const std::byte* starts,
                                             std::index_sequence<r...>) {
  (StartRow(tile.sum[r], starts + 4 * r, std::make_index_sequence<tiles>()), ...);
}

template <size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotBytesRow(Float (&sums)[tiles], const Int (&weights)[tiles], const std::byte* four,
                                               std::index_sequence<t...>) {
  const Float value = Broadcast(four);
  (DotBytes(sums[t], weights[t], value), ...);
}
template <size_t rows, size_t tiles, size_t... r>
[[gnu::always_inline]] inline void DotBytesRows(Tile<rows, tiles>& tile, const Int (&weights)[tiles],
                                                const std::byte* activations, std::index_sequence<r...>) {
  (DotBytesRow(tile.sum[r], weights, activations + 4 * r, std::make_index_sequence<tiles>()), ...);
}

template <size_t rows, size_t tiles, size_t... i>
[[gnu::always_inline]] inline void ConvertTile(const Tile<rows, tiles>& from, Tile<rows, tiles>& to,
                                               std::index_sequence<i...>) {
  ((to.sum[i / tiles][i % tiles] = _mm512_cvtepi32_ps(AsInt(from.sum[i / tiles][i % tiles]))), ...);
}

template <size_t tiles, size_t... t>
[[gnu::always_inline]] inline void AddScaledRow(Float (&totals)[tiles], const Float (&sums)[tiles],
                                                const Float (&scales)[tiles], std::index_sequence<t...>) {
  ((totals[t] = Fma(_mm512_cvtepi32_ps(AsInt(sums[t])), scales[t], totals[t])), ...);
}
template <size_t rows, size_t tiles, size_t... r>
[[gnu::always_inline]] inline void AddScaled(Tile<rows, tiles>& totals, const Tile<rows, tiles>& sums,
                                             const Float (&scales)[tiles], std::index_sequence<r...>) {
  (AddScaledRow(totals.sum[r], sums.sum[r], scales, std::make_index_sequence<tiles>()), ...);
}

// The same of NVFP4 activations, whose blocks have a scale for each row.
template <size_t tiles, size_t... t>
[[gnu::always_inline]] inline void AddTwiceScaledRow(Float (&totals)[tiles], const Float (&sums)[tiles],
                                                     const Float (&scales)[tiles], const std::byte* row_scale,
                                                     std::index_sequence<t...>) {
  const Float of_row = Broadcast(row_scale);
  ((totals[t] = Fma(_mm512_cvtepi32_ps(AsInt(sums[t])), Mul(scales[t], of_row), totals[t])), ...);
}
template <size_t rows, size_t tiles, size_t... r>
[[gnu::always_inline]] inline void AddTwiceScaled(Tile<rows, tiles>& totals, const Tile<rows, tiles>& sums,
                                                  const Float (&scales)[tiles], const std::byte* row_scales,
                                                  std::index_sequence<r...>) {
  (AddTwiceScaledRow(totals.sum[r], sums.sum[r], scales, row_scales + 4 * r, std::make_index_sequence<tiles>()), ...);
}

template <size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotInt8(Tile<rows, tiles>& totals, const std::byte* activations,
                                           const std::byte* weights, size_t panel_bytes, size_t depth,
                                           std::index_sequence<t...> each_tile) {
  Tile<rows, tiles> tile;
  StartRows(tile, activations, std::make_index_sequence<rows>());
  activations += 4 * rows;
  for (size_t k = 0; k < depth; k += 4, weights += kRecordBytes, activations += 4 * rows) {
    PrefetchRecord<Packed<rows>>(weights, panel_bytes, each_tile);
    const Int record[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
    DotBytesRows(tile, record, activations, std::make_index_sequence<rows>());
  }
  ConvertTile(tile, totals, std::make_index_sequence<rows * tiles>());
}

// How the bytes of sixteen columns of INT4 become unsigned bytes of the products.
template <WeightFormat format>
struct Int4Decoder {
  Int mask = _mm512_set1_epi8(15);
  Int offset;  // of each column's codes, where there are zero points

  // Of the 16 columns whose zero points lie there.
  explicit Int4Decoder([[maybe_unused]] const std::byte* zeros) {
    if constexpr (HasZeros(format)) {
      const Int four = _mm512_mullo_epi32(Load8(zeros), SetInt(0x01010101));
      offset = _mm512_sub_epi8(_mm512_set1_epi8(static_cast<char>(StoredZero(format))), four);
    }
  }
  [[gnu::always_inline]] Int Low(Int bytes) const { return Shifted(And(bytes, mask)); }
  [[gnu::always_inline]] Int High(Int bytes) const { return Shifted(And(_mm512_srli_epi16(bytes, 4), mask)); }

 private:
  [[gnu::always_inline]] Int Shifted(Int codes) const {
    if constexpr (HasZeros(format)) return _mm512_add_epi8(codes, offset);
    return codes;
  }
};

// Eight k: the lower halves of the bytes, then the upper ones.
template <WeightFormat format, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotInt4Step(Tile<rows, tiles>& tile, const Int4Decoder<format> (&decoders)[tiles],
                                               const std::byte* activations, const std::byte* weights,
                                               size_t panel_bytes, std::index_sequence<t...> each_tile) {
  PrefetchRecord<Packed<rows>>(weights, panel_bytes, each_tile);
  const Int bytes[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
  const Int low[tiles] = {decoders[t].Low(bytes[t])...};
  DotBytesRows(tile, low, activations, std::make_index_sequence<rows>());
  const Int high[tiles] = {decoders[t].High(bytes[t])...};
  DotBytesRows(tile, high, activations + 4 * rows, std::make_index_sequence<rows>());
}

template <WeightFormat format, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotInt4(Tile<rows, tiles>& totals, const std::byte* activations,
                                           const std::byte* weights, size_t panel_bytes, size_t depth,
                                           std::index_sequence<t...> each_tile) {
  const auto each_row = std::make_index_sequence<rows>();
  constexpr size_t kScales = CodeBytes(format), kZeros = kScales + 2 * kPanelColumns;
  for (size_t k = 0; k < depth; k += Int4Group(format)) {
    const Int4Decoder<format> decoders[tiles] = {
        Int4Decoder<format>(weights + t / 2 * panel_bytes + kZeros + t % 2 * 16)...};
    Tile<rows, tiles> tile;
    StartRows(tile, activations, each_row);
    activations += 4 * rows;
    for (size_t step = 0; step < Int4Group(format) / 8; ++step, activations += 8 * rows)
      DotInt4Step(tile, decoders, activations, weights + step * kRecordBytes, panel_bytes, each_tile);
    const Float scales[tiles] = {LoadHalves(weights + t / 2 * panel_bytes + kScales + t % 2 * 32)...};
    AddScaled(totals, tile, scales, each_row);
    PrefetchRecord<Packed<rows>>(weights + kScales, panel_bytes, each_tile);
    weights += RecordBytes(format);
  }
}

// Codes of NVFP4 as unsigned bytes of the products. vpermb takes the lower six bits of a byte, for which its table
// holds every value four times, so that nothing needs a mask.
[[gnu::always_inline]] inline Int LowCodes(Int values, Int bytes) { return _mm512_permutexvar_epi8(bytes, values); }
[[gnu::always_inline]] inline Int HighCodes(Int values, Int bytes) {
  return _mm512_permutexvar_epi8(_mm512_srli_epi16(bytes, 4), values);
}

template <size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotNvfp4Step(Tile<rows, tiles>& tile, Int values, const std::byte* activations,
                                                const std::byte* weights, size_t panel_bytes,
                                                std::index_sequence<t...> each_tile) {
  PrefetchRecord<Packed<rows>>(weights, panel_bytes, each_tile);
  const Int bytes[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
  const Int low[tiles] = {LowCodes(values, bytes[t])...};
  DotBytesRows(tile, low, activations, std::make_index_sequence<rows>());
  const Int high[tiles] = {HighCodes(values, bytes[t])...};
  DotBytesRows(tile, high, activations + 4 * rows, std::make_index_sequence<rows>());
}

// What the scales of LoadBlockScales, a 256th of E4M3's, make too small beside those of codes twice their values; NVFP4
// activations have such codes and whole scales. A power of two, so that sums are as exact before it.
constexpr float BlockScaleUnit(ActivationFormat read) { return read == ActivationFormat::kNvfp4 ? 64 : 128; }

template <ActivationFormat read, size_t rows, size_t tiles, size_t... t>
[[gnu::always_inline]] inline void DotNvfp4(Tile<rows, tiles>& totals, const std::byte* activations,
                                            const std::byte* weights, size_t panel_bytes, size_t depth,
                                            std::index_sequence<t...> each_tile) {
  constexpr size_t kScales = CodeBytes(WeightFormat::kNvfp4), kWords = GroupWords(read);
  const auto each_row = std::make_index_sequence<rows>();
  const Int values = _mm512_load_si512(kNvfp4Codes.values);
  for (size_t k = 0; k < depth; k += kNvfp4Record, weights += RecordBytes(WeightFormat::kNvfp4)) {
    PrefetchRecord<Packed<rows>>(weights + kScales, panel_bytes, each_tile);
    for (size_t block = 0; block < kNvfp4Record / kNvfp4Block; ++block) {
      Tile<rows, tiles> tile;
      StartRows(tile, activations, each_row);
      const std::byte *codes = activations + 4 * kWords * rows, *steps = weights + 2 * block * kRecordBytes;
      DotNvfp4Step(tile, values, codes, steps, panel_bytes, each_tile);
      DotNvfp4Step(tile, values, codes + 8 * rows, steps + kRecordBytes, panel_bytes, each_tile);
      const std::byte* of_block = weights + kScales + block * kPanelColumns;
      const Float scales[tiles] = {LoadBlockScales(of_block + t / 2 * panel_bytes + t % 2 * 16)...};
      if constexpr (read == ActivationFormat::kNvfp4) {
        AddTwiceScaled(totals, tile, scales, activations + 4 * rows, each_row);
      } else {
        AddScaled(totals, tile, scales, each_row);
      }
      activations = codes + kNvfp4Block * rows;
    }
  }
}

template <size_t rows, size_t tiles, size_t... i>
[[gnu::always_inline]] inline void ScaleTile(Tile<rows, tiles>& tile, float by, std::index_sequence<i...>) {
  ((tile.sum[i / tiles][i % tiles] = Mul(tile.sum[i / tiles][i % tiles], Set(by))), ...);
}

// sums [panels][rows][32] = activations x weights, as the latter are packed. Of INT4 and NVFP4 up to four rows: the
// float sums of more wouldn't fit beside the integer ones.
template <WeightFormat format, size_t rows, size_t panels, ActivationFormat read>
[[gnu::noinline]] void IntegerProducts(const std::byte* activations, const std::byte* weights, size_t panel_bytes,
                                       size_t depth, float* sums) {
  constexpr size_t kTiles = 2 * panels;
  const auto each_tile = std::make_index_sequence<kTiles>();
  const auto each_sum = std::make_index_sequence<rows * kTiles>();
  Tile<rows, kTiles> totals;
  if constexpr (format == WeightFormat::kInt8) {
    DotInt8(totals, activations, weights, panel_bytes, depth, each_tile);
  } else if constexpr (format == WeightFormat::kNvfp4) {
    ClearTile(totals, each_sum);
    DotNvfp4<read>(totals, activations, weights, panel_bytes, depth, each_tile);
    ScaleTile(totals, BlockScaleUnit(read), each_sum);
  } else {
    ClearTile(totals, each_sum);
    DotInt4<format>(totals, activations, weights, panel_bytes, depth, each_tile);
  }
  StoreTile(totals, sums, each_sum);
}

// `depth` positions of a panel of INT4 weights, one code a byte in the order of INT8, their scales as floats.
template <WeightFormat format>
[[gnu::always_inline]] inline void DecodeInt4(const std::byte* weights, size_t depth, std::byte* codes, float* scales) {
  for (size_t k = 0; k < depth; k += Int4Group(format), scales += kPanelColumns) {
    const std::byte* behind = weights + CodeBytes(format);
    for (size_t tile = 0; tile < 2; ++tile) {
      const Int4Decoder<format> decoder(behind + 2 * kPanelColumns + 16 * tile);
      for (size_t step = 0; step < Int4Group(format) / 8; ++step) {
        const std::byte* from = weights + step * kRecordBytes + 64 * tile;
        std::byte* to = codes + 2 * step * kRecordBytes + 64 * tile;
        PrefetchStream<Packed<1>>(from);
        const Int bytes = LoadWords(from);
        StoreWords(decoder.Low(bytes), to);
        StoreWords(decoder.High(bytes), to + kRecordBytes);
      }
      Store(LoadHalves(behind + 32 * tile), scales + 16 * tile);
    }
    weights += RecordBytes(format);
    codes += Int4Group(format) * kPanelColumns;
  }
}

// The same of NVFP4 weights, with half their scales.
inline void DecodeNvfp4Codes(const std::byte* weights, size_t depth, std::byte* codes, float* scales) {
  const Int values = _mm512_load_si512(kNvfp4Codes.values);
  for (size_t k = 0; k < depth; k += kNvfp4Record, weights += RecordBytes(WeightFormat::kNvfp4)) {
    for (size_t at = 0; at < CodeBytes(WeightFormat::kNvfp4); at += 64, codes += at % kRecordBytes == 0 ? 192 : 64) {
      PrefetchStream<Packed<1>>(weights + at);
      const Int bytes = LoadWords(weights + at);
      StoreWords(LowCodes(values, bytes), codes);
      StoreWords(HighCodes(values, bytes), codes + kRecordBytes);
    }
    for (size_t column = 0; column < 2 * kPanelColumns; column += 16, scales += 16)
      Store(Mul(LoadBlockScales(weights + CodeBytes(WeightFormat::kNvfp4) + column), Set(128)), scales);
  }
}

// Codes in the order of INT8, without a branch, times activations of blocks of `block_rows` rows.
template <size_t block_rows, size_t rows, size_t... step>
[[gnu::always_inline]] inline void DotDecoded(Tile<rows, 2>& tile, const std::byte* activations, const std::byte* codes,
                                              std::index_sequence<step...>) {
  const auto dot = [&](const std::byte* words, const std::byte* record) __attribute__((always_inline)) {
    const Int both[2] = {LoadWords(record), LoadWords(record + 64)};
    DotBytesRows(tile, both, words, std::make_index_sequence<rows>());
  };
  (dot(activations + 4 * block_rows * step, codes + kRecordBytes * step), ...);
}

template <size_t block_rows, size_t group, ActivationFormat read, size_t rows>
[[gnu::always_inline]] inline void DotDecodedGroups(Tile<rows, 2>& totals, const std::byte* activations,
                                                    const std::byte* codes, const float* scales, size_t depth) {
  constexpr size_t kStep = group < 32 ? group : 32;
  const auto each_row = std::make_index_sequence<rows>();
  for (size_t k = 0; k < depth; k += group, scales += kPanelColumns) {
    Tile<rows, 2> tile;
    StartRows(tile, activations, each_row);
    [[maybe_unused]] const std::byte* row_scales = activations + 4 * block_rows;
    activations += 4 * GroupWords(read) * block_rows;
    for (size_t i = 0; i < group; i += kStep, codes += kStep * kPanelColumns, activations += kStep * block_rows)
      DotDecoded<block_rows>(tile, activations, codes, std::make_index_sequence<kStep / 4>());
    const Float both[2] = {Load(scales), Load(scales + 16)};
    if constexpr (read == ActivationFormat::kNvfp4) {
      const Float half[2] = {Mul(both[0], Set(0.5f)), Mul(both[1], Set(0.5f))};  // of codes of half the value
      AddTwiceScaled(totals, tile, half, row_scales, each_row);
    } else {
      AddScaled(totals, tile, both, each_row);
    }
  }
}

// sums [rows][32] += activations x codes that DecodeInt4 or DecodeNvfp4Codes has written, group after group. The float
// sums of four rows stay in registers beside the integer ones: those of eight would go to memory and back after each
// group, which takes longer than reading the codes twice.
template <size_t rows, size_t group, ActivationFormat read>
[[gnu::noinline]] void AddDecodedIntegers(const std::byte* activations, const std::byte* codes, const float* scales,
                                          size_t depth, float* sums) {
  InParts<rows, 4>([&](auto count, size_t first) __attribute__((always_inline)) {
    const auto each_sum = std::make_index_sequence<count() * 2>();
    Tile<count(), 2> totals;
    LoadTile(totals, sums + first * kPanelColumns, each_sum);
    DotDecodedGroups<rows, group, read>(totals, activations + 4 * first, codes, scales, depth);
    StoreTile(totals, sums + first * kPanelColumns, each_sum);
  });
}
