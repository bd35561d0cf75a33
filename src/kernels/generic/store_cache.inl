// One position's key and value into a page of the cache (layout.h): converted a vector at a time, then each word to its
// record.

template <ActivationFormat format>
inline void StoreElements(Float x, std::byte* to) {
  if constexpr (format == ActivationFormat::kF32)
    Store(x, reinterpret_cast<float*>(to));
  else
    StoreLow16(ToBf16Bits(x), to);
}

// visit(index, converted elements) for each vector of x; lanes beyond `count` are zeros.
template <ActivationFormat format, class Visit>
inline void ForEachConverted(const float* x, size_t count, Visit&& visit) {
  alignas(64) std::byte elements[4 * kLanes];
  for (size_t i = 0; i < count; i += kLanes) {
    const size_t lanes = count - i < kLanes ? count - i : kLanes;
    StoreElements<format>(LoadPart(x + i, lanes), elements);
    visit(i, lanes, elements);
  }
}

// A key is a column of a packed matrix: a float, or a pair of BF16, in each record.
template <ActivationFormat format>
inline void StoreKey(const float* key, size_t key_dim, size_t slot, std::byte* keys) {
  constexpr size_t kInRecord = format == ActivationFormat::kF32 ? 1 : 2;
  ForEachConverted<format>(key, key_dim, [&](size_t first, size_t lanes, const std::byte* elements) {
    for (size_t i = 0; i < lanes; i += kInRecord)
      std::memcpy(keys + (first + i) / kInRecord * kRecordBytes + 4 * slot, elements + i * (4 / kInRecord), 4);
  });
}

// A value is a row: elements of one size apart in a record of each panel.
template <ActivationFormat format>
inline void StoreValue(const float* value, size_t value_dim, size_t slot, std::byte* values) {
  constexpr size_t kInRecord = format == ActivationFormat::kF32 ? 1 : 2, kElement = 4 / kInRecord;
  constexpr size_t kPage = kPagePositions / kInRecord * kRecordBytes;
  ForEachConverted<format>(value, value_dim, [&](size_t first, size_t lanes, const std::byte* elements) {
    std::byte* to = values + first / kPanelColumns * kPage + slot / kInRecord * kRecordBytes +
                    4 * (first % kPanelColumns) + slot % kInRecord * kElement;
    for (size_t i = 0; i < lanes; ++i) std::memcpy(to + 4 * i, elements + i * kElement, kElement);
  });
}

template <ActivationFormat format>
void StoreCache(const float* key, const float* value, size_t key_dim, size_t value_dim, size_t slot, std::byte* keys,
                std::byte* values) {
  StoreKey<format>(key, key_dim, slot, keys);
  StoreValue<format>(value, value_dim, slot, values);
}
