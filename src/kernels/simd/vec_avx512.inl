// Sixteen floats at a time, for the tiers with AVX-512; included inside an anonymous namespace.
// The same names over eight floats are in simd/vec_avx2.inl, so that the algorithms in generic/ are written once.

constexpr size_t kLanes = 16;
using Float = __m512;
using Int = __m512i;
using Mask = __mmask16;

inline Float Set(float x) { return _mm512_set1_ps(x); }
inline Float Zero() { return _mm512_setzero_ps(); }
inline Float Load(const float* from) { return _mm512_loadu_ps(from); }
inline void Store(Float x, float* to) { _mm512_storeu_ps(to, x); }

// The first `count` lanes, count <= kLanes; the others load as zeros and aren't stored.
inline Mask FirstLanes(size_t count) { return static_cast<__mmask16>((1u << count) - 1); }
inline Float LoadPart(const float* from, size_t count) { return _mm512_maskz_loadu_ps(FirstLanes(count), from); }
inline void StorePart(Float x, float* to, size_t count) { _mm512_mask_storeu_ps(to, FirstLanes(count), x); }

inline Float Add(Float a, Float b) { return _mm512_add_ps(a, b); }
inline Float Sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
inline Float Mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
inline Float Div(Float a, Float b) { return _mm512_div_ps(a, b); }
inline Float Fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }      // a * b + c
inline Float FmaNeg(Float a, Float b, Float c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
// Where one is NaN, the second operand is the result.
inline Float Max(Float a, Float b) { return _mm512_max_ps(a, b); }
inline Float Min(Float a, Float b) { return _mm512_min_ps(a, b); }
inline Float Round(Float x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Float Abs(Float x) { return _mm512_abs_ps(x); }
inline Float CopySign(Float magnitude, Float sign) {
  const Float mask = _mm512_set1_ps(-0.0f);
  return _mm512_or_ps(_mm512_and_ps(mask, sign), _mm512_andnot_ps(mask, magnitude));
}

inline Mask Less(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
inline Mask Both(Mask a, Mask b) { return static_cast<__mmask16>(a & b); }
inline bool Any(Mask mask) { return mask != 0; }
inline Float Select(Mask mask, Float yes, Float no) { return _mm512_mask_blend_ps(mask, no, yes); }
inline Int SelectInt(Mask mask, Int yes, Int no) { return _mm512_mask_blend_epi32(mask, no, yes); }

inline Int SetInt(int x) { return _mm512_set1_epi32(x); }
inline Int Iota() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
inline Int AddInt(Int a, Int b) { return _mm512_add_epi32(a, b); }
inline Int SubInt(Int a, Int b) { return _mm512_sub_epi32(a, b); }
inline Int MaxInt(Int a, Int b) { return _mm512_max_epi32(a, b); }
inline Int MinUnsigned(Int a, Int b) { return _mm512_min_epu32(a, b); }
inline Int And(Int a, Int b) { return _mm512_and_si512(a, b); }
inline Int Or(Int a, Int b) { return _mm512_or_si512(a, b); }
template <int bits>
inline Int ShiftLeft(Int x) {
  return _mm512_slli_epi32(x, bits);
}
template <int bits>
inline Int ShiftRight(Int x) {
  return _mm512_srli_epi32(x, bits);
}
inline Mask LessInt(Int a, Int b) { return _mm512_cmplt_epi32_mask(a, b); }
inline Int AsInt(Float x) { return _mm512_castps_si512(x); }
inline Float AsFloat(Int x) { return _mm512_castsi512_ps(x); }
inline void StoreInt(Int x, int* to) { _mm512_storeu_si512(to, x); }

// x * 2^n for an integral n, rounded once.
inline Float Scale2(Float x, Float n) { return _mm512_scalef_ps(x, n); }

// Lanes summed in halves: (0 + 8) + (4 + 12) ... A fixed order, and so is that of the greatest.
inline float SumLanes(Float x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float MaxLanes(Float x) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// Sums in double of float lanes.
struct DoubleSum {
  __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
  void Add(Float x) {
    low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(x)));
    high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)));
  }
  // A square of a float is exact in double; in float it would leave the range beyond 2^64.
  void AddSquare(Float x) {
    const __m512d first = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    const __m512d second = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    low = _mm512_fmadd_pd(first, first, low);
    high = _mm512_fmadd_pd(second, second, high);
  }
  double Total() const {
    double lanes[8];
    _mm512_storeu_pd(lanes, _mm512_add_pd(low, high));
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
  }
};

// One 16-bit number a lane, the lower half of each.
inline void StoreLow16(Int x, void* to) { _mm256_storeu_si256(static_cast<__m256i*>(to), _mm512_cvtepi32_epi16(x)); }
// The nearest integers, ties to even; one a byte where they fit; their sum.
inline Int ToInts(Float x) { return _mm512_cvtps_epi32(x); }
inline void StoreLow8(Int x, void* to) { _mm_storeu_si128(static_cast<__m128i*>(to), _mm512_cvtepi32_epi8(x)); }
inline int SumInts(Int x) { return _mm512_reduce_add_epi32(x); }
inline Float ToFloats(Int x) { return _mm512_cvtepi32_ps(x); }
// Sixteen FP16 numbers; sixteen bytes and sixteen 16-bit numbers widened by zeros.
inline Float LoadHalves(const std::byte* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline Int Load8(const std::byte* from) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline Int Load16(const void* from) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(from)));
}
