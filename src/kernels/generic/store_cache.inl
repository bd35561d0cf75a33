// One position's key and value into a page of the cache (layout.h): converted a vector at a time, then each word or
// code to its record.

// How a row becomes elements of the cache: those of a vector in the order of its lanes.
template <CacheFormat format>
class CacheEncoder {
 public:
  static constexpr size_t kElementBytes = format == CacheFormat::kF32 ? 4 : format == CacheFormat::kBf16 ? 2 : 1;

  CacheEncoder(const float* x, size_t count) {
    if constexpr (HasCacheScales(format)) {
      scale_ = FiniteScale(x, count, CacheCodeLimit(format));
      is_finite_ = scale_ == scale_;
    }
  }

  void Store(Float x, std::byte* to) const {
    if constexpr (format == CacheFormat::kF32) {
      octet::kernels::Store(x, reinterpret_cast<float*>(to));
    } else if constexpr (format == CacheFormat::kBf16) {
      StoreLow16(ToBf16Bits(x), to);
    } else {
      StoreLow8(is_finite_ ? Codes(x) : SetInt(0), to);
    }
  }
  void StoreScale(std::byte* scales, size_t slot) const {
    if constexpr (HasCacheScales(format)) std::memcpy(scales + 4 * slot, &scale_, 4);
  }

 private:
  Int Codes(Float x) const {
    if constexpr (format == CacheFormat::kE4M3) return ToE4M3Codes(Div(x, Set(scale_)));
    const Int code = ToInts(Mul(x, Set(1.0f / scale_)));
    const Int sign = And(ShiftRight<24>(code), SetInt(0x80));
    return SubInt(MaxInt(code, SubInt(SetInt(0), code)), sign);
  }

  float scale_ = 1;
  bool is_finite_ = true;
};

// visit(index, elements of the vector there, lanes) for each vector of x; lanes beyond `count` are zeros.
template <CacheFormat format, class Visit>
inline void ForEachConverted(const CacheEncoder<format>& encoder, const float* x, size_t count, Visit&& visit) {
  alignas(64) std::byte elements[4 * kLanes];
  for (size_t i = 0; i < count; i += kLanes) {
    const size_t lanes = count - i < kLanes ? count - i : kLanes;
    encoder.Store(LoadPart(x + i, lanes), elements);
    visit(i, lanes, elements);
  }
}

// A key is a column of a packed matrix: a float, or a pair of BF16 or of codes, at a time.
template <CacheFormat format>
inline void StoreKey(const float* key, size_t key_dim, size_t slot, std::byte* keys) {
  constexpr size_t kTogether = format == CacheFormat::kF32 ? 1 : 2;
  constexpr size_t kBytes = kTogether * CacheEncoder<format>::kElementBytes;
  const CacheEncoder<format> encoder(key, key_dim);
  ForEachConverted(encoder, key, key_dim, [&](size_t first, size_t lanes, const std::byte* elements) {
    for (size_t i = 0; i < lanes; i += kTogether)
      std::memcpy(keys + PackedOffset(CachePacking(format), key_dim, slot, first + i),
                  elements + i / kTogether * kBytes, kBytes);
  });
  encoder.StoreScale(keys + KeyScalesOffset(format, key_dim), slot);
}

// A value is a row: an element in each column.
template <CacheFormat format>
inline void StoreValue(const float* value, size_t value_dim, size_t slot, std::byte* values) {
  constexpr size_t kBytes = CacheEncoder<format>::kElementBytes;
  const CacheEncoder<format> encoder(value, value_dim);
  ForEachConverted(encoder, value, value_dim, [&](size_t first, size_t lanes, const std::byte* elements) {
    for (size_t i = 0; i < lanes; ++i)
      std::memcpy(values + PackedOffset(CachePacking(format), kPagePositions, first + i, slot), elements + i * kBytes,
                  kBytes);
  });
  encoder.StoreScale(values + ValueScalesOffset(format, value_dim), slot);
}

template <CacheFormat format>
void StoreCache(const float* key, const float* value, size_t key_dim, size_t value_dim, size_t slot, std::byte* keys,
                std::byte* values) {
  StoreKey<format>(key, key_dim, slot, keys);
  StoreValue<format>(value, value_dim, slot, values);
}
