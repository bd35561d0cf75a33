// Attention by tiles: a page of the cache is packed as BF16 weights are, so that its records are tiles as they lie.

template <ActivationFormat format>
inline void MultiplyScratch(size_t rows, const std::byte* activations, const std::byte* weights, size_t depth,
                            float* sums) {
  static_assert(format == ActivationFormat::kBf16);
  alignas(64) std::byte rest[kTilePairs * kRecordBytes];
  const TiledPart part{.weights = weights, .rest = PaddedRest(weights, depth, rest), .depth = depth};
  const TiledRows block{
      .first = activations, .count = rows, .row = kScratchRowBytes, .tile = kTileBytes, .rest_row = kScratchRowBytes};
  MultiplyTiles(part, block, sums);
}
