// Products by tiles, for CPUs with a matrix unit. Whoever includes this has defined, for tiles 0 .. 7,
//   TileSession                        sets the tiles up: Rows(n), n <= 32, gives 0, 1 and 4 the first 16 of n rows,
//                                      2, 3 and 5 those beyond, 6 and 7 all 16; rows are of 64 bytes
//   ZeroTile<t>(), LoadTile<t>(from, stride), StoreTile<t>(to, stride)
//   MultiplyBf16Tiles<sum, a, b>()     sum [rows][16] += a [rows][16 pairs] x b [16 pairs][16 columns]
//   DecodeToBf16<format>(from, to)     a record of a panel as the records of BF16 that hold the same numbers
//   AddBlock(args, place, scales, chains, sums)   sums [rows][32] += chains [rows][32] * scales (gemm_blocks.inl)
//   DenormalsAreZero                   while it lives, denormals are zeros there
//   FinishBlock(args, panel, first_row, rows, sums)   sums [rows][32], scaled and with bias, to the output
// Four tiles hold the sums of up to 32 rows and a panel's 32 columns; the records of BF16 weights are tiles as they
// lie.
//
// Activations of such a tier are packed for the tiles: a block of r rows, 32 but for the last, is [depth / 32][r][64
// bytes], and what the depth leaves, [r][2 * rest bytes], so that a block is one forward stream.

constexpr size_t kTileRows = 16, kTileBytes = 64, kTilePairs = 16;
constexpr size_t kTileDepth = 2 * kTilePairs;
constexpr size_t kTiledRows = 2 * kTileRows;
// Depth whose weights stay in the first-level cache for all rows: 40 KB of BF16. Its sums wait in memory, for at most
// so many rows. Activations of a part stay in the second-level cache; those of a depth of several parts don't, so there
// each part meets some panels before the next part comes.
constexpr size_t kPartDepth = 640;
constexpr size_t kGroupRows = 512;
constexpr size_t kGroupPanels = 4;

// Where a row of packed activations lies.
struct TiledRow {
  std::byte* tiles = nullptr;  // its first 64 bytes
  size_t step = 0;             // bytes of the block for each k
  std::byte* rest = nullptr;   // what the depth leaves behind whole tiles
};
inline TiledRow FindTiledRow(const KernelTable::PackArgs& args, size_t row) {
  const size_t first = row / kTiledRows * kTiledRows, rest = args.padded_depth % kTileDepth;
  const size_t rows = args.rows - first < kTiledRows ? args.rows - first : kTiledRows;
  std::byte* block = static_cast<std::byte*>(args.packed) + 2 * first * args.padded_depth;
  return {.tiles = block + (row - first) * kTileBytes,
          .step = 2 * rows,
          .rest = block + 2 * (rows * (args.padded_depth - rest) + (row - first) * rest)};
}

// Weights of a part of the depth: whole tiles, and the rest with zeros behind it.
struct TiledPart {
  const std::byte* weights = nullptr;
  const std::byte* rest = nullptr;  // of the last tile, where the depth ends within it
  size_t depth = 0;
  bool is_first = false;  // its sums start at zero
  bool streams = false;   // from memory, for few rows
};

// Up to 32 rows of activations: distances in bytes between rows and between tiles.
struct TiledRows {
  const std::byte* first = nullptr;
  size_t count = 0;
  size_t row = 0, tile = 0;
  size_t rest_row = 0;  // between rows of what the depth leaves
};

template <bool lower>
inline void StartSums(const float* sums, bool is_first) {
  constexpr size_t kStride = kPanelColumns * 4;
  if (is_first) {
    ZeroTile<0>();
    ZeroTile<1>();
    if constexpr (lower) {
      ZeroTile<2>();
      ZeroTile<3>();
    }
    return;
  }
  LoadTile<0>(sums, kStride);
  LoadTile<1>(sums + kTileRows, kStride);
  if constexpr (lower) {
    LoadTile<2>(sums + kTileRows * kPanelColumns, kStride);
    LoadTile<3>(sums + kTileRows * kPanelColumns + kTileRows, kStride);
  }
}

template <bool lower>
inline void StoreSums(float* sums) {
  constexpr size_t kStride = kPanelColumns * 4;
  StoreTile<0>(sums, kStride);
  StoreTile<1>(sums + kTileRows, kStride);
  if constexpr (lower) {
    StoreTile<2>(sums + kTileRows * kPanelColumns, kStride);
    StoreTile<3>(sums + kTileRows * kPanelColumns + kTileRows, kStride);
  }
}

template <bool lower>
inline void MultiplyTile(const std::byte* activations, size_t row, const std::byte* weights) {
  // Loads first: with products between them the processor takes 10 % longer.
  LoadTile<6>(weights, kRecordBytes);
  LoadTile<4>(activations, row);
  LoadTile<7>(weights + kTileBytes, kRecordBytes);
  if constexpr (lower) LoadTile<5>(activations + kTileRows * row, row);
  MultiplyBf16Tiles<0, 4, 6>();
  MultiplyBf16Tiles<1, 4, 7>();
  if constexpr (lower) {
    MultiplyBf16Tiles<2, 5, 6>();
    MultiplyBf16Tiles<3, 5, 7>();
  }
}

// The step that the depth ends in: what lies behind a row is another's, so rows are copied to meet zeros.
template <bool lower>
inline void MultiplyRest(const TiledRows& rows, const std::byte* activations, const TiledPart& part) {
  alignas(64) std::byte copy[kTiledRows * kTileBytes] = {};
  for (size_t row = 0; row < rows.count; ++row)
    std::memcpy(copy + row * kTileBytes, activations + row * rows.rest_row, 2 * (part.depth % kTileDepth));
  MultiplyTile<lower>(copy, kTileBytes, part.rest);
}

template <bool lower, bool streams>
inline void MultiplyHalves(const TiledPart& part, const TiledRows& rows, float* sums) {
  constexpr size_t kStepBytes = kTilePairs * kRecordBytes;
  StartSums<lower>(sums, part.is_first);
  const std::byte* weights = part.weights;
  const std::byte* activations = rows.first;
  for (size_t k = kTileDepth; k <= part.depth; k += kTileDepth) {
    if constexpr (streams)
      for (size_t line = 0; line < kStepBytes; line += 64) PrefetchStream<Packed<1>>(weights + line);
    MultiplyTile<lower>(activations, rows.row, weights);
    activations += rows.tile;
    weights += kStepBytes;
  }
  if (part.rest != nullptr) MultiplyRest<lower>(rows, activations, part);
  StoreSums<lower>(sums);
}

// Adds a part of the depth to the sums [rows][32]; more than 16 rows have a lower half.
inline void MultiplyTiles(const TiledPart& part, const TiledRows& rows, float* sums) {
  if (rows.count > kTileRows)
    MultiplyHalves<true, false>(part, rows, sums);
  else if (part.streams)
    MultiplyHalves<false, true>(part, rows, sums);
  else
    MultiplyHalves<false, false>(part, rows, sums);
}

// The weights behind the whole tiles of a depth, with zeros behind them, in a tile of each half panel; null for none.
inline const std::byte* PaddedRest(const std::byte* weights, size_t depth, std::byte* scratch) {
  const size_t whole = depth / kTileDepth * kTileDepth, bytes = (depth - whole) / 2 * kRecordBytes;
  if (bytes == 0) return nullptr;
  std::memcpy(scratch, weights + whole / 2 * kRecordBytes, bytes);
  std::memset(scratch + bytes, 0, kTilePairs * kRecordBytes - bytes);
  return scratch;
}

// E4M3 in blocks as records of BF16.
inline void DecodeBlocks(const std::byte* from, size_t depth, std::byte* to) {
  for (size_t k = 0; k < depth; k += kFp8Step, from += kRecordBytes, to += 2 * kRecordBytes) {
    if (k != 0 && k % kFp8Block == 0) from += kFp8ScaleBytes;
    for (size_t line = 0; line < kRecordBytes; line += 64) PrefetchStream<Packed<1>>(from + line);
    DecodeToBf16<WeightFormat::kE4M3>(from, to);
  }
}

// The weights of a panel from k on as tiles of BF16: in place, or decoded into `scratch`.
template <WeightFormat format>
inline TiledPart TiledWeights(const std::byte* panel, size_t k, size_t depth, std::byte* scratch) {
  TiledPart part{.depth = depth, .is_first = k == 0};
  const size_t whole = depth / kTileDepth * kTileDepth;
  if constexpr (format == WeightFormat::kBf16) {
    part.weights = panel + k / 2 * kRecordBytes;
    part.rest = PaddedRest(part.weights, depth, scratch);
    return part;
  }
  part.weights = scratch;
  const std::byte* from = panel + k / RecordDepth(format) * RecordBytes(format);
  if constexpr (format == WeightFormat::kE4M3Block) {
    DecodeBlocks(from, depth, scratch);
  } else {
    for (size_t i = 0; i < depth; i += RecordDepth(format), from += RecordBytes(format)) {
      for (size_t line = 0; line < RecordBytes(format); line += 64) PrefetchStream<Packed<1>>(from + line);
      DecodeToBf16<format>(from, scratch + i / 2 * kRecordBytes);
    }
  }
  if (whole == depth) return part;
  part.rest = scratch + whole / 2 * kRecordBytes;
  std::memset(scratch + depth / 2 * kRecordBytes, 0, (whole + kTileDepth - depth) / 2 * kRecordBytes);
  return part;
}

// Parts of equal length, whole units but for the last.
inline size_t PartDepth(size_t depth, size_t unit) {
  const size_t units = (depth + unit - 1) / unit, most = kPartDepth / unit;
  const size_t parts = (units + most - 1) / most;
  return parts == 0 ? unit : (units + parts - 1) / parts * unit;
}

// The blocks of a part: tiles add a chain for each, which joins the sums [rows][32]. `codes` is the part as packed.
[[gnu::noinline]] inline void MultiplyBlocksByTiles(const GemmArgs& args, const BlockPlace& place,
                                                    const TiledPart& part, const std::byte* codes, TiledRows rows,
                                                    float* sums) {
  alignas(64) float chains[2][kTiledRows * kPanelColumns];
  const DenormalsAreZero mode;
  if (part.is_first) std::memset(sums, 0, rows.count * kPanelColumns * sizeof(float));
  const auto close = [&](size_t block) {
    const size_t k = block * kFp8Block;
    const float* scales =
        BlockScales(codes + block * RecordBytes(WeightFormat::kE4M3Block), BlockDepth(part.depth - k));
    AddBlock(args, {place.first_row, place.rows, place.k + k}, scales, chains[block % 2], sums);
  };
  const size_t blocks = Fp8Blocks(part.depth);
  for (size_t i = 0; i < blocks; ++i) {
    TiledPart block = part;
    block.depth = BlockDepth(part.depth - i * kFp8Block);
    block.weights += i * kFp8Block / 2 * kRecordBytes;
    if (i + 1 != blocks) block.rest = nullptr;
    block.is_first = true;
    MultiplyTiles(block, rows, chains[i % 2]);
    if (i != 0) close(i - 1);  // while the tiles multiply
    rows.first += kFp8Block / kTileDepth * rows.tile;
  }
  close(blocks - 1);
}

// One part of the depth of a panel for all row blocks of a group; the last part finishes their output.
template <WeightFormat format>
inline void MultiplyGroup(const GemmArgs& args, TileSession& session, const TiledPart& part, size_t k, size_t panel,
                          size_t first_row, size_t end_row, float* sums) {
  for (size_t row = first_row; row < end_row; row += kTiledRows, sums += kTiledRows * kPanelColumns) {
    const size_t rows = end_row - row < kTiledRows ? end_row - row : kTiledRows;
    const TiledRows block{.first = static_cast<const std::byte*>(args.activations) + 2 * (row * args.depth + k * rows),
                          .count = rows,
                          .row = kTileBytes,
                          .tile = rows * kTileBytes,
                          .rest_row = 2 * (part.depth % kTileDepth)};
    session.Rows(rows);
    if constexpr (format == WeightFormat::kE4M3Block) {
      const std::byte* codes = static_cast<const std::byte*>(args.weights) + panel * PanelBytes(format, args.depth) +
                               k / kFp8Block * RecordBytes(format);
      MultiplyBlocksByTiles(args, {row, rows, k}, part, codes, block, sums);
    } else {
      MultiplyTiles(part, block, sums);
    }
    if (k + part.depth == args.depth) FinishBlock(args, panel, row, rows, sums);
  }
}

template <WeightFormat format>
void GemmTiles(const GemmArgs& args) {
  TileSession session;
  alignas(64) float sums[kGroupPanels][kGroupRows * kPanelColumns];
  alignas(64) std::byte scratch[kPartDepth / 2 * kRecordBytes];
  const size_t part_depth = PartDepth(args.depth, format == WeightFormat::kE4M3Block ? kFp8Block : kTileDepth);
  const size_t panels = part_depth < args.depth ? kGroupPanels : 1;
  for (size_t group = 0; group < args.rows; group += kGroupRows) {
    const size_t end_row = args.rows - group < kGroupRows ? args.rows : group + kGroupRows;
    for (size_t first = args.first_panel; first < args.end_panel; first += panels) {
      const size_t end = args.end_panel - first < panels ? args.end_panel : first + panels;
      for (size_t k = 0; k < args.depth; k += part_depth) {
        const size_t depth = args.depth - k < part_depth ? args.depth - k : part_depth;
        for (size_t panel = first; panel < end; ++panel) {
          const std::byte* weights =
              static_cast<const std::byte*>(args.weights) + panel * PanelBytes(format, args.depth);
          TiledPart part = TiledWeights<format>(weights, k, depth, scratch);
          part.streams = format == WeightFormat::kBf16 && args.rows <= kStreamedRows;
          MultiplyGroup<format>(args, session, part, k, panel, group, end_row, sums[panel - first]);
        }
      }
    }
  }
}
