// The loops around the micro-kernels: panels outside, row blocks inside, so that a panel stays in the cache for all
// rows.

// Columns column .. column + lanes - 1 of a block: sums [rows][32] from that column on, scaled, to the output.
template <class Put>
inline void FinishColumns(const GemmArgs& args, size_t column, size_t lanes, size_t first_row, size_t rows,
                          const float* sums, Put&& put) {
  const Float one = Set(1), scales = args.column_scales != nullptr ? LoadPart(args.column_scales + column, lanes) : one;
  const Float bias = args.bias != nullptr ? LoadPart(args.bias + column, lanes) : Zero();
  for (size_t row = first_row; row < first_row + rows; ++row, sums += kPanelColumns) {
    Float x = Mul(Load(sums), scales);
    if (args.row_scales != nullptr) x = Mul(x, Set(args.row_scales[row]));
    if (args.bias != nullptr) x = Add(x, bias);  // -0 stays where there is none
    put(x, args.out + row * args.out_stride + column);
  }
}

// The sums of a block times its scales, plus the bias: only the columns that the matrix has.
inline void FinishBlock(const GemmArgs& args, size_t panel, size_t first_row, size_t rows, const float* sums) {
  const size_t begin = panel * kPanelColumns;
  for (size_t i = 0; i < kPanelColumns && begin + i < args.columns; i += kLanes) {
    const size_t left = args.columns - begin - i;
    if (left >= kLanes) {
      FinishColumns(args, begin + i, kLanes, first_row, rows, sums + i, [](Float x, float* to) { Store(x, to); });
    } else {
      FinishColumns(args, begin + i, left, first_row, rows, sums + i,
                    [&](Float x, float* to) { StorePart(x, to, left); });
    }
  }
}

// Asks for the lines that FinishBlock will write. Rows lie pages apart, so that nothing else foresees them, and the
// stores would wait for memory one after the other.
inline void PrefetchOutput(const GemmArgs& args, size_t panel, size_t first_row, size_t rows) {
  const float* to = args.out + first_row * args.out_stride + panel * kPanelColumns;
  for (size_t row = 0; row < rows; ++row, to += args.out_stride) {
    __builtin_prefetch(to, 1);
    __builtin_prefetch(to + kPanelColumns / 2, 1);
  }
}

inline void Clear(float* to, size_t count) {
  for (size_t i = 0; i < count; i += kLanes) {
    Store(Zero(), to + i);
    asm volatile("" : : : "memory");  // or the compiler calls memset, which takes longer to begin
  }
}

inline const std::byte* PanelOf(const GemmArgs& args, WeightFormat format, size_t panel) {
  return static_cast<const std::byte*>(args.weights) + panel * PanelBytes(format, args.depth);
}

// BF16 activations of a block of rows from a position of the depth on.
inline const std::byte* BlockAt(const GemmArgs& args, size_t first_row, size_t rows, size_t k) {
  return static_cast<const std::byte*>(args.activations) +
         ActivationBytes(ActivationFormat::kBf16, first_row, args.depth) + 2 * k * rows;
}

// Two panels at a time keep the adders of one or two rows busy; more rows fill them with one.
inline size_t PanelsAtATime(const GemmArgs& args, size_t panel) {
  return args.rows <= kPairedRows && panel + 1 < args.end_panel ? 2 : 1;
}

// Row blocks that share one decoding of the weights, whose sums wait in 64 KB: a prompt of 512 tokens is one.
constexpr size_t kSharedBlocks = 64;

// The product of many rows with weights that are decoded, `part` of the depth at a time, which holds whole groups:
// decode(weights, depth) once, then add(first_row, rows, k, depth, sums) for each block of rows.
template <WeightFormat format, size_t part, class Decode, class Add>
inline void GemmDecoded(const GemmArgs& args, Decode&& decode, Add&& add) {
  alignas(64) float sums[kSharedBlocks * kRowBlock * kPanelColumns];
  const size_t blocks = RowBlocks(args.rows);
  for (size_t panel = args.first_panel; panel < args.end_panel; ++panel) {
    for (size_t begin = 0; begin < blocks; begin += kSharedBlocks) {
      const size_t end = begin + kSharedBlocks < blocks ? begin + kSharedBlocks : blocks;
      for (size_t k = 0; k < args.depth; k += part) {
        const size_t depth = args.depth - k < part ? args.depth - k : part;
        decode(PanelOf(args, format, panel) + k / RecordDepth(format) * RecordBytes(format), depth);
        for (size_t block = begin; block < end; ++block) {
          const size_t first_row = RowBlockBegin(args.rows, block);
          const size_t rows = RowBlockBegin(args.rows, block + 1) - first_row;
          float* of_block = sums + (block - begin) * kRowBlock * kPanelColumns;
          if (k == 0) Clear(of_block, rows * kPanelColumns);
          if (k + depth == args.depth) PrefetchOutput(args, panel, first_row, rows);
          add(first_row, rows, k, depth, of_block);
          if (k + depth == args.depth) FinishBlock(args, panel, first_row, rows, of_block);
        }
      }
    }
  }
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
      PrefetchOutput(args, panel, first_row, rows);
      MultiplyPacked<format>(rows, panels, activations, weights, panel_bytes, args.depth, sums);
      for (size_t p = 0; p < panels; ++p)
        FinishBlock(args, panel + p, first_row, rows, sums + p * rows * kPanelColumns);
    }
  }
}
