// Rounding of activations to NVFP4 for generic/gemm_tiles.inl: codes times the scales of their blocks, which BF16 holds
// exactly.

inline void PackTiledNvfp4(const KernelTable::PackArgs& args) {
  static_assert(kLanes == kNvfp4Block);
  const size_t end_row = RowBlockBegin(args.rows, args.end_block);
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < end_row; ++row)
    args.row_scales[row] = Nvfp4RowScale(args, row);
  PackTiledRows(args, [&](size_t row, size_t, Float x) {
    const bool is_finite = args.row_scales[row] == args.row_scales[row];
    const Float values = is_finite ? x : Zero();
    const float row_scale = is_finite ? args.row_scales[row] : 1.0f;
    const Float block_scale = Nvfp4BlockScale(Abs(values), row_scale);
    const Float magnitude = E2M1Magnitudes(values, Mul(block_scale, Set(row_scale)));
    return ShiftRight<16>(AsInt(CopySign(Mul(magnitude, block_scale), values)));
  });
}
