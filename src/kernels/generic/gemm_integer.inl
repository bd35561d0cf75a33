// The products of integer or NVFP4 weights and int8 or NVFP4 activations.

template <WeightFormat format, size_t most, ActivationFormat read>
inline void MultiplyIntegers(size_t rows, size_t panels, const std::byte* activations, const std::byte* weights,
                             size_t panel_bytes, size_t depth, float* sums) {
  if (panels == 1) {
    WithRows<most>(rows, [&](auto count) {
      IntegerProducts<format, count(), 1, read>(activations, weights, panel_bytes, depth, sums);
    });
  } else if constexpr (kPairedRows == 0) {
    __builtin_unreachable();
  } else if (rows == 1) {
    IntegerProducts<format, 1, 2, read>(activations, weights, panel_bytes, depth, sums);
  } else {
    IntegerProducts<format, kPairedRows, 2, read>(activations, weights, panel_bytes, depth, sums);
  }
}

// Both as they are packed, for calls whose row blocks are of at most `most` rows.
template <WeightFormat format, size_t most = kRowBlock, ActivationFormat read = ActivationFormat::kInt8>
void GemmInteger(const GemmArgs& args) {
  const size_t panel_bytes = PanelBytes(format, args.depth);
  alignas(64) float sums[2 * kRowBlock * kPanelColumns];  // the micro-kernel may use the second half
  for (size_t panel = args.first_panel, panels = 0; panel < args.end_panel; panel += panels) {
    panels = PanelsAtATime(args, panel);
    for (size_t block = 0; block < RowBlocks(args.rows); ++block) {
      const size_t first_row = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first_row;
      const std::byte* activations =
          static_cast<const std::byte*>(args.activations) + CodedActivationBytes(read, format, first_row, args.depth);
      PrefetchOutput(args, panel, first_row, rows);
      MultiplyIntegers<format, most, read>(rows, panels, activations, PanelOf(args, format, panel), panel_bytes,
                                           args.depth, sums);
      for (size_t p = 0; p < panels; ++p)
        FinishBlock(args, panel + p, first_row, rows, sums + p * rows * kPanelColumns);
    }
  }
}
