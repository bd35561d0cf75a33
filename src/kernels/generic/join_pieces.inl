// The partials of a row's pieces, joined in their order (generic/attention.inl has the same steps for many rows).

inline void JoinPieces(const float* partials, size_t pieces, size_t stride, size_t value_dim, float* out) {
  alignas(64) float sums[kMaxHeadDim];
  const size_t padded = (value_dim + kLanes - 1) / kLanes * kLanes;
  Clear(sums, padded);
  float greatest = kLowest, total = 0;
  for (size_t piece = 0; piece < pieces; ++piece, partials += stride) {
    const JoinWeights weights = JoinTotals(greatest, total, partials[value_dim], partials[value_dim + 1]);
    greatest = weights.greatest;
    for (size_t c = 0; c < padded; c += kLanes) {
      const Float later = LoadPart(partials + c, value_dim - c < kLanes ? value_dim - c : kLanes);
      Store(JoinSums(weights, Load(sums + c), later), sums + c);
    }
  }
  for (size_t c = 0; c < padded; c += kLanes)
    StorePart(FinishSums(Load(sums + c), total), out + c, value_dim - c < kLanes ? value_dim - c : kLanes);
}
