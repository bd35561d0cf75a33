// Attention over the paged cache, as AttendArgs in kernel_table.h defines it: up to kAttendRows rows, pairs of token
// and head, share one walk over the pages; the tier says how many its products take at a time. A row's bits don't
// depend on its neighbours: positions that it doesn't see weigh exactly 0, and adding 0 to its sums changes nothing.

constexpr float kLowest = -3.402823466e+38f;
constexpr size_t kBlockPages = kAttendBlock / kPagePositions;
constexpr size_t kPiecePages = kAttendPiece / kPagePositions;
constexpr size_t kValuePanels = kMaxHeadDim / kPanelColumns;
constexpr size_t kTileFloats = kAttendRows * kPanelColumns;

// Writes a vector of a row as operand words: BF16 pairs where the tier multiplies those, else (rounded) floats.
template <CacheFormat format>
inline Float StoreOperand(Float x, size_t at, std::byte* row) {
  if constexpr (format == CacheFormat::kF32) {
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

// The same of probabilities, times a scale of the cache or not: positive and far from overflow, or a quiet NaN.
template <CacheFormat format>
inline Float StoreProbability(Float x, size_t at, std::byte* row) {
  if constexpr (format == CacheFormat::kF32) {
    return StoreOperand<format>(x, at, row);
  } else {
    const Int code = RoundProbability(x);
    const Float rounded = AsFloat(And(code, SetInt(static_cast<int>(0xFFFF0000))));
    if constexpr (kMultipliesPairs) {
      StoreLow16(ShiftRight<16>(code), row + 2 * at);
    } else {
      Store(rounded, reinterpret_cast<float*>(row) + at);
    }
    return rounded;
  }
}

// e^x of one number.
inline float ExpOf(float x) {
  float lanes[kLanes];
  Store(Exp(Set(x)), lanes);
  return lanes[0];
}

// What earlier and later positions count in the sums over both.
struct JoinWeights {
  float greatest, before, behind;
};
inline JoinWeights JoinTotals(float greatest, float& total, float later_greatest, float later_total) {
  const float both = later_greatest > greatest ? later_greatest : greatest;
  const JoinWeights weights{both, ExpOf(greatest - both), ExpOf(later_greatest - both)};
  total = total * weights.before + later_total * weights.behind;
  return weights;
}
inline Float JoinSums(const JoinWeights& weights, Float before, Float behind) {
  return Add(Mul(before, Set(weights.before)), Mul(behind, Set(weights.behind)));
}

// A row's output. Denormals count as zero and zeros are positive, so that a page of unseen positions changes no bit.
inline Float FinishSums(Float sums, float total) {
  const Float x = Select(Less(Abs(sums), Set(1.17549435e-38f)), Zero(), sums);
  return Add(Div(x, Set(total)), Zero());
}

// The softmax of some rows over some positions: sums of values [panels][kAttendRows][32].
struct RowSums {
  float greatest[kAttendRows], total[kAttendRows];
  alignas(64) float values[kValuePanels * kTileFloats];

  void Start(size_t rows, size_t panels) {
    for (size_t r = 0; r < rows; ++r) {
      greatest[r] = kLowest;
      total[r] = 0;
    }
    for (size_t panel = 0; panel < panels; ++panel) Clear(values + panel * kTileFloats, rows * kPanelColumns);
  }

  void Join(const RowSums& later, size_t rows, size_t panels) {
    for (size_t r = 0; r < rows; ++r) {
      const JoinWeights weights = JoinTotals(greatest[r], total[r], later.greatest[r], later.total[r]);
      greatest[r] = weights.greatest;
      for (size_t panel = 0; panel < panels; ++panel) {
        const size_t at = panel * kTileFloats + r * kPanelColumns;
        for (size_t i = at; i < at + kPanelColumns; i += kLanes)
          Store(JoinSums(weights, Load(values + i), Load(later.values + i)), values + i);
      }
    }
  }
};

template <CacheFormat format>
class AttendRows {
 public:
  AttendRows(const AttendArgs& args, size_t first_row, size_t rows)
      : args_(args), first_row_(first_row), rows_(rows), panels_(Panels(args.value_dim)) {
    for (size_t r = 0; r < rows; ++r) {
      last_[r] = args.first_position + (first_row + r) / args.group;
      first_[r] = args.window == 0 || last_[r] + 1 < args.window ? 0 : last_[r] + 1 - args.window;
      StoreQuery(r);
    }
    // Rows ascend in position, so the first sees the earliest page and the last the latest.
    begin_page_ = first_[0] / kPagePositions;
    end_page_ = last_[rows_ - 1] / kPagePositions + 1;
  }

  void Run() {
    const size_t first = begin_page_ / kPiecePages, last = (end_page_ - 1) / kPiecePages;
    AddPiece(first);
    if (first < last) {
      // What was before the first piece adds nothing.
      RowSums joined;
      joined.Start(rows_, panels_);
      joined.Join(sums_, rows_, panels_);
      for (size_t piece = first + 1; piece <= last; ++piece) {
        AddPiece(piece);
        joined.Join(sums_, rows_, panels_);
      }
      for (size_t r = 0; r < rows_; ++r) StoreRow(r, joined);
    } else {
      for (size_t r = 0; r < rows_; ++r) StoreRow(r, sums_);
    }
  }

  void RunPiece(size_t piece, float* partials) {
    AddPiece(piece);
    for (size_t r = 0; r < rows_; ++r) {
      float* partial = partials + (first_row_ + r) * PartialFloats(args_.value_dim);
      ForEachSum(r, sums_, [&](Float sums, size_t c, size_t lanes) { StorePart(sums, partial + c, lanes); });
      partial[args_.value_dim] = sums_.greatest[r];
      partial[args_.value_dim + 1] = sums_.total[r];
    }
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

  // Sums over what the rows see of a piece.
  void AddPiece(size_t piece) {
    sums_.Start(rows_, panels_);
    const size_t begin = piece * kPiecePages, end = begin + kPiecePages;
    const size_t end_page = end < end_page_ ? end : end_page_;
    for (size_t page = begin > begin_page_ ? begin : begin_page_; page < end_page;) {
      const size_t next = page / kBlockPages * kBlockPages + kBlockPages;
      AddBlock(page, next < end_page ? next : end_page);
      page = next;
    }
  }

  // The matrix of a page at `offset`.
  CacheMatrix MatrixOf(size_t page, size_t offset) const {
    const size_t later = page + kBlockPages;
    const std::byte* const from = args_.pages[page];
    return {from + offset, later < end_page_ ? args_.pages[later] - from : 0};
  }

  void AddBlock(size_t first_page, size_t end_page) {
    for (size_t page = first_page; page < end_page; ++page) {
      float* scores = scores_ + page % kBlockPages * kTileFloats;
      Clear(scores, rows_ * kPanelColumns);
      MultiplyScratch<format>(rows_, queries_, MatrixOf(page, args_.key_offset), PaddedDepth(kPacking, args_.key_dim),
                              scores);
    }
    for (size_t r = 0; r < rows_; ++r) {
      const bool sees_all = first_[r] <= first_page * kPagePositions && last_[r] + 1 >= end_page * kPagePositions;
      sees_all ? AddRow<true>(r, first_page, end_page) : AddRow<false>(r, first_page, end_page);
    }
    for (size_t panel = 0; panel < panels_; ++panel) {
      const size_t offset = args_.value_offset + panel * PanelBytes(kPacking, kPagePositions);
      for (size_t page = first_page; page < end_page; ++page) {
        MultiplyScratch<format>(rows_, probabilities_ + page % kBlockPages * kPagePositions * kOperandBytes,
                                MatrixOf(page, offset), kPagePositions, sums_.values + panel * kTileFloats);
      }
    }
  }

  // The softmax step of one row: its scores become probabilities, its sums shrink to the new greatest score.
  template <bool sees_all>
  void AddRow(size_t r, size_t first_page, size_t end_page) {
    const size_t key_scales = args_.key_offset + KeyScalesOffset(format, args_.key_dim);
    const size_t value_scales = args_.value_offset + ValueScalesOffset(format, args_.value_dim);
    const auto shown = [](Mask visible, Float x, Float otherwise) {
      return sees_all ? x : Select(visible, x, otherwise);
    };
    const float* const bias =
        args_.bias == nullptr ? nullptr : args_.bias + static_cast<ptrdiff_t>(first_row_ + r) * args_.bias_stride;
    Float greatest = Set(sums_.greatest[r]);
    ForEachVector<sees_all>(r, first_page, end_page, [&](float* scores, Mask visible, size_t page, size_t slot) {
      Float x = Load(scores);
      if constexpr (HasCacheScales(format)) x = Mul(x, LoadScales(page, key_scales, slot));
      x = Mul(x, Set(args_.scale));
      if (args_.softcap > 0) x = Mul(Set(args_.softcap), Tanh(Div(x, Set(args_.softcap))));
      if (bias != nullptr) x = Add(x, Load(bias + page * kPagePositions + slot));
      Store(x, scores);
      greatest = Max(shown(visible, x, Set(kLowest)), greatest);
    });
    const float new_greatest = MaxLanes(greatest);
    const float before = ExpOf(sums_.greatest[r] - new_greatest);
    sums_.greatest[r] = new_greatest;

    Float total = Zero();
    std::byte* row = probabilities_ + r * kScratchRowBytes;
    ForEachVector<sees_all>(r, first_page, end_page, [&](float* scores, Mask visible, size_t page, size_t slot) {
      const Float x = shown(visible, Exp(Sub(Load(scores), Set(new_greatest))), Zero());
      const size_t at = page % kBlockPages * kPagePositions + slot;
      if constexpr (HasCacheScales(format)) {
        StoreProbability<format>(shown(visible, Mul(x, LoadScales(page, value_scales, slot)), Zero()), at, row);
        total = Add(total, x);
      } else {
        total = Add(total, StoreProbability<format>(x, at, row));
      }
    });
    sums_.total[r] = sums_.total[r] * before + SumLanes(total);
    if (before != 1) Shrink(r, before);
  }

  Float LoadScales(size_t page, size_t offset, size_t slot) const {
    return Load(reinterpret_cast<const float*>(args_.pages[page] + offset) + slot);
  }

  // visit(scores, visible, page, slot in it) for each vector of positions of the pages. What is visible isn't looked at
  // where all are.
  template <bool sees_all, class Visit>
  void ForEachVector(size_t r, size_t first_page, size_t end_page, Visit&& visit) {
    [[maybe_unused]] const Int before_first = SetInt(static_cast<int>(first_[r]) - 1),
                               after_last = SetInt(static_cast<int>(last_[r]) + 1);
    for (size_t page = first_page; page < end_page; ++page) {
      for (size_t i = 0; i < kPagePositions; i += kLanes) {
        Mask visible = {};
        if constexpr (!sees_all) {
          const Int position = AddInt(SetInt(static_cast<int>(page * kPagePositions + i)), Iota());
          visible = Both(LessInt(before_first, position), LessInt(position, after_last));
        }
        visit(scores_ + page % kBlockPages * kTileFloats + r * kPanelColumns + i, visible, page, i);
      }
    }
  }

  void Shrink(size_t r, float factor) {
    for (size_t panel = 0; panel < panels_; ++panel) {
      float* sums = sums_.values + panel * kTileFloats + r * kPanelColumns;
      for (size_t i = 0; i < kPanelColumns; i += kLanes) Store(Mul(Load(sums + i), Set(factor)), sums + i);
    }
  }

  // visit(sums, first of their columns, how many) over the vectors of a row.
  template <class Visit>
  void ForEachSum(size_t r, const RowSums& sums, Visit&& visit) const {
    for (size_t c = 0; c < args_.value_dim; c += kLanes) {
      const size_t lanes = args_.value_dim - c < kLanes ? args_.value_dim - c : kLanes;
      visit(Load(sums.values + c / kPanelColumns * kTileFloats + r * kPanelColumns + c % kPanelColumns), c, lanes);
    }
  }

  void StoreRow(size_t r, const RowSums& sums) const {
    const size_t row = first_row_ + r;
    float* out = args_.out + row / args_.group * args_.out_token_stride + row % args_.group * args_.value_dim;
    ForEachSum(r, sums,
               [&](Float x, size_t c, size_t lanes) { StorePart(FinishSums(x, sums.total[r]), out + c, lanes); });
  }

  static constexpr WeightFormat kPacking = CachePacking(format);
  // Bytes of an operand's element: half a pair, or a float.
  static constexpr size_t kOperandBytes = format != CacheFormat::kF32 && kMultipliesPairs ? 2 : 4;

  const AttendArgs& args_;
  size_t first_row_, rows_, panels_, begin_page_ = 0, end_page_ = 0;
  size_t first_[kAttendRows], last_[kAttendRows];
  alignas(64) std::byte queries_[kAttendRows * kScratchRowBytes];
  alignas(64) std::byte probabilities_[kAttendRows * kScratchRowBytes];
  alignas(64) float scores_[kBlockPages * kTileFloats];
  RowSums sums_;
};

// visit(first row, rows) for each walk over the pages.
template <class Visit>
inline void ForEachWalk(const AttendArgs& args, Visit&& visit) {
  const size_t rows = args.tokens * args.group;
  for (size_t row = 0; row < rows; row += kAttendRows) visit(row, rows - row < kAttendRows ? rows - row : kAttendRows);
}

template <CacheFormat format>
void Attend(const AttendArgs& args) {
  ForEachWalk(args, [&](size_t row, size_t rows) { AttendRows<format>(args, row, rows).Run(); });
}

template <CacheFormat format>
void AttendPiece(const AttendArgs& args, size_t piece, float* partials) {
  ForEachWalk(args, [&](size_t row, size_t rows) { AttendRows<format>(args, row, rows).RunPiece(piece, partials); });
}
