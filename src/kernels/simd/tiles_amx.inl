// The tiles of AMX, for generic/gemm_tiles.inl: eight registers of 16 rows of 64 bytes in each thread. They are written
// as instructions, since the compilers' intrinsics name registers by macros.

// How the processor is told the shape of its tiles (Intel SDM, LDTILECFG).
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles are set up while a product runs and given back behind it, so that the system needn't save them.
class TileSession {
 public:
  TileSession() = default;
  TileSession(const TileSession&) = delete;
  TileSession& operator=(const TileSession&) = delete;
  ~TileSession() { asm volatile("tilerelease" ::: "memory"); }

  void Rows(size_t rows) {
    if (rows == rows_) return;
    rows_ = rows;
    const size_t upper = rows < 16 ? rows : 16, lower = rows - upper;
    TileShapes shapes;
    for (const int tile : {0, 1, 4}) Shape(shapes, tile, upper);
    for (const int tile : {2, 3, 5}) Shape(shapes, tile, lower);
    for (const int tile : {6, 7}) Shape(shapes, tile, 16);
    asm volatile("ldtilecfg %0" ::"m"(shapes));
  }

 private:
  static void Shape(TileShapes& shapes, int tile, size_t rows) {
    shapes.rows[tile] = static_cast<uint8_t>(rows);
    shapes.row_bytes[tile] = static_cast<uint16_t>(rows == 0 ? 0 : 64);
  }

  size_t rows_ = 0;
};

template <int tile>
inline void ZeroTile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(tile));
}
template <int tile>
inline void LoadTile(const void* from, size_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
inline void StoreTile(void* to, size_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(tile) : "memory");
}
template <int sum, int a, int b>
inline void MultiplyBf16Tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sum), "i"(a), "i"(b));
}

template <int sum, int a, int b>
inline void MultiplyInt8Tiles() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sum), "i"(a), "i"(b));
}

// Four k of a panel of codes as the two records of BF16 that hold the same numbers.
template <class Decoder>
inline void DecodeRecord(const Decoder& decoder, const std::byte* from, std::byte* to) {
  for (size_t tile = 0; tile < 2; ++tile) {
    Int first, second;
    decoder.Decode(from + tile * 64, first, second);
    _mm512_store_si512(to + tile * 64, first);
    _mm512_store_si512(to + kRecordBytes + tile * 64, second);
  }
}

inline void DecodeNvfp4Record(const std::byte* from, std::byte* to) {
  ForEachNvfp4Pair<2>(
      _mm512_load_si512(kNvfp4.values), from, 0,
      [&](const Float(&odd)[2], const Float(&even)[2], size_t pair) __attribute__((always_inline)) {
        _mm512_store_si512(to + pair * kRecordBytes, JoinPair(odd[0], even[0]));
        _mm512_store_si512(to + pair * kRecordBytes + 64, JoinPair(odd[1], even[1]));
      },
      std::make_index_sequence<2>());
}

inline void DecodeInt8Record(const std::byte* from, std::byte* to) {
  for (size_t tile = 0; tile < 2; ++tile) {
    const Int words = LoadWords(from + tile * 64);
    _mm512_store_si512(to + tile * 64, JoinPair(Int8Value<1>(words), Int8Value<0>(words)));
    _mm512_store_si512(to + kRecordBytes + tile * 64, JoinPair(Int8Value<3>(words), Int8Value<2>(words)));
  }
}

template <WeightFormat format>
inline void DecodeToBf16(const std::byte* from, std::byte* to) {
  if constexpr (format == WeightFormat::kNvfp4) return DecodeNvfp4Record(from, to);
  if constexpr (format == WeightFormat::kInt8) return DecodeInt8Record(from, to);
  DecodeRecord(E4M3Decoder(), from, to);
}
