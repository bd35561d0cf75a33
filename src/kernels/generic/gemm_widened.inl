// Products with BF16 activations on tiers that multiply floats: the activations' pairs are widened first, weights in
// registers for few rows and once per panel for many.

struct WidenedRows {
  alignas(64) float planes[2 * kPlaneFloats];
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(planes); }

  // `pairs` BF16 pairs, however many rows they belong to.
  void Widen(const std::byte* from, size_t pairs) {
    size_t i = 0;
    for (; i + kLanes <= pairs; i += kLanes) Put(LoadWords(from + 4 * i), i);
    if (i < pairs) Put(AsInt(LoadPart(reinterpret_cast<const float*>(from) + i, pairs - i)), i);
  }

 private:
  void Put(Int pairs, size_t at) {
    Store(EvenOf(pairs), planes + at);
    Store(OddOf(pairs), planes + kPlaneFloats + at);
  }
};

// Sums between two parts of the depth wait in the output.
inline void SwapSums(const GemmArgs& args, size_t panel, float* sums, bool store) {
  const size_t column = panel * kPanelColumns;
  const size_t count = args.columns - column < kPanelColumns ? args.columns - column : kPanelColumns;
  for (size_t row = 0; row < args.rows; ++row) {
    float* out = args.out + row * args.out_stride + column;
    for (size_t i = 0; i < count; ++i)
      store ? void(out[i] = sums[row * kPanelColumns + i]) : void(sums[row * kPanelColumns + i] = out[i]);
  }
}

// Up to 8 rows: the depth is cut only where the widened activations would leave the first-level cache.
template <WeightFormat format>
void GemmFewRows(const GemmArgs& args) {
  constexpr size_t kRecord = RecordDepth(format);
  if (args.rows == 0) return;  // the part of the depth is a share of each row
  const size_t panel_bytes = PanelBytes(format, args.depth), rows = args.rows;
  const size_t part = 2 * kPlaneFloats / rows / kRecord * kRecord;
  WidenedRows widened;
  alignas(64) float sums[kRowBlock * kPanelColumns];
  for (size_t k = 0; k < args.depth; k += part) {
    const size_t depth = args.depth - k < part ? args.depth - k : part;
    const bool first = k == 0, last = k + depth == args.depth;
    widened.Widen(BlockAt(args, 0, rows, k), depth / 2 * rows);
    for (size_t panel = args.first_panel, panels = 0; panel < args.end_panel; panel += panels) {
      panels = PanelsAtATime(args, panel);
      const std::byte* weights = PanelOf(args, format, panel) + k / kRecord * RecordBytes(format);
      Clear(sums, panels * rows * kPanelColumns);
      for (size_t p = 0; p < panels && !first; ++p) SwapSums(args, panel + p, sums + p * rows * kPanelColumns, false);
      if constexpr (format == WeightFormat::kE4M3Block) {
        MultiplyBlocks(args, {0, rows, panels, k, depth}, weights, sums,
                       [&](size_t at, const std::byte* codes, size_t count, float* chains) {
                         Multiply<WeightFormat::kE4M3, Planes>(rows, panels, widened.data() + 2 * at * rows, codes,
                                                               panel_bytes, count, chains);
                       });
      } else {
        MultiplyWidened<format>(rows, panels, widened.data(), weights, panel_bytes, depth, sums);
      }
      for (size_t p = 0; p < panels; ++p) {
        float* of_panel = sums + p * rows * kPanelColumns;
        last ? FinishBlock(args, panel + p, 0, rows, of_panel) : SwapSums(args, panel + p, of_panel, true);
      }
    }
  }
}

// Decoded at a time: 16 KB of floats beside activations of 4 KB.
constexpr size_t kDecodedDepth = 128;

template <WeightFormat format>
void GemmManyRows(const GemmArgs& args) {
  WidenedRows widened;
  alignas(64) float weights[kDecodedDepth * kPanelColumns];
  GemmDecoded<format, kDecodedDepth>(
      args, [&](const std::byte* from, size_t depth) { DecodePanel<format>(from, depth, weights); },
      [&](size_t first_row, size_t rows, size_t k, size_t depth, float* sums) {
        const DenormalsAreZero mode;
        widened.Widen(BlockAt(args, first_row, rows, k), depth / 2 * rows);
        MultiplyDecoded(rows, widened.data(), weights, depth, sums);
      });
}

// E4M3 in blocks: what is decoded at a time is a block.
inline void GemmManyBlocks(const GemmArgs& args) {
  constexpr WeightFormat kFormat = WeightFormat::kE4M3Block;
  WidenedRows widened;
  alignas(64) float weights[kFp8Block * kPanelColumns];
  const float* scales = nullptr;
  GemmDecoded<kFormat, kFp8Block>(
      args,
      [&](const std::byte* from, size_t depth) {
        DecodePanel<WeightFormat::kE4M3>(from, depth, weights);
        scales = BlockScales(from, depth);
      },
      [&](size_t first_row, size_t rows, size_t k, size_t depth, float* sums) {
        const DenormalsAreZero mode;
        widened.Widen(BlockAt(args, first_row, rows, k), depth / 2 * rows);
        const BlockFactors factors = FactorsOf(args, {first_row, rows, k}, scales);
        WithRows(rows, [&](auto count) {
          AddDecodedProductsOfBlock<count()>(widened.data(), weights, depth, factors, sums);
        });
      });
}

// INT8, INT4 and NVFP4 weights with BF16 activations, decoded to floats without their scales.
template <WeightFormat format>
void GemmWidenedCodes(const GemmArgs& args) {
  constexpr size_t kGroup = kDecodedDepth / IntegerGroups(format, kDecodedDepth);
  WidenedRows widened;
  alignas(64) float weights[kDecodedDepth * kPanelColumns];
  [[maybe_unused]] alignas(64) float scales[kDecodedDepth / kGroup * kPanelColumns];
  GemmDecoded<format, kDecodedDepth>(
      args,
      [&](const std::byte* from, size_t depth) {
        if constexpr (format == WeightFormat::kNvfp4) {
          DecodeNvfp4Panel(from, depth, weights, scales);
        } else {
          DecodeIntegers<format>(from, depth, weights, scales);
        }
      },
      [&](size_t first_row, size_t rows, size_t k, size_t depth, float* sums) {
        const DenormalsAreZero mode;
        widened.Widen(BlockAt(args, first_row, rows, k), depth / 2 * rows);
        if constexpr (format == WeightFormat::kInt8) {
          MultiplyDecoded(rows, widened.data(), weights, depth, sums);
        } else {
          WithRows(rows, [&](auto count) {
            AddDecodedGroups<count(), kGroup>(widened.data(), weights, scales, depth, sums);
          });
        }
      });
}
