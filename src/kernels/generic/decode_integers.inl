// Integer weights as floats, for products with BF16 activations: codes less their zero points, exact in FP32 and in
// BF16.

// Four codes of each word go to their places in [2][odd, even][32], the order of AddDecodedProducts.
inline void StoreCodes(Int words, Int zeros, float* to) {
  const Int byte = SetInt(255);
  Store(ToFloats(SubInt(And(words, byte), zeros)), to + 32);
  Store(ToFloats(SubInt(And(ShiftRight<8>(words), byte), zeros)), to);
  Store(ToFloats(SubInt(And(ShiftRight<16>(words), byte), zeros)), to + 96);
  Store(ToFloats(SubInt(ShiftRight<24>(words), zeros)), to + 64);
}

// One record: its codes, and of INT4 its 32 scales.
template <WeightFormat format>
inline void DecodeRecord(const std::byte* record, float* to, [[maybe_unused]] float* scales) {
  for (size_t c = 0; c < kPanelColumns; c += kLanes) {
    if constexpr (format == WeightFormat::kInt8) {
      StoreCodes(LoadWords(record + 4 * c), SetInt(128), to + c);
    } else {
      const Int halves = SetInt(0x0F0F0F0F);
      const std::byte* behind = record + CodeBytes(format);
      const Int zeros = HasZeros(format) ? Load8(behind + 2 * kPanelColumns + c) : SetInt(8);
      for (size_t step = 0; step < Int4Group(format) / 8; ++step) {
        const Int words = LoadWords(record + step * kRecordBytes + 4 * c);
        StoreCodes(And(words, halves), zeros, to + 256 * step + c);
        StoreCodes(And(ShiftRight<4>(words), halves), zeros, to + 256 * step + 128 + c);
      }
      Store(LoadHalves(behind + 2 * c), scales + c);
    }
  }
}

// `depth` positions of a panel for AddDecodedProducts; scales [groups][32].
template <WeightFormat format>
inline void DecodeIntegers(const std::byte* weights, size_t depth, float* to, float* scales) {
  for (size_t k = 0; k < depth; k += RecordDepth(format), weights += RecordBytes(format)) {
    PrefetchStream<Packed<1>>(weights);
    DecodeRecord<format>(weights, to, scales);
    to += RecordDepth(format) * kPanelColumns;
    if constexpr (Int4Group(format) != 0) scales += kPanelColumns;
  }
}
