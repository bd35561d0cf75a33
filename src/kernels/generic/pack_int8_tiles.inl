// Rounding of activations to int8, packed for generic/gemm_int8_tiles.inl.

inline void PackTiledInt8Row(const KernelTable::PackArgs& args, size_t row) {
  const size_t whole = args.padded_depth / kInt8TileDepth * kInt8TileDepth;
  const float* x = args.x + row * args.stride;
  const float scale = args.row_scales[row] = FiniteScale(x, args.depth, 127.0f);
  const bool is_finite = scale == scale;
  const float inverse = is_finite ? 1.0f / scale : 0.0f;
  const TiledInt8Row to = FindTiledInt8Row(args, row);
  Int sum = SetInt(0);
  for (size_t k = 0; k < args.padded_depth; k += kLanes) {
    const size_t count = args.padded_depth - k < kLanes ? args.padded_depth - k : kLanes;
    Word words[kLanes / 4];
    PackInt8Codes(x, k, is_finite ? args.depth : 0, inverse, sum, words);
    std::byte* codes = k < whole
                           ? to.codes.tiles + k / kInt8TileDepth * kInt8TileDepth * to.codes.step + k % kInt8TileDepth
                           : to.codes.rest + (k - whole);
    std::memcpy(codes, words, count);
  }
  const int start = -StoredZero(args.weights) * SumInts(sum);
  std::memcpy(to.start, &start, 4);
}

inline void PackTiledInt8(const KernelTable::PackArgs& args) {
  const size_t end_row = RowBlockBegin(args.rows, args.end_block);
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < end_row; ++row) PackTiledInt8Row(args, row);
}
