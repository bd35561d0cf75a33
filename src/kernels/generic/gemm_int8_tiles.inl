// Products of INT8 weights and int8 activations by tiles, for more rows than a block of the other tiers. Whoever
// includes this has defined, beside what gemm_tiles.inl asks for,
//   MultiplyInt8Tiles<sum, a, b>()   sum [rows][16] += a [rows][signed bytes] x b [unsigned bytes][16]
// Sums of integers are exact, so the bits are those of every tier.
//
// Activations: a block of r rows, 32 but for the last, is [r] start values (layout.h), then [depth / 64][r][64 codes],
// and what the depth leaves, [r][rest codes].

constexpr size_t kInt8TileDepth = 64;
constexpr size_t kInt8PartDepth = 1024;  // whose codes take 32 KB of the first-level cache

// Where a row of int8 activations lies.
struct TiledInt8Row {
  std::byte* start = nullptr;
  TiledRow codes;
};
inline TiledInt8Row FindTiledInt8Row(const KernelTable::PackArgs& args, size_t row) {
  const size_t rest = args.padded_depth % kInt8TileDepth;
  const size_t first = row / kTiledRows * kTiledRows;
  const size_t rows = args.rows - first < kTiledRows ? args.rows - first : kTiledRows;
  std::byte* block = static_cast<std::byte*>(args.packed) + Int8ActivationBytes(args.weights, first, args.padded_depth);
  std::byte* codes = block + 4 * rows;
  return {.start = block + 4 * (row - first),
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

// Up to 32 rows of activations and the codes of a panel's weights for a part of the depth.
struct Int8Part {
  const std::byte* starts = nullptr;       // of the block
  const std::byte* activations = nullptr;  // of the block
  size_t rows = 0;
  size_t block_depth = 0;  // of the whole block
  const std::byte* weights = nullptr;
  size_t first = 0, end = 0;  // the depth of the part

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

// A part of the depth added to the counts [rows][32].
template <bool lower>
inline void AddInt8Part(const Int8Part& part, float* counts) {
  StartSums<lower>(counts, part.first == 0);
  size_t k = part.first;
  for (; k + kInt8TileDepth <= part.end; k += kInt8TileDepth)
    MultiplyInt8Tile<lower>(part.TileAt(k), part.RowBytes(k), part.WeightsAt(k));
  if (k != part.end) MultiplyInt8Rest<lower>(part, k);
  StoreSums<lower>(counts);
}

// The counts [rows][32] plus the start values of the rows, as floats in their place. Counts of great depths wrap, and
// so must what brings them back.
inline void FinishCounts(const std::byte* starts, size_t rows, float* sums) {
  for (size_t row = 0; row < rows; ++row, sums += kPanelColumns) {
    uint32_t start = 0, counts[kPanelColumns];
    std::memcpy(&start, starts + 4 * row, 4);
    std::memcpy(counts, sums, sizeof counts);
    for (size_t i = 0; i < kPanelColumns; ++i) sums[i] = static_cast<float>(static_cast<int32_t>(counts[i] + start));
  }
}

// One part of the depth of a panel for all row blocks of a group; the last part finishes their output.
inline void MultiplyInt8Group(const GemmArgs& args, TileSession& session, Int8Part part, size_t panel, size_t first_row,
                              size_t end_row, float* sums) {
  for (size_t row = first_row; row < end_row; row += kTiledRows, sums += kTiledRows * kPanelColumns) {
    part.rows = end_row - row < kTiledRows ? end_row - row : kTiledRows;
    part.starts =
        static_cast<const std::byte*>(args.activations) + Int8ActivationBytes(WeightFormat::kInt8, row, args.depth);
    part.activations = part.starts + 4 * part.rows;
    part.block_depth = args.depth;
    session.Rows(part.rows);
    part.rows > kTileRows ? AddInt8Part<true>(part, sums) : AddInt8Part<false>(part, sums);
    if (part.end != args.depth) continue;
    FinishCounts(part.starts, part.rows, sums);
    FinishBlock(args, panel, row, part.rows, sums);
  }
}

inline void GemmInt8Tiles(const GemmArgs& args) {
  TileSession session;
  alignas(64) float sums[kGroupRows * kPanelColumns];
  for (size_t first_row = 0; first_row < args.rows; first_row += kGroupRows) {
    const size_t end_row = args.rows - first_row < kGroupRows ? args.rows : first_row + kGroupRows;
    for (size_t panel = args.first_panel; panel < args.end_panel; ++panel) {
      const std::byte* weights =
          static_cast<const std::byte*>(args.weights) + panel * PanelBytes(WeightFormat::kInt8, args.depth);
      for (size_t k = 0; k < args.depth; k += kInt8PartDepth) {
        const Int8Part part{.weights = weights + k * kPanelColumns,
                            .first = k,
                            .end = args.depth - k < kInt8PartDepth ? args.depth : k + kInt8PartDepth};
        MultiplyInt8Group(args, session, part, panel, first_row, end_row, sums);
      }
    }
  }
}
