// Products of one or two rows with the bits of the tiles: FMAs over the even and the odd elements of 32 in chains of
// their own, whose sum joins the total. Such rows leave most of a tile idle, and wait for weights from memory, which
// decoding them into scratch for the tiles would delay.

constexpr size_t kChainedRows = 2;

template <size_t rows, size_t tiles, size_t... i>
inline void ClearChains(Tile<rows, tiles>& tile, std::index_sequence<i...>) {
  ((tile.sum[i / tiles][i % tiles] = Zero()), ...);
}

template <size_t rows, size_t tiles, size_t... i>
inline void AddChains(Tile<rows, tiles>& total, const Tile<rows, tiles>& even, const Tile<rows, tiles>& odd,
                      std::index_sequence<i...>) {
  ((total.sum[i / tiles][i % tiles] =
        Add(total.sum[i / tiles][i % tiles], Add(even.sum[i / tiles][i % tiles], odd.sum[i / tiles][i % tiles]))),
   ...);
}

template <size_t rows, size_t tiles>
struct ChainedTile {
  Tile<rows, tiles> even, odd;

  template <size_t... t>
  inline void AddPairs(const std::byte* activations, const Int (&pairs)[tiles], std::index_sequence<t...>) {
    using Operand = Planes<rows>;
    const Float odds[tiles] = {OddOf(pairs[t])...};
    MultiplyAddRows<Operand::kRow>(odd, odds, activations + Operand::kOdd, std::make_index_sequence<rows>());
    const Float evens[tiles] = {EvenOf(pairs[t])...};
    MultiplyAddRows<Operand::kRow>(even, evens, activations, std::make_index_sequence<rows>());
  }

  template <size_t... t>
  inline void AddNvfp4(const std::byte* activations, const std::byte* weights, size_t panel_bytes,
                       std::index_sequence<t...> each_tile) {
    using Operand = Planes<rows>;
    PrefetchNvfp4<Operand>(weights, panel_bytes, each_tile);
    ForEachNvfp4Pair<tiles>(
        _mm512_load_si512(kNvfp4.values), weights, panel_bytes,
        [&](const Float(&odds)[tiles], const Float(&evens)[tiles], size_t pair) __attribute__((always_inline)) {
          const std::byte* from = activations + pair * Operand::kPair;
          MultiplyAddRows<Operand::kRow>(odd, odds, from + Operand::kOdd, std::make_index_sequence<rows>());
          MultiplyAddRows<Operand::kRow>(even, evens, from, std::make_index_sequence<rows>());
        },
        each_tile);
  }

  // Elements k and k + 1 of the four in a record of INT8.
  template <int k, size_t... t>
  inline void AddInt8Pair(const std::byte* activations, const Int (&words)[tiles], std::index_sequence<t...>) {
    using Operand = Planes<rows>;
    const Float odds[tiles] = {Int8Value<k + 1>(words[t])...};
    MultiplyAddRows<Operand::kRow>(odd, odds, activations + Operand::kOdd, std::make_index_sequence<rows>());
    const Float evens[tiles] = {Int8Value<k>(words[t])...};
    MultiplyAddRows<Operand::kRow>(even, evens, activations, std::make_index_sequence<rows>());
  }

  // A record of each tile's panel.
  template <WeightFormat format, size_t... t>
  inline void AddRecord([[maybe_unused]] const E4M3Decoder& decoder, const std::byte* activations,
                        const std::byte* weights, size_t panel_bytes, std::index_sequence<t...> each_tile) {
    if constexpr (format == WeightFormat::kNvfp4) {
      AddNvfp4(activations, weights, panel_bytes, each_tile);
    } else if constexpr (format == WeightFormat::kBf16) {
      PrefetchRecord<Planes<rows>>(weights, panel_bytes, each_tile);
      const Int pairs[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
      AddPairs(activations, pairs, each_tile);
    } else if constexpr (format == WeightFormat::kInt8) {
      PrefetchRecord<Planes<rows>>(weights, panel_bytes, each_tile);
      const Int words[tiles] = {LoadWords(weights + t / 2 * panel_bytes + t % 2 * 64)...};
      AddInt8Pair<0>(activations, words, each_tile);
      AddInt8Pair<2>(activations + Planes<rows>::kPair, words, each_tile);
    } else {
      Int first[tiles], second[tiles];
      PrefetchRecord<Planes<rows>>(weights, panel_bytes, each_tile);
      (decoder.Decode(weights + t / 2 * panel_bytes + t % 2 * 64, first[t], second[t]), ...);
      AddPairs(activations, first, each_tile);
      AddPairs(activations + Planes<rows>::kPair, second, each_tile);
    }
  }
};

// sums [panels][rows][32] += activations x weights; activations in two planes of floats.
template <WeightFormat format, size_t rows, size_t panels>
[[gnu::noinline]] void AddChainedProducts(const std::byte* activations, const std::byte* weights, size_t panel_bytes,
                                          size_t depth, float* sums) {
  constexpr size_t kTiles = 2 * panels, kActivationStep = RecordDepth(format) / 2 * Planes<rows>::kPair;
  const auto each_sum = std::make_index_sequence<rows * kTiles>();
  const E4M3Decoder decoder;
  Tile<rows, kTiles> total;
  LoadTile(total, sums, each_sum);
  for (size_t k = 0; k < depth; k += kTileDepth) {
    ChainedTile<rows, kTiles> chains;
    ClearChains(chains.even, each_sum);
    ClearChains(chains.odd, each_sum);
    const size_t end = depth - k < kTileDepth ? depth - k : kTileDepth;
    for (size_t i = 0; i < end;
         i += RecordDepth(format), weights += RecordBytes(format), activations += kActivationStep) {
      chains.template AddRecord<format>(decoder, activations, weights, panel_bytes, std::make_index_sequence<kTiles>());
    }
    AddChains(total, chains.even, chains.odd, each_sum);
  }
  StoreTile(total, sums, each_sum);
}

// BF16 pairs of rows packed for tiles as floats, even elements in the first plane, odd ones in the second.
inline void WidenTiledRows(const std::byte* from, size_t rows, size_t depth, float* planes) {
  for (size_t k = 0; k < depth; k += kTileDepth) {
    const size_t pairs = (depth - k < kTileDepth ? depth - k : kTileDepth) / 2;
    for (size_t row = 0; row < rows; ++row, planes += 1) {
      for (size_t pair = 0; pair < pairs; ++pair, from += 4) {
        uint32_t bits = 0;
        std::memcpy(&bits, from, 4);
        planes[pair * rows] = std::bit_cast<float>(bits << 16);
        planes[kPlaneFloats + pair * rows] = std::bit_cast<float>(bits & 0xFFFF0000);
      }
    }
    planes += pairs * rows - rows;
  }
}

// The caller sets the mode of denormals.
template <WeightFormat format>
inline void MultiplyChained(size_t rows, size_t panels, const std::byte* activations, const std::byte* weights,
                            size_t panel_bytes, size_t depth, float* sums) {
  if (rows == 2)
    AddChainedProducts<format, 2, 1>(activations, weights, panel_bytes, depth, sums);
  else if (panels == 2)
    AddChainedProducts<format, 1, 2>(activations, weights, panel_bytes, depth, sums);
  else
    AddChainedProducts<format, 1, 1>(activations, weights, panel_bytes, depth, sums);
}

// Up to kChainedRows rows. A depth beyond what the planes hold is widened anew for each panel.
template <WeightFormat format>
void GemmChained(const GemmArgs& args) {
  const size_t rows = args.rows, panel_bytes = PanelBytes(format, args.depth);
  const size_t part = 2 * kPlaneFloats / rows;
  alignas(64) float planes[2 * kPlaneFloats];
  alignas(64) float sums[2 * kPanelColumns];
  for (size_t panel = args.first_panel, panels = 0; panel < args.end_panel; panel += panels) {
    panels = rows <= kPairedRows && panel + 1 < args.end_panel ? 2 : 1;
    std::memset(sums, 0, sizeof sums);
    for (size_t k = 0; k < args.depth; k += part) {
      const size_t depth = args.depth - k < part ? args.depth - k : part;
      if (panel == args.first_panel || depth != args.depth)
        WidenTiledRows(static_cast<const std::byte*>(args.activations) + 2 * k * rows, rows, depth, planes);
      const std::byte* weights = static_cast<const std::byte*>(args.weights) + panel * panel_bytes +
                                 k / RecordDepth(format) * RecordBytes(format);
      const std::byte* activations = reinterpret_cast<const std::byte*>(planes);
      if constexpr (format == WeightFormat::kE4M3Block) {
        MultiplyBlocks(args, {0, rows, panels, k, depth}, weights, sums,
                       [&](size_t at, const std::byte* codes, size_t count, float* chains) {
                         MultiplyChained<WeightFormat::kE4M3>(rows, panels, activations + 2 * at * rows, codes,
                                                              panel_bytes, count, chains);
                       });
      } else {
        const DenormalsAreZero mode;
        MultiplyChained<format>(rows, panels, activations, weights, panel_bytes, depth, sums);
      }
    }
    for (size_t p = 0; p < panels; ++p) FinishBlock(args, panel + p, 0, rows, sums + p * rows * kPanelColumns);
  }
}
