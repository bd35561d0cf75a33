// Packing of activations into the blocks of generic/gemm_tiles.inl.

// code(row, k, x) gives the BF16 bits of a vector of values from k on in the lower halves of its lanes.
template <class Code>
inline void PackTiledRows(const KernelTable::PackArgs& args, Code&& code) {
  const size_t end_row = RowBlockBegin(args.rows, args.end_block), rest = args.padded_depth % kTileDepth;
  const size_t whole = args.padded_depth - rest;
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < end_row; ++row) {
    const float* x = args.x + row * args.stride;
    const TiledRow to = FindTiledRow(args, row);
    for (size_t k = 0; k + kTileDepth <= args.padded_depth; k += kTileDepth) {
      for (size_t i = 0; i < kTileDepth; i += kLanes)
        StoreLow16(code(row, k + i, LoadPadded(x, k + i, args.depth)), to.tiles + k * to.step + 2 * i);
    }
    if (rest == 0) continue;
    alignas(64) std::byte last[kTileBytes];
    for (size_t i = 0; i < kTileDepth; i += kLanes)
      StoreLow16(code(row, whole + i, LoadPadded(x, whole + i, args.depth)), last + 2 * i);
    std::memcpy(to.rest, last, 2 * rest);
  }
}

inline void PackTiledBf16(const KernelTable::PackArgs& args) {
  PackTiledRows(args, [](size_t, size_t, Float x) { return ToBf16Bits(x); });
}

inline void PackTiledE4M3(const KernelTable::PackArgs& args) {
  FindRowScales(args);
  PackTiledRows(args, [&](size_t row, size_t, Float x) { return ToE4M3AsBf16(Div(x, Set(args.row_scales[row]))); });
}

inline void PackTiledE4M3Blocks(const KernelTable::PackArgs& args) {
  FindBlockScales(args);
  PackTiledRows(args, [&](size_t row, size_t k, Float x) { return ToBlockE4M3AsBf16(args, row, k, x); });
}
