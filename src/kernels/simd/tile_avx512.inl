// Registers of a micro-kernel: rows x tiles sums of 16 columns, indexed by constants only, so that they stay in
// registers. Each instruction of the inner loop is written as such: left to themselves, g++ 12 and clang 14 each spill
// another kernel.

template <size_t rows, size_t tiles>
struct Tile {
  Float sum[rows][tiles];
};

[[gnu::always_inline]] inline Float Broadcast(const std::byte* from) {
  Float out;
  asm("vpbroadcastd %1, %0" : "=v"(out) : "m"(*reinterpret_cast<const Word*>(from)));
  return out;
}

[[gnu::always_inline]] inline void MultiplyAdd(Float& sum, Float weights, Float activation) {
  asm("vfmadd231ps %1, %2, %0" : "+v"(sum) : "v"(weights), "v"(activation));
}

template <size_t rows, size_t tiles, size_t... i>
[[gnu::always_inline]] inline void ClearTile(Tile<rows, tiles>& tile, std::index_sequence<i...>) {
  ((tile.sum[i / tiles][i % tiles] = Zero()), ...);
}

// Sums in memory: [tiles / 2][rows][32].
template <size_t rows, size_t tiles, size_t... i>
[[gnu::always_inline]] inline void LoadTile(Tile<rows, tiles>& tile, const float* sums, std::index_sequence<i...>) {
  ((tile.sum[i / tiles][i % tiles] = Load(sums + i % tiles / 2 * rows * 32 + i / tiles * 32 + i % 2 * 16)), ...);
}
template <size_t rows, size_t tiles, size_t... i>
[[gnu::always_inline]] inline void StoreTile(const Tile<rows, tiles>& tile, float* sums, std::index_sequence<i...>) {
  (Store(tile.sum[i / tiles][i % tiles], sums + i % tiles / 2 * rows * 32 + i / tiles * 32 + i % 2 * 16), ...);
}

[[gnu::always_inline]] inline Float RowFactor(const BlockFactors& factors, size_t row) {
  return Set(factors.of_rows == nullptr ? 1.0f : factors.of_rows[row * factors.stride]);
}

// The chains of a block join the sums of one panel.
template <size_t rows, size_t... i>
[[gnu::always_inline]] inline void CloseTile(const Tile<rows, 2>& tile, const BlockFactors& factors, float* sums,
                                             std::index_sequence<i...>) {
  const Float scales[2] = {Load(factors.scales), Load(factors.scales + 16)};
  (Store(Fma(tile.sum[i / 2][i % 2], Mul(scales[i % 2], RowFactor(factors, i / 2)), Load(sums + 16 * i)),
         sums + 16 * i),
   ...);
}

// totals += chains * scales.
template <size_t tiles, size_t... t>
[[gnu::always_inline]] inline void JoinChainsOfRow(Float (&totals)[tiles], const Float (&chains)[tiles],
                                                   const Float (&scales)[tiles], std::index_sequence<t...>) {
  ((totals[t] = Fma(chains[t], scales[t], totals[t])), ...);
}
template <size_t rows, size_t tiles, size_t... r>
[[gnu::always_inline]] inline void JoinChains(Tile<rows, tiles>& totals, const Tile<rows, tiles>& chains,
                                              const Float (&scales)[tiles], std::index_sequence<r...>) {
  (JoinChainsOfRow(totals.sum[r], chains.sum[r], scales, std::make_index_sequence<tiles>()), ...);
}

template <size_t tiles, size_t... t>
[[gnu::always_inline]] inline void MultiplyAddRow(Float (&sums)[tiles], const Float (&weights)[tiles],
                                                  const std::byte* activation, std::index_sequence<t...>) {
  const Float value = Broadcast(activation);
  (MultiplyAdd(sums[t], weights[t], value), ...);
}

// One k of all rows: row r's word is kRow * r bytes further.
template <size_t kRow, size_t rows, size_t tiles, size_t... r>
[[gnu::always_inline]] inline void MultiplyAddRows(Tile<rows, tiles>& tile, const Float (&weights)[tiles],
                                                   const std::byte* activations, std::index_sequence<r...>) {
  (MultiplyAddRow(tile.sum[r], weights, activations + kRow * r, std::make_index_sequence<tiles>()), ...);
}

// The record of each tile's panel, far ahead; `ahead` is that of a matrix of the cache.
template <class Operand, size_t... t>
[[gnu::always_inline]] inline void PrefetchRecord(const std::byte* record, size_t panel_bytes,
                                                  std::index_sequence<t...>,
                                                  [[maybe_unused]] std::ptrdiff_t ahead = 0) {
  (PrefetchStream<Operand>(record + t / 2 * panel_bytes + t % 2 * 64, Operand::kOfCache ? ahead : kPrefetchAhead), ...);
}

[[gnu::always_inline]] inline Int LoadWords(const std::byte* from) { return _mm512_loadu_si512(from); }
[[gnu::always_inline]] inline void StoreWords(Int words, std::byte* to) { _mm512_storeu_si512(to, words); }
[[gnu::always_inline]] inline Float EvenOf(Int pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
[[gnu::always_inline]] inline Float OddOf(Int pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xFFFF0000))));
}

// Element k of the four in a record of INT8 weights (layout.h), as floats: a byte in the last bits of 2^23 is added to
// it, and 128 too much.
template <int k>
[[gnu::always_inline]] inline Float Int8Value(Int words) {
  const Int byte = k == 0 ? words : ShiftRight<8 * k>(words);
  const Int bits = _mm512_ternarylogic_epi32(byte, SetInt(255), SetInt(0x4B000000), 0xEA);  // (byte & 255) | 2^23
  return Sub(AsFloat(bits), Set(8388608.0f + 128.0f));
}

// BF16 bytes of the values of 128 codes of magnitude.
struct ByteTables {
  uint8_t high[128], low[128];
};
// `mantissa` below 2^(bits + 1), times 2^exponent, as the bits of a BF16.
constexpr unsigned Bf16Of(unsigned mantissa, int exponent, int bits) {
  if (mantissa == 0) return 0;
  for (; mantissa >> bits == 0; mantissa <<= 1) --exponent;
  return static_cast<unsigned>(exponent + bits + 127) << 7 | (mantissa - (1u << bits)) << (7 - bits);
}
constexpr void SetBytes(ByteTables& tables, unsigned code, unsigned bits) {
  tables.high[code] = static_cast<uint8_t>(bits >> 8);
  tables.low[code] = static_cast<uint8_t>(bits & 0xFF);
}
constexpr ByteTables MakeE4M3Tables() {
  ByteTables out = {};
  for (unsigned code = 0; code < 127; ++code) {
    const unsigned exponent = code >> 3, mantissa = code & 7;
    SetBytes(out, code,
             exponent == 0 ? Bf16Of(mantissa, -9, 3) : Bf16Of(8 + mantissa, static_cast<int>(exponent) - 10, 3));
  }
  SetBytes(out, 127, 0x7FC0);
  return out;
}
constexpr ByteTables MakeInt8Tables() {
  ByteTables out = {};
  for (unsigned code = 0; code < 128; ++code) SetBytes(out, code, Bf16Of(code, 0, 7));
  return out;
}
alignas(64) constexpr ByteTables kE4M3Tables = MakeE4M3Tables();
alignas(64) constexpr ByteTables kInt8Tables = MakeInt8Tables();

// Decodes a tile of 64 codes (layout.h), a sign in bit 7, into BF16 pairs of 16 columns: (k, k + 1) and (k + 2, k + 3).
template <const ByteTables& tables>
struct ByteDecoder {
  Int high0 = _mm512_load_si512(tables.high), high1 = _mm512_load_si512(tables.high + 64);
  Int low0 = _mm512_load_si512(tables.low), low1 = _mm512_load_si512(tables.low + 64);
  Int sign = _mm512_set1_epi8(static_cast<char>(0x80));

  [[gnu::always_inline]] void Decode(const std::byte* tile, Int& first, Int& second) const {
    const Int codes = LoadWords(tile);
    // The byte permutes ignore bit 7, the sign; 0xEA is (codes & sign) | magnitude.
    const Int magnitude = _mm512_permutex2var_epi8(high0, codes, high1);
    const Int high = _mm512_ternarylogic_epi32(codes, sign, magnitude, 0xEA);
    const Int low = _mm512_permutex2var_epi8(low0, codes, low1);
    first = _mm512_unpacklo_epi8(low, high);
    second = _mm512_unpackhi_epi8(low, high);
  }
};
using E4M3Decoder = ByteDecoder<kE4M3Tables>;
// Of a cache of codes.
template <CacheFormat format>
using CacheDecoder = std::conditional_t<format == CacheFormat::kInt8, ByteDecoder<kInt8Tables>, E4M3Decoder>;
