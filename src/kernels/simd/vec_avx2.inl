// Eight floats at a time, for the tier with AVX2, FMA and F16C; included inside an anonymous namespace.
// The same names over sixteen floats are in simd/vec_avx512.inl.

constexpr size_t kLanes = 8;
using Float = __m256;
using Int = __m256i;
using Mask = __m256;  // all bits of a lane, or none

inline Float Set(float x) { return _mm256_set1_ps(x); }
inline Float Zero() { return _mm256_setzero_ps(); }
inline Float Load(const float* from) { return _mm256_loadu_ps(from); }
inline void Store(Float x, float* to) { _mm256_storeu_ps(to, x); }

inline Int SetInt(int x) { return _mm256_set1_epi32(x); }
inline Int Iota() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }

// The first `count` lanes, count <= kLanes; the others load as zeros and aren't stored.
inline Int FirstLanes(size_t count) { return _mm256_cmpgt_epi32(SetInt(static_cast<int>(count)), Iota()); }
inline Float LoadPart(const float* from, size_t count) {
  return count == kLanes ? Load(from) : _mm256_maskload_ps(from, FirstLanes(count));
}
inline void StorePart(Float x, float* to, size_t count) {
  count == kLanes ? Store(x, to) : _mm256_maskstore_ps(to, FirstLanes(count), x);
}

inline Float Add(Float a, Float b) { return _mm256_add_ps(a, b); }
inline Float Sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
inline Float Mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
inline Float Div(Float a, Float b) { return _mm256_div_ps(a, b); }
inline Float Fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }      // a * b + c
inline Float FmaNeg(Float a, Float b, Float c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a * b
// Where one is NaN, the second operand is the result.
inline Float Max(Float a, Float b) { return _mm256_max_ps(a, b); }
inline Float Min(Float a, Float b) { return _mm256_min_ps(a, b); }
inline Float Round(Float x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Float Abs(Float x) { return _mm256_andnot_ps(Set(-0.0f), x); }
inline Float CopySign(Float magnitude, Float sign) {
  return _mm256_or_ps(_mm256_and_ps(Set(-0.0f), sign), _mm256_andnot_ps(Set(-0.0f), magnitude));
}

inline Mask Less(Float a, Float b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
inline Mask Both(Mask a, Mask b) { return _mm256_and_ps(a, b); }
inline Float Select(Mask mask, Float yes, Float no) { return _mm256_blendv_ps(no, yes, mask); }
inline Int SelectInt(Mask mask, Int yes, Int no) {
  return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(no), _mm256_castsi256_ps(yes), mask));
}

inline Int AddInt(Int a, Int b) { return _mm256_add_epi32(a, b); }
inline Int SubInt(Int a, Int b) { return _mm256_sub_epi32(a, b); }
inline Int MaxInt(Int a, Int b) { return _mm256_max_epi32(a, b); }
inline Int MinUnsigned(Int a, Int b) { return _mm256_min_epu32(a, b); }
inline Int And(Int a, Int b) { return _mm256_and_si256(a, b); }
inline Int Or(Int a, Int b) { return _mm256_or_si256(a, b); }
template <int bits>
inline Int ShiftLeft(Int x) {
  return _mm256_slli_epi32(x, bits);
}
template <int bits>
inline Int ShiftRight(Int x) {
  return _mm256_srli_epi32(x, bits);
}
inline Mask LessInt(Int a, Int b) { return _mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a)); }
inline Int AsInt(Float x) { return _mm256_castps_si256(x); }
inline Float AsFloat(Int x) { return _mm256_castsi256_ps(x); }
inline void StoreInt(Int x, int* to) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x); }

// x * 2^n for an integral n of at most 250 in magnitude, rounded once: both halves of n are exponents of normal floats.
inline Float Scale2(Float x, Float n) {
  const Int exponent = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(exponent, 1);
  const Int bias = SetInt(127);
  const Float first = AsFloat(ShiftLeft<23>(AddInt(half, bias)));
  const Float second = AsFloat(ShiftLeft<23>(AddInt(_mm256_sub_epi32(exponent, half), bias)));
  return Mul(Mul(x, first), second);
}

// Lanes summed in halves, a fixed order, and so is that of the greatest.
inline float SumLanes(Float x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float MaxLanes(Float x) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// Sums in double of float lanes.
struct DoubleSum {
  __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
  void Add(Float x) {
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
  }
  // A square of a float is exact in double; in float it would leave the range beyond 2^64.
  void AddSquare(Float x) {
    const __m256d first = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    const __m256d second = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    low = _mm256_fmadd_pd(first, first, low);
    high = _mm256_fmadd_pd(second, second, high);
  }
  double Total() const {
    double lanes[4];
    _mm256_storeu_pd(lanes, _mm256_add_pd(low, high));
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
  }
};

// One 16-bit number a lane, the lower half of each, which is at most 0xFFFF.
inline void StoreLow16(Int x, void* to) {
  const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storeu_si128(static_cast<__m128i*>(to), packed);
}

// The nearest integers, ties to even; one a byte where they fit; their sum.
inline Int ToInts(Float x) { return _mm256_cvtps_epi32(x); }
inline void StoreLow8(Int x, void* to) {
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storel_epi64(static_cast<__m128i*>(to), _mm_packs_epi16(halves, halves));
}
inline int SumInts(Int x) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

inline Float ToFloats(Int x) { return _mm256_cvtepi32_ps(x); }
// Eight FP16 numbers; eight bytes widened by zeros.
inline Float LoadHalves(const std::byte* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline Int Load8(const std::byte* from) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}

// Eight words of 32 bits, and the floats that the lower and upper BF16 numbers of each are.
inline Int LoadWords(const std::byte* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
inline Float EvenOf(Int pairs) { return AsFloat(ShiftLeft<16>(pairs)); }
inline Float OddOf(Int pairs) { return AsFloat(And(pairs, SetInt(static_cast<int>(0xFFFF0000)))); }
