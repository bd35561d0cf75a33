// The loops around the micro-kernels: panels outside, row blocks inside, so that a panel stays in the cache for all
// rows.

// Adds the tile [rows][32] of `sums` to the output: scales, bias, and only the columns that the matrix has.
inline void FinishRow(const GemmArgs& args, size_t row, size_t column, const float* sums) {
  float* out = args.out + row * args.out_stride + column;
  const size_t count = args.columns - column < kPanelColumns ? args.columns - column : kPanelColumns;
  for (size_t i = 0; i < count; i += kLanes) {
    const size_t lanes = count - i < kLanes ? count - i : kLanes;
    Float x = Load(sums + i);
    if (args.column_scales != nullptr) x = Mul(x, LoadPart(args.column_scales + column + i, lanes));
    if (args.row_scales != nullptr) x = Mul(x, Set(args.row_scales[row]));
    if (args.bias != nullptr) x = Add(x, LoadPart(args.bias + column + i, lanes));
    StorePart(x, out + i, lanes);
  }
}

inline void FinishBlock(const GemmArgs& args, size_t panel, size_t first_row, size_t rows, const float* sums) {
  for (size_t r = 0; r < rows; ++r) FinishRow(args, first_row + r, panel * kPanelColumns, sums + r * kPanelColumns);
}

inline void Clear(float* to, size_t count) {
  for (size_t i = 0; i < count; i += kLanes) Store(Zero(), to + i);
}

inline const std::byte* PanelOf(const GemmArgs& args, WeightFormat format, size_t panel) {
  return static_cast<const std::byte*>(args.weights) + panel * PanelBytes(format, args.depth);
}

// Two panels at a time keep the adders of one or two rows busy; more rows fill them with one.
inline size_t PanelsAtATime(const GemmArgs& args, size_t panel) {
  return args.rows <= kPairedRows && panel + 1 < args.end_panel ? 2 : 1;
}

// The product whose micro-kernel reads packed activations and weights as they lie.
template <WeightFormat format>
void GemmInPlace(const GemmArgs& args) {
  const size_t panel_bytes = PanelBytes(format, args.depth);
  alignas(64) float sums[kRowBlock * kPanelColumns];
  for (size_t panel = args.first_panel, panels = 0; panel < args.end_panel; panel += panels) {
    panels = PanelsAtATime(args, panel);
    const std::byte* weights = PanelOf(args, format, panel);
    for (size_t block = 0; block < RowBlocks(args.rows); ++block) {
      const size_t first_row = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first_row;
      const std::byte* activations = static_cast<const std::byte*>(args.activations) +
                                     ActivationBytes(ActivationsOf(format), first_row, args.depth);
      Clear(sums, panels * rows * kPanelColumns);
      MultiplyPacked<format>(rows, panels, activations, weights, panel_bytes, args.depth, sums);
      for (size_t p = 0; p < panels; ++p)
        FinishBlock(args, panel + p, first_row, rows, sums + p * rows * kPanelColumns);
    }
  }
}
