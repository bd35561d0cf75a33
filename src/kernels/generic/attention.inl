// Attention over the paged cache, as AttendArgs in kernel_table.h defines it: up to kAttendRows rows, pairs of token
// and head, share one walk over the pages; the tier says how many its products take at a time. A row's bits don't
// depend on its neighbours: positions that it doesn't see weigh exactly 0, and adding 0 to its sums changes nothing.

constexpr WeightFormat CacheFormat(ActivationFormat format) {
  return format == ActivationFormat::kF32 ? WeightFormat::kF32 : WeightFormat::kBf16;
}
constexpr float kLowest = -3.402823466e+38f;
constexpr size_t kBlockPages = kAttendBlock / kPagePositions;
constexpr size_t kValuePanels = kMaxHeadDim / kPanelColumns;
constexpr size_t kTileFloats = kAttendRows * kPanelColumns;

// Writes a vector of a row as operand words: BF16 pairs where the tier multiplies those, else (rounded) floats.
template <ActivationFormat format>
inline Float StoreOperand(Float x, size_t at, std::byte* row) {
  if constexpr (format == ActivationFormat::kF32) {
    Store(x, reinterpret_cast<float*>(row) + at);
    return x;
  } else if constexpr (kMultipliesPairs) {
    const Int code = ToBf16Bits(x);
    StoreLow16(code, row + 2 * at);
    return AsFloat(ShiftLeft<16>(code));
  } else {
    const Float rounded = RoundToBf16(x);
    Store(rounded, reinterpret_cast<float*>(row) + at);
    return rounded;
  }
}

template <ActivationFormat format>
class AttendRows {
 public:
  AttendRows(const AttendArgs& args, size_t first_row, size_t rows) : args_(args), first_row_(first_row), rows_(rows) {
    for (size_t r = 0; r < rows; ++r) {
      last_[r] = args.first_position + (first_row + r) / args.group;
      first_[r] = args.window == 0 || last_[r] + 1 < args.window ? 0 : last_[r] + 1 - args.window;
      greatest_[r] = kLowest;
      total_[r] = 0;
      StoreQuery(r);
    }
    for (size_t panel = 0; panel < Panels(args.value_dim); ++panel)
      Clear(sums_ + panel * kTileFloats, rows * kPanelColumns);
  }

  void Run() {
    // Rows ascend in position, so the first sees the earliest page and the last the latest.
    end_page_ = last_[rows_ - 1] / kPagePositions + 1;
    for (size_t page = first_[0] / kPagePositions; page < end_page_;) {
      const size_t next = page / kBlockPages * kBlockPages + kBlockPages;
      AddBlock(page, next < end_page_ ? next : end_page_);
      page = next;
    }
    for (size_t r = 0; r < rows_; ++r) StoreRow(r);
  }

 private:
  void StoreQuery(size_t r) {
    const size_t row = first_row_ + r;
    const float* query = args_.query + row / args_.group * args_.query_token_stride + row % args_.group * args_.key_dim;
    for (size_t k = 0; k < args_.key_dim; k += kLanes) {
      const size_t lanes = args_.key_dim - k < kLanes ? args_.key_dim - k : kLanes;
      StoreOperand<format>(LoadPart(query + k, lanes), k, queries_ + r * kScratchRowBytes);
    }
  }

  // Few rows wait for the cache, whose pages don't follow each other: each is asked for while the one before it is
  // multiplied.
  void Prefetch(size_t page, size_t end_page, size_t offset, size_t bytes) const {
    if (rows_ > kRowBlock || page >= end_page) return;
    const std::byte* from = args_.pages[page] + offset;
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
  }

  void AddBlock(size_t first_page, size_t end_page) {
    constexpr WeightFormat kFormat = CacheFormat(format);
    const size_t key_bytes = PanelBytes(kFormat, args_.key_dim);
    const size_t value_bytes = Panels(args_.value_dim) * PanelBytes(kFormat, kPagePositions);
    for (size_t page = first_page; page < end_page; ++page) {
      Prefetch(page, end_page, args_.value_offset, value_bytes);
      Prefetch(page + 1, end_page_, args_.key_offset, key_bytes);
      float* scores = scores_ + page % kBlockPages * kTileFloats;
      Clear(scores, rows_ * kPanelColumns);
      MultiplyScratch<format>(rows_, queries_, args_.pages[page] + args_.key_offset,
                              PaddedDepth(kFormat, args_.key_dim), scores);
    }
    for (size_t r = 0; r < rows_; ++r) AddRow(r, first_page, end_page);
    for (size_t panel = 0; panel < Panels(args_.value_dim); ++panel) {
      const size_t offset = args_.value_offset + panel * PanelBytes(kFormat, kPagePositions);
      for (size_t page = first_page; page < end_page; ++page) {
        MultiplyScratch<format>(rows_, probabilities_ + page % kBlockPages * kPagePositions * kOperandBytes,
                                args_.pages[page] + offset, kPagePositions, sums_ + panel * kTileFloats);
      }
    }
  }

  // The softmax step of one row: its scores become probabilities, its sums shrink to the new greatest score.
  void AddRow(size_t r, size_t first_page, size_t end_page) {
    Float greatest = Set(greatest_[r]);
    ForEachVector(r, first_page, end_page, [&](float* scores, Mask visible, size_t) {
      Float x = Mul(Load(scores), Set(args_.scale));
      if (args_.softcap > 0) x = Mul(Set(args_.softcap), Tanh(Div(x, Set(args_.softcap))));
      Store(x, scores);
      greatest = Max(Select(visible, x, Set(kLowest)), greatest);
    });
    const float new_greatest = MaxLanes(greatest);
    float before[kLanes];
    Store(Exp(Sub(Set(greatest_[r]), Set(new_greatest))), before);
    greatest_[r] = new_greatest;

    Float total = Zero();
    std::byte* row = probabilities_ + r * kScratchRowBytes;
    ForEachVector(r, first_page, end_page, [&](float* scores, Mask visible, size_t at) {
      const Float x = Select(visible, Exp(Sub(Load(scores), Set(new_greatest))), Zero());
      total = Add(total, StoreOperand<format>(x, at, row));
    });
    total_[r] = total_[r] * before[0] + SumLanes(total);
    if (before[0] != 1) Shrink(r, before[0]);
  }

  // visit(scores, visible, index in the block) for each vector of positions of the pages.
  template <class Visit>
  void ForEachVector(size_t r, size_t first_page, size_t end_page, Visit&& visit) {
    const Int before_first = SetInt(static_cast<int>(first_[r]) - 1),
              after_last = SetInt(static_cast<int>(last_[r]) + 1);
    for (size_t page = first_page; page < end_page; ++page) {
      for (size_t i = 0; i < kPagePositions; i += kLanes) {
        const Int position = AddInt(SetInt(static_cast<int>(page * kPagePositions + i)), Iota());
        const Mask visible = Both(LessInt(before_first, position), LessInt(position, after_last));
        visit(scores_ + page % kBlockPages * kTileFloats + r * kPanelColumns + i, visible,
              page % kBlockPages * kPagePositions + i);
      }
    }
  }

  void Shrink(size_t r, float factor) {
    for (size_t panel = 0; panel < Panels(args_.value_dim); ++panel) {
      float* sums = sums_ + panel * kTileFloats + r * kPanelColumns;
      for (size_t i = 0; i < kPanelColumns; i += kLanes) Store(Mul(Load(sums + i), Set(factor)), sums + i);
    }
  }

  void StoreRow(size_t r) {
    const size_t row = first_row_ + r;
    float* out = args_.out + row / args_.group * args_.out_token_stride + row % args_.group * args_.value_dim;
    for (size_t c = 0; c < args_.value_dim; c += kLanes) {
      const size_t lanes = args_.value_dim - c < kLanes ? args_.value_dim - c : kLanes;
      const Float sum = Load(sums_ + c / kPanelColumns * kTileFloats + r * kPanelColumns + c % kPanelColumns);
      // Denormals count as zero and zeros are positive, so that a page of unseen positions changes no bit.
      const Float x = Select(Less(Abs(sum), Set(1.17549435e-38f)), Zero(), sum);
      StorePart(Add(Div(x, Set(total_[r])), Zero()), out + c, lanes);
    }
  }

  // Bytes of an operand's element: half a pair, or a float.
  static constexpr size_t kOperandBytes = format == ActivationFormat::kBf16 && kMultipliesPairs ? 2 : 4;

  const AttendArgs& args_;
  size_t first_row_, rows_, end_page_ = 0;
  size_t first_[kAttendRows], last_[kAttendRows];
  float greatest_[kAttendRows], total_[kAttendRows];
  alignas(64) std::byte queries_[kAttendRows * kScratchRowBytes];
  alignas(64) std::byte probabilities_[kAttendRows * kScratchRowBytes];
  alignas(64) float scores_[kBlockPages * kTileFloats];
  alignas(64) float sums_[kValuePanels * kTileFloats];
};

// visit(first row, rows) for each walk over the pages.
template <class Visit>
inline void ForEachWalk(const AttendArgs& args, Visit&& visit) {
  const size_t rows = args.tokens * args.group;
  for (size_t row = 0; row < rows; row += kAttendRows) visit(row, rows - row < kAttendRows ? rows - row : kAttendRows);
}

template <ActivationFormat format>
void Attend(const AttendArgs& args) {
  ForEachWalk(args, [&](size_t row, size_t rows) { AttendRows<format>(args, row, rows).Run(); });
}
