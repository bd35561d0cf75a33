// Products of E4M3 weights in blocks. Within a block of the depth they are those of E4M3: a chain of its own, which
// enters the sum times the scales of the columns, and of the rows' activations where these have some.

// sums [rows][32] += chains [rows][32] * scales. Denormals are zeros if the caller says so to the processor.
inline void AddBlock(const GemmArgs& args, const BlockPlace& place, const float* scales, const float* chains,
                     float* sums) {
  const BlockFactors factors = FactorsOf(args, place, scales);
  for (size_t row = 0; row < place.rows; ++row, chains += kPanelColumns, sums += kPanelColumns) {
    const Float factor = RowFactor(factors, row);
    for (size_t c = 0; c < kPanelColumns; c += kLanes)
      Store(Fma(Load(chains + c), Mul(Load(scales + c), factor), Load(sums + c)), sums + c);
  }
}

// A part of the depth, which begins with a block, for a row block and one panel or two.
struct BlockPart {
  size_t first_row = 0, rows = 0, panels = 0, k = 0, depth = 0;
};

// Adds a part to sums [panels][rows][32]: multiply(k within the part, codes, depth, chains) adds the products of a
// block to chains of zeros in the order of the sums.
template <class Multiply>
inline void MultiplyBlocks(const GemmArgs& args, const BlockPart& part, const std::byte* weights, float* sums,
                           Multiply&& multiply) {
  const size_t panel_bytes = PanelBytes(WeightFormat::kE4M3Block, args.depth), of_panel = part.rows * kPanelColumns;
  alignas(64) float chains[kRowBlock * kPanelColumns];
  const DenormalsAreZero mode;
  for (size_t k = 0; k < part.depth; k += kFp8Block, weights += RecordBytes(WeightFormat::kE4M3Block)) {
    const size_t depth = BlockDepth(part.depth - k);
    Clear(chains, part.panels * of_panel);
    multiply(k, weights, depth, chains);
    for (size_t p = 0; p < part.panels; ++p) {
      const float* scales = BlockScales(weights + p * panel_bytes, depth);
      for (size_t line = 0; line < kFp8ScaleBytes; line += 64)
        PrefetchStream<Packed<1>>(reinterpret_cast<const std::byte*>(scales) + line);
      AddBlock(args, {part.first_row, part.rows, part.k + k}, scales, chains + p * of_panel, sums + p * of_panel);
    }
  }
}
