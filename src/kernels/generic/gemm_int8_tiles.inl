// Products of integer weights and int8 activations by tiles, for more rows than a block of the other tiers. Whoever
// includes this has defined, beside what gemm_tiles.inl asks for,
//   MultiplyInt8Tiles<sum, a, b>()                   sum [rows][16] += a [rows][signed bytes] x b [unsigned bytes][16]
//   DecodeInt4<format>(from, depth, codes, scales)   INT4 as records of INT8 and floats
// Sums of integers are exact, so the bits are those of every tier.
//
// Activations: a block of r rows, 32 but for the last, is [groups][r] start values (layout.h), then [depth / 64][r][64
// codes], and what the depth leaves, [r][rest codes].

constexpr size_t kInt8TileDepth = 64;
constexpr size_t kInt8PartDepth = 1024;  // whose codes take 32 KB of the first-level cache

// Where a row of int8 activations lies.
struct TiledInt8Row {
  std::byte* start = nullptr;  // of its first group; the next one's is start_step bytes further
  size_t start_step = 0;
  TiledRow codes;
};
inline TiledInt8Row FindTiledInt8Row(const KernelTable::PackArgs& args, size_t row) {
  const size_t groups = IntegerGroups(args.weights, args.padded_depth), rest = args.padded_depth % kInt8TileDepth;
  const size_t first = row / kTiledRows * kTiledRows;
  const size_t rows = args.rows - first < kTiledRows ? args.rows - first : kTiledRows;
  std::byte* block = static_cast<std::byte*>(args.packed) + Int8ActivationBytes(args.weights, first, args.padded_depth);
  std::byte* codes = block + 4 * groups * rows;
  return {.start = block + 4 * (row - first),
          .start_step = 4 * rows,
          .codes = {.tiles = codes + (row - first) * kTileBytes,
                    .step = rows,
                    .rest = codes + rows * (args.padded_depth - rest) + (row - first) * rest}};
}

template <bool lower>
inline void MultiplyInt8Tile(const std::byte* activations, size_t row, const std::byte* weights) {
  LoadTile<6>(weights, kRecordBytes);
  LoadTile<4>(activations, row);
  LoadTile<7>(weights + kTileBytes, kRecordBytes);
  if constexpr (lower) LoadTile<5>(activations + kTileRows * row, row);
  MultiplyInt8Tiles<0, 4, 6>();
  MultiplyInt8Tiles<1, 4, 7>();
  if constexpr (lower) {
    MultiplyInt8Tiles<2, 5, 6>();
    MultiplyInt8Tiles<3, 5, 7>();
  }
}

// Up to 32 rows of activations and the codes of a panel's weights, as records of INT8, for a part of the depth.
struct Int8Part {
  const std::byte* starts = nullptr;       // of the block's groups
  const std::byte* activations = nullptr;  // of the block
  size_t rows = 0;
  size_t block_depth = 0;  // of the whole block
  const std::byte* weights = nullptr;
  const float* scales = nullptr;  // [groups of the part][32]
  size_t first = 0, end = 0;      // the depth of the part

  const std::byte* TileAt(size_t k) const {
    return activations + k / kInt8TileDepth * kInt8TileDepth * rows + k % kInt8TileDepth;
  }
  // Between rows: what the depth leaves behind whole tiles stands closer.
  size_t RowBytes(size_t k) const {
    const size_t whole = block_depth / kInt8TileDepth * kInt8TileDepth;
    return k < whole ? kTileBytes : block_depth - whole;
  }
  const std::byte* WeightsAt(size_t k) const { return weights + (k - first) * kPanelColumns; }
};

// The last tile of a depth that ends within it, its rows and the weights copied to meet zeros.
template <bool lower>
inline void MultiplyInt8Rest(const Int8Part& part, size_t k) {
  alignas(64) std::byte activations[kTiledRows * kTileBytes] = {};
  alignas(64) std::byte weights[kInt8TileDepth / 4 * kRecordBytes] = {};
  const size_t depth = part.end - k;
  for (size_t row = 0; row < part.rows; ++row)
    std::memcpy(activations + row * kTileBytes, part.activations + k * part.rows + row * depth, depth);
  std::memcpy(weights, part.WeightsAt(k), depth * kPanelColumns);
  MultiplyInt8Tile<lower>(activations, kTileBytes, weights);
}

// A part of the depth of INT8 added to the counts [rows][32].
template <bool lower>
inline void AddInt8Part(const Int8Part& part, float* counts) {
  StartSums<lower>(counts, part.first == 0);
  size_t k = part.first;
  for (; k + kInt8TileDepth <= part.end; k += kInt8TileDepth)
    MultiplyInt8Tile<lower>(part.TileAt(k), part.RowBytes(k), part.WeightsAt(k));
  if (k != part.end) MultiplyInt8Rest<lower>(part, k);
  StoreSums<lower>(counts);
}

// sums [rows][32] = or += (counts + start values of the rows) * scales.
template <bool is_grouped>
inline void AddCounts(const float* counts, const std::byte* starts, size_t rows, const float* scales, float* sums) {
  for (size_t row = 0; row < rows; ++row, sums += kPanelColumns, counts += kPanelColumns) {
    int32_t start = 0, count[kPanelColumns];
    std::memcpy(&start, starts + 4 * row, 4);
    std::memcpy(count, counts, sizeof count);
    for (size_t i = 0; i < kPanelColumns; ++i) {
      const auto exact = static_cast<float>(count[i] + start);
      sums[i] = is_grouped ? std::fma(exact, scales[i], sums[i]) : exact;
    }
  }
}

// The groups of a part of INT4 added to the sums [rows][32]. A group of 32 is half a tile wide.
template <size_t group, bool lower>
inline void AddInt4Part(const Int8Part& part, float* sums) {
  constexpr size_t kStep = group < kInt8TileDepth ? group : kInt8TileDepth;
  alignas(64) float counts[kTiledRows * kPanelColumns];
  const float* scales = part.scales;
  for (size_t begin = part.first; begin < part.end; begin += group, scales += kPanelColumns) {
    StartSums<lower>(counts, /*is_first=*/true);
    for (size_t k = begin; k < begin + group; k += kStep)
      MultiplyInt8Tile<lower>(part.TileAt(k), part.RowBytes(k), part.WeightsAt(k));
    StoreSums<lower>(counts);
    AddCounts<true>(counts, part.starts + 4 * part.rows * (begin / group), part.rows, scales, sums);
  }
}

// One part of the depth of a panel for all row blocks of a group; the last part finishes their output.
template <WeightFormat format>
inline void MultiplyInt8Group(const GemmArgs& args, TileSession& session, Int8Part part, size_t panel, size_t first_row,
                              size_t end_row, float* sums) {
  constexpr size_t kGroup = Int4Group(format);
  const size_t groups = IntegerGroups(format, args.depth);
  for (size_t row = first_row; row < end_row; row += kTiledRows, sums += kTiledRows * kPanelColumns) {
    part.rows = end_row - row < kTiledRows ? end_row - row : kTiledRows;
    part.starts = static_cast<const std::byte*>(args.activations) + Int8ActivationBytes(format, row, args.depth);
    part.activations = part.starts + 4 * groups * part.rows;
    part.block_depth = args.depth;
    session.Rows(part.rows, kGroup == 32 ? 32 : kTileBytes);
    if constexpr (kGroup == 0) {
      part.rows > kTileRows ? AddInt8Part<true>(part, sums) : AddInt8Part<false>(part, sums);
    } else {
      if (part.first == 0) std::memset(sums, 0, part.rows * kPanelColumns * 4);
      part.rows > kTileRows ? AddInt4Part<kGroup, true>(part, sums) : AddInt4Part<kGroup, false>(part, sums);
    }
    if (part.end != args.depth) continue;
    if (kGroup == 0) AddCounts<false>(sums, part.starts, part.rows, nullptr, sums);
    FinishBlock(args, panel, row, part.rows, sums);
  }
}

template <WeightFormat format>
void GemmInt8Tiles(const GemmArgs& args) {
  constexpr size_t kGroup = Int4Group(format);
  TileSession session;
  alignas(64) float sums[kGroupRows * kPanelColumns];
  alignas(64) std::byte codes[kInt8PartDepth * kPanelColumns];
  alignas(64) float scales[kInt8PartDepth / 32 * kPanelColumns];
  for (size_t first_row = 0; first_row < args.rows; first_row += kGroupRows) {
    const size_t end_row = args.rows - first_row < kGroupRows ? args.rows : first_row + kGroupRows;
    for (size_t panel = args.first_panel; panel < args.end_panel; ++panel) {
      const std::byte* weights = static_cast<const std::byte*>(args.weights) + panel * PanelBytes(format, args.depth);
      for (size_t k = 0; k < args.depth; k += kInt8PartDepth) {
        Int8Part part{.first = k, .end = args.depth - k < kInt8PartDepth ? args.depth : k + kInt8PartDepth};
        const std::byte* from = weights + k / RecordDepth(format) * RecordBytes(format);
        if constexpr (kGroup == 0) {
          part.weights = from;
        } else {
          DecodeInt4<format>(from, part.end - k, codes, scales);
          part.weights = codes;
          part.scales = scales;
        }
        MultiplyInt8Group<format>(args, session, part, panel, first_row, end_row, sums);
      }
    }
  }
}
