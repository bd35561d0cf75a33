// Attention by tiles: a page of a BF16 cache is packed as BF16 weights are, so that its records are tiles as they lie;
// codes become such records first.

inline void MultiplyCacheTiles(size_t rows, const std::byte* activations, const std::byte* weights, size_t depth,
                               float* sums) {
  alignas(64) std::byte rest[kTilePairs * kRecordBytes];
  const TiledPart part{.weights = weights, .rest = PaddedRest(weights, depth, rest), .depth = depth};
  const TiledRows block{
      .first = activations, .count = rows, .row = kScratchRowBytes, .tile = kTileBytes, .rest_row = kScratchRowBytes};
  MultiplyTiles(part, block, sums);
}

template <CacheFormat format>
inline void MultiplyScratch(size_t rows, const std::byte* activations, const CacheMatrix& weights, size_t depth,
                            float* sums) {
  PrefetchSuccessor(weights, PanelBytes(CachePacking(format), depth));
  if constexpr (format == CacheFormat::kBf16) {
    MultiplyCacheTiles(rows, activations, weights.data, depth, sums);
  } else {
    alignas(64) std::byte decoded[kMaxHeadDim / 2 * kRecordBytes];
    const CacheDecoder<format> decoder;
    for (size_t k = 0; k < depth; k += 4)
      DecodeRecord(decoder, weights.data + k / 4 * kRecordBytes, decoded + k / 2 * kRecordBytes);
    MultiplyCacheTiles(rows, activations, decoded, depth, sums);
  }
}
