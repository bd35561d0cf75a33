// Packing of activations row by row, for generic/gemm_tiles.inl.

// code(row, x) gives the BF16 bits of a vector of values in the lower halves of its lanes.
template <class Code>
inline void PackTiledRows(const KernelTable::PackArgs& args, Code&& code) {
  const size_t end_row = RowBlockBegin(args.rows, args.end_block);
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < end_row; ++row) {
    const float* x = args.x + row * args.stride;
    std::byte* to = static_cast<std::byte*>(args.packed) + row * args.padded_depth * 2;
    size_t k = 0;
    for (; k + kLanes <= args.depth; k += kLanes) StoreLow16(code(row, Load(x + k)), to + 2 * k);
    if (k == args.padded_depth) continue;
    alignas(64) std::byte last[2 * kLanes];
    StoreLow16(code(row, LoadPadded(x, k, args.depth)), last);
    std::memcpy(to + 2 * k, last, 2 * (args.padded_depth - k));
  }
}

inline void PackTiledBf16(const KernelTable::PackArgs& args) {
  PackTiledRows(args, [](size_t, Float x) { return ToBf16Bits(x); });
}

inline void PackTiledE4M3(const KernelTable::PackArgs& args) {
  FindRowScales(args);
  PackTiledRows(args, [&](size_t row, Float x) { return ToE4M3AsBf16(Div(x, Set(args.row_scales[row]))); });
}
