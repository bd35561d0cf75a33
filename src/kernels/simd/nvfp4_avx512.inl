// NVFP4 weights in registers: a permute turns four-bit codes into BF16 pairs. Products of vectors add those of a block
// to a chain, which the block's scale multiplies. Tiles have no such chain: there each half of a pair times the scale
// is the weight, exactly. Sixteen columns at a time.

// BF16 bits of kNvfp4Unit times the value of each E2M1 code, twice, since a permute of words takes five bits.
struct Nvfp4Table {
  uint16_t values[32];
};
constexpr Nvfp4Table MakeNvfp4Table() {
  constexpr uint16_t kMagnitudes[8] = {0, 0x4300, 0x4380, 0x43C0, 0x4400, 0x4440, 0x4480, 0x44C0};
  Nvfp4Table out = {};
  for (unsigned i = 0; i < 32; ++i) out.values[i] = static_cast<uint16_t>(kMagnitudes[i % 8] | i / 8 % 2 << 15);
  return out;
}
alignas(64) constexpr Nvfp4Table kNvfp4 = MakeNvfp4Table();

// Sixteen E4M3 scales divided by kNvfp4Unit: their bits at FP16's places, subnormal ones included.
[[gnu::always_inline]] inline Float LoadBlockScales(const std::byte* from) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(codes), 7));
}

// Pair `pair` of the four in a step of 16 columns; `values` are those of kNvfp4.
template <int pair>
[[gnu::always_inline]] inline Int Nvfp4Pairs(Int values, Int step) {
  return _mm512_permutexvar_epi16(pair == 0 ? step : _mm512_srli_epi16(step, 4 * pair), values);
}

// The four pairs of a step of each tile's panel, in turn for use(pairs [tiles], number of the pair).
template <size_t tiles, class Use, size_t... t>
[[gnu::always_inline]] inline void UseNvfp4Step(Int values, const std::byte* step, size_t panel_bytes, Use&& use,
                                                std::index_sequence<t...>) {
  const Int codes[tiles] = {LoadWords(step + t / 2 * panel_bytes + t % 2 * 64)...};
  const auto use_pair = [&]<int pair>(std::integral_constant<int, pair>) __attribute__((always_inline)) {
    const Int pairs[tiles] = {Nvfp4Pairs<pair>(values, codes[t])...};
    use(pairs, size_t{pair});
  };
  use_pair(std::integral_constant<int, 0>());
  use_pair(std::integral_constant<int, 1>());
  use_pair(std::integral_constant<int, 2>());
  use_pair(std::integral_constant<int, 3>());
}

// A pair of floats that BF16 holds, as BF16.
[[gnu::always_inline]] inline Int JoinPair(Float odd, Float even) {
  return Or(AsInt(odd), ShiftRight<16>(AsInt(even)));
}

// Pair `pair` of the four in a step of each tile, for use(odd [tiles], even [tiles], number of the pair in its record).
template <int pair, size_t tiles, class Use, size_t... t>
[[gnu::always_inline]] inline void UseNvfp4Pair(Int values, const Int (&step)[tiles], const Float (&scales)[tiles],
                                                size_t first, Use& use, std::index_sequence<t...>) {
  const Int pairs[tiles] = {_mm512_permutexvar_epi16(_mm512_srli_epi16(step[t], 4 * pair), values)...};
  const Float odd[tiles] = {Mul(OddOf(pairs[t]), scales[t])...};
  const Float even[tiles] = {Mul(EvenOf(pairs[t]), scales[t])...};
  use(odd, even, first + pair);
}

// The sixteen pairs of a record (layout.h) of each tile's panel, in turn; `values` are those of kNvfp4.
template <size_t tiles, class Use, size_t... t>
[[gnu::always_inline]] inline void ForEachNvfp4Pair(Int values, const std::byte* record, size_t panel_bytes, Use&& use,
                                                    std::index_sequence<t...> each_tile) {
  for (size_t block = 0; block < kNvfp4Record / kNvfp4Block; ++block) {
    const std::byte* of_block = record + CodeBytes(WeightFormat::kNvfp4) + block * kPanelColumns;
    const Float scales[tiles] = {LoadBlockScales(of_block + t / 2 * panel_bytes + t % 2 * 16)...};
    for (size_t i = 2 * block; i < 2 * block + 2; ++i) {
      const Int step[tiles] = {LoadWords(record + i * kRecordBytes + t / 2 * panel_bytes + t % 2 * 64)...};
      UseNvfp4Pair<0>(values, step, scales, 4 * i, use, each_tile);
      UseNvfp4Pair<1>(values, step, scales, 4 * i, use, each_tile);
      UseNvfp4Pair<2>(values, step, scales, 4 * i, use, each_tile);
      UseNvfp4Pair<3>(values, step, scales, 4 * i, use, each_tile);
    }
  }
}

// All lines of a record of each tile's panel, far ahead.
template <class Operand, size_t... t>
[[gnu::always_inline]] inline void PrefetchNvfp4(const std::byte* record, size_t panel_bytes,
                                                 std::index_sequence<t...> each_tile) {
  for (size_t i = 0; i <= kNvfp4Record / 8; ++i)
    PrefetchRecord<Operand>(record + i * kRecordBytes, panel_bytes, each_tile);
}

// totals += products with NVFP4 weights: a chain for each block. add(chains, pairs, activations) adds a pair; those of
// the next lie `pair_bytes` further.
template <class Operand, size_t pair_bytes, size_t rows, size_t tiles, class Add, size_t... t>
[[gnu::always_inline]] inline void ChainNvfp4(Tile<rows, tiles>& totals, const std::byte* activations,
                                              const std::byte* weights, size_t panel_bytes, size_t depth, Add&& add,
                                              std::index_sequence<t...> each_tile) {
  const Int values = _mm512_load_si512(kNvfp4.values);
  for (size_t k = 0; k < depth; k += kNvfp4Record, weights += RecordBytes(WeightFormat::kNvfp4)) {
    PrefetchNvfp4<Operand>(weights, panel_bytes, each_tile);
    for (size_t block = 0; block < kNvfp4Record / kNvfp4Block; ++block) {
      const std::byte* of_block = weights + CodeBytes(WeightFormat::kNvfp4) + block * kPanelColumns;
      const Float scales[tiles] = {LoadBlockScales(of_block + t / 2 * panel_bytes + t % 2 * 16)...};
      Tile<rows, tiles> chains;
      ClearTile(chains, std::make_index_sequence<rows * tiles>());
      for (size_t step = 0; step < kNvfp4Block / 8; ++step, activations += 4 * pair_bytes) {
        UseNvfp4Step<tiles>(
            values, weights + (2 * block + step) * kRecordBytes, panel_bytes,
            [&](const Int(&pairs)[tiles], size_t pair)
                __attribute__((always_inline)) { add(chains, pairs, activations + pair * pair_bytes); },
            each_tile);
      }
      JoinChains(totals, chains, scales, std::make_index_sequence<rows>());
    }
  }
}
