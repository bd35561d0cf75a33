// Blocks of sixteen int8 codes that NVFP4 weights are multiplied with, in 128 bits.

// What vpshufb and vpermb look up for an E2M1 code: twice its value, and what unsigned bytes have too much. Four times,
// since vpermb takes six bits of an index.
struct Nvfp4Codes {
  uint8_t values[64];
};
constexpr Nvfp4Codes MakeNvfp4Codes(int zero) {
  constexpr int kMagnitudes[8] = {0, 1, 2, 3, 4, 6, 8, 12};
  Nvfp4Codes out = {};
  for (unsigned i = 0; i < 64; ++i)
    out.values[i] = static_cast<uint8_t>(zero + (i / 8 % 2 == 0 ? kMagnitudes[i % 8] : -kMagnitudes[i % 8]));
  return out;
}
alignas(64) constexpr Nvfp4Codes kNvfp4Codes = MakeNvfp4Codes(StoredZero(WeightFormat::kNvfp4));

inline int SumBlock(const Word* words) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
  const __m128i sums = _mm_sad_epu8(_mm_xor_si128(codes, _mm_set1_epi8(-128)), _mm_setzero_si128());
  return _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_unpackhi_epi64(sums, sums))) - 16 * 128;
}

// The words of a block in the order of Int8Place go to every rows-th word; returns where the next go.
inline Word* ScatterBlock(const Word* words, size_t rows, Word* to) {
  const __m128i order = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
  Word ordered[kNvfp4Block / 4];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(ordered), _mm_shuffle_epi8(codes, order));
  return ScatterWords(ordered, kNvfp4Block / 4, rows, to);
}
