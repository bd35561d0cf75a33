// Norm, activations, rotation and searches over one row. Sums run in an order that depends on the count alone.

// body(index, lanes) for each vector of 0 .. count - 1; the last may be partial.
template <class Body>
inline void ForEachVectorOf(size_t count, Body&& body) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, kLanes);
  if (i < count) body(i, count - i);
}

inline void RmsNorm(const float* x, const float* weight, float offset, float eps, size_t count, float* out) {
  DoubleSum squares;
  ForEachVectorOf(count, [&](size_t i, size_t lanes) { squares.AddSquare(LoadPart(x + i, lanes)); });
  const double mean = squares.Total() / static_cast<double>(count) + eps;
  const Float factor = Set(static_cast<float>(1 / __builtin_sqrt(mean)));
  ForEachVectorOf(count, [&](size_t i, size_t lanes) {
    const Float scaled = Mul(LoadPart(x + i, lanes), factor);
    StorePart(Mul(scaled, Add(LoadPart(weight + i, lanes), Set(offset))), out + i, lanes);
  });
}

inline void LayerNorm(const float* x, const float* weight, const float* bias, float eps, size_t count, float* out) {
  DoubleSum sum, squares;
  ForEachVectorOf(count, [&](size_t i, size_t lanes) { sum.Add(LoadPart(x + i, lanes)); });
  const Float mean = Set(static_cast<float>(sum.Total() / static_cast<double>(count)));
  ForEachVectorOf(count, [&](size_t i, size_t lanes) {
    const Mask inside = LessInt(Iota(), SetInt(static_cast<int>(lanes)));
    squares.AddSquare(Select(inside, Sub(LoadPart(x + i, lanes), mean), Zero()));
  });
  const double variance = squares.Total() / static_cast<double>(count) + eps;
  const Float factor = Set(static_cast<float>(1 / __builtin_sqrt(variance)));
  ForEachVectorOf(count, [&](size_t i, size_t lanes) {
    const Float normed = Mul(Sub(LoadPart(x + i, lanes), mean), factor);
    StorePart(Add(Mul(normed, LoadPart(weight + i, lanes)), LoadPart(bias + i, lanes)), out + i, lanes);
  });
}

inline void AddTo(const float* y, size_t count, float* x) {
  ForEachVectorOf(count, [&](size_t i, size_t lanes) {
    StorePart(Add(LoadPart(x + i, lanes), LoadPart(y + i, lanes)), x + i, lanes);
  });
}

inline void Scale(float factor, size_t count, float* x) {
  ForEachVectorOf(count,
                  [&](size_t i, size_t lanes) { StorePart(Mul(LoadPart(x + i, lanes), Set(factor)), x + i, lanes); });
}

inline void Softcap(float cap, size_t count, float* x) {
  ForEachVectorOf(count, [&](size_t i, size_t lanes) {
    StorePart(Mul(Set(cap), Tanh(Div(LoadPart(x + i, lanes), Set(cap)))), x + i, lanes);
  });
}

// x / (1 + e^-x).
inline Float Silu(Float x) { return Div(x, Add(Set(1.0f), Exp(Sub(Zero(), x)))); }

// 0.5 x (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
inline Float GeluTanh(Float x) {
  const Float cubed = Mul(Mul(x, x), x);
  const Float u = Mul(Set(-1.5957691216f), Fma(Set(0.044715f), cubed, x));
  return Div(x, Add(Set(1.0f), Exp(u)));
}

// x times the normal distribution's integral up to x.
inline Float GeluErf(Float x) { return Mul(x, NormalIntegral(x)); }

template <Float (*Activation)(Float)>
inline void ActivateMultiply(const float* gate, const float* up, size_t count, float* out) {
  ForEachVectorOf(count, [&](size_t i, size_t lanes) {
    StorePart(Mul(Activation(LoadPart(gate + i, lanes)), LoadPart(up + i, lanes)), out + i, lanes);
  });
}

inline void Rope(const float* cosines, const float* sines, size_t half, float* x) {
  ForEachVectorOf(half, [&](size_t i, size_t lanes) {
    const Float first = LoadPart(x + i, lanes), second = LoadPart(x + half + i, lanes);
    const Float cosine = LoadPart(cosines + i, lanes), sine = LoadPart(sines + i, lanes);
    StorePart(Sub(Mul(first, cosine), Mul(second, sine)), x + i, lanes);
    StorePart(Add(Mul(second, cosine), Mul(first, sine)), x + half + i, lanes);
  });
}

// The first index whose value isn't NaN, or 0: what is left where no value lies above minus infinity.
inline size_t FirstNumber(const float* x, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (x[i] == x[i]) return i;
  }
  return 0;
}

inline size_t ArgMax(const float* x, size_t count) {
  Float best = Set(-__builtin_inff());
  Int where = SetInt(-1);
  ForEachVectorOf(count, [&](size_t i, size_t lanes) {
    // Lanes beyond the end load as zeros: they are masked by their index.
    const Int index = AddInt(SetInt(static_cast<int>(i)), Iota());
    const Float value = LoadPart(x + i, lanes);
    const Mask better = Both(Less(best, value), LessInt(index, SetInt(static_cast<int>(count))));
    best = Select(better, value, best);
    where = SelectInt(better, index, where);
  });
  float values[kLanes];
  int indices[kLanes];
  Store(best, values);
  StoreInt(where, indices);
  int winner = -1;
  float greatest = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    if (indices[lane] < 0) continue;
    if (winner < 0 || values[lane] > greatest || (values[lane] == greatest && indices[lane] < winner)) {
      greatest = values[lane];
      winner = indices[lane];
    }
  }
  return winner < 0 ? FirstNumber(x, count) : static_cast<size_t>(winner);
}

inline double SumExp(const float* x, float shift, float factor, size_t count, float* terms) {
  DoubleSum sum;
  ForEachVectorOf(count, [&](size_t i, size_t lanes) {
    const Float term = Exp(Mul(Sub(LoadPart(x + i, lanes), Set(shift)), Set(factor)));
    if (terms != nullptr) StorePart(term, terms + i, lanes);
    sum.Add(Select(LessInt(Iota(), SetInt(static_cast<int>(lanes))), term, Zero()));
  });
  return sum.Total();
}
