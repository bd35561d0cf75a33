// Functions of single values, over vectors. Coefficients: minimax fits; errors are against the exact function.

// e^x within 1.5 units in the last place; 0 below -104, infinity above 88.73, exactly 1 at 0; NaN stays.
inline Float Exp(Float x) {
  x = Min(Set(89.0f), Max(Set(-104.0f), x));
  const Float n = Round(Mul(x, Set(1.44269504f)));
  // ln 2 in two parts, the first with zeros at its end so that n * 0.693359375 is exact.
  const Float r = FmaNeg(n, Set(-2.12194440e-4f), FmaNeg(n, Set(0.693359375f), x));
  Float p = Set(1.3814610429e-3f);
  p = Fma(p, r, Set(8.3687109873e-3f));
  p = Fma(p, r, Set(4.1668388993e-2f));
  p = Fma(p, r, Set(1.6666521132e-1f));
  p = Fma(p, r, Set(4.9999994040e-1f));
  return Scale2(Add(Set(1.0f), Fma(Mul(r, r), p, r)), n);
}

// tanh within 3 units in the last place.
inline Float Tanh(Float x) {
  const Float magnitude = Abs(x), square = Mul(x, x);
  Float p = Set(-5.7170451619e-3f);
  p = Fma(p, square, Set(2.0650587976e-2f));
  p = Fma(p, square, Set(-5.3743496537e-2f));
  p = Fma(p, square, Set(1.3331490755e-1f));
  p = Fma(p, square, Set(-3.3333283663e-1f));
  const Float near = Fma(Mul(x, square), p, x);
  // tanh = 1 - 2 / (e^2x + 1) loses digits only where x is small.
  const Float far = Sub(Set(1.0f), Div(Set(2.0f), Add(Exp(Add(magnitude, magnitude)), Set(1.0f))));
  return Select(Less(magnitude, Set(0.625f)), near, CopySign(far, x));
}

// Integral of the standard normal density up to x; below zero e^(-x^2 / 2) times a polynomial in 1 / (1 + 0.35 |x|),
// which keeps the relative error at 2^-22 plus x^2 / 2 roundings of the exponent.
inline Float NormalIntegral(Float x) {
  const Float magnitude = Abs(x);
  const Float t = Div(Set(1.0f), Fma(magnitude, Set(0.35f), Set(1.0f)));
  Float p = Set(-0.02914593928f);
  p = Fma(p, t, Set(0.1439717412f));
  p = Fma(p, t, Set(-0.2557143271f));
  p = Fma(p, t, Set(0.1591742486f));
  p = Fma(p, t, Set(-0.02310989983f));
  p = Fma(p, t, Set(0.1055080295f));
  p = Fma(p, t, Set(0.1198328584f));
  p = Fma(p, t, Set(0.1398618668f));
  p = Fma(p, t, Set(0.1396214068f));
  const Float tail = Mul(Mul(p, t), Exp(Mul(Mul(magnitude, magnitude), Set(-0.5f))));
  return Select(Less(x, Zero()), tail, Sub(Set(1.0f), tail));
}

// The nearest BF16, ties to even, in the lower half of each lane; saturates, NaN keeps its sign (numeric/bf16.h).
inline Int ToBf16Bits(Float x) {
  const Int bits = AsInt(x), magnitude = And(bits, SetInt(0x7FFFFFFF));
  const Int odd = And(ShiftRight<16>(magnitude), SetInt(1));
  const Int rounded = ShiftRight<16>(AddInt(magnitude, AddInt(odd, SetInt(0x7FFF))));
  const Int finite = MinUnsigned(rounded, SetInt(0x7F7F));
  const Int code = SelectInt(LessInt(SetInt(0x7F800000), magnitude), SetInt(0x7FC0), finite);
  return Or(code, And(ShiftRight<16>(bits), SetInt(0x8000)));
}
// The same of a positive number that rounding doesn't make infinite, or of a NaN of computing (no bits but the quiet
// one), which needs less care: the code stands in the upper half of each lane, over bits that are left.
inline Int RoundProbability(Float x) {
  const Int bits = AsInt(x), odd = And(ShiftRight<16>(bits), SetInt(1));
  return AddInt(bits, AddInt(odd, SetInt(0x7FFF)));
}
inline Float RoundToBf16(Float x) { return AsFloat(ShiftLeft<16>(ToBf16Bits(x))); }
