#include <algorithm>

#include "numeric/int8.h"
#include "tests/kernels/testing.h"

namespace octet::kernels {
namespace {

struct Shape {
  size_t positions, group, key_dim, value_dim, window;
  float softcap;
};

constexpr Shape kShapes[] = {{1, 1, 16, 16, 0, 0},      {5, 3, 64, 64, 0, 0},     {33, 2, 24, 48, 0, 0},
                             {131, 4, 32, 32, 0, 0},    {134, 7, 16, 24, 0, 0},   {290, 1, 16, 40, 50, 0},
                             {70, 3, 64, 64, 1, 0},     {270, 2, 16, 16, 129, 5}, {40, 8, 256, 128, 0, 30},
                             {97, 5, 17, 33, 20, 2.5f}, {61, 2, 16, 16, 0, 0.5f}, {1090, 1, 16, 16, 0, 0},
                             {1600, 2, 8, 8, 600, 0}};
constexpr CacheFormat kFormats[] = {CacheFormat::kF32, CacheFormat::kBf16, CacheFormat::kE4M3, CacheFormat::kInt8};

const char* NameOf(CacheFormat format) {
  constexpr const char* kNames[] = {"F32", "BF16", "E4M3", "INT8"};
  return kNames[size_t(format)];
}

// A sequence of keys, values and queries of one key head, and the cache that holds it.
struct Sequence {
  Sequence(const KernelTable& kernels, CacheFormat cache_format, const Shape& sizes)
      : tier(kernels),
        format(cache_format),
        shape(sizes),
        keys(HasCacheScales(format) ? RowsWithOutliers(shape.positions, shape.key_dim, 1)
                                    : RandomFloats(shape.positions * shape.key_dim, 1)),
        values(HasCacheScales(format) ? RowsWithOutliers(shape.positions, shape.value_dim, 2)
                                      : RandomFloats(shape.positions * shape.value_dim, 2)),
        queries(RandomFloats(shape.positions * shape.group * shape.key_dim, 3)),
        out(shape.positions * shape.group * shape.value_dim, -1),
        key_bytes(KeyBytes(format, shape.key_dim)),
        page_bytes(key_bytes + ValueBytes(format, shape.value_dim)),
        pages((shape.positions + kPagePositions - 1) / kPagePositions),
        cache(pages * page_bytes) {
    for (size_t p = 0; p < pages; ++p) pointers.push_back(cache.data() + p * page_bytes);
  }

  void Store(size_t position) {
    std::byte* page = pointers[position / kPagePositions];
    tier.store_cache[size_t(format)](&keys[position * shape.key_dim], &values[position * shape.value_dim],
                                     shape.key_dim, shape.value_dim, position % kPagePositions, page, page + key_bytes);
  }
  void StoreAll() {
    for (size_t p = 0; p < shape.positions; ++p) Store(p);
  }

  // A number of -4 .. 4 for each query and position, the latter to the end of the last page.
  void AddBias() {
    bias = RandomFloats(shape.positions * shape.group * pages * kPagePositions, 4);
    for (float& x : bias) x *= 4;
  }

  // Stores the positions first .. first + count - 1 and attends with their queries.
  void Step(size_t first, size_t count) {
    for (size_t p = first; p < first + count; ++p) Store(p);
    Attend(first, count, 0, shape.group);
  }

  AttendArgs ArgsOf(size_t first, size_t count, size_t first_head, size_t heads) {
    const size_t query_stride = shape.group * shape.key_dim, out_stride = shape.group * shape.value_dim;
    return {.query = &queries[first * query_stride + first_head * shape.key_dim],
            .query_token_stride = query_stride,
            .tokens = count,
            .group = heads,
            .first_position = first,
            .window = shape.window,
            .pages = pointers.data(),
            .key_offset = 0,
            .value_offset = key_bytes,
            .key_dim = shape.key_dim,
            .value_dim = shape.value_dim,
            .scale = Scale(),
            .softcap = shape.softcap,
            .bias = bias.empty() ? nullptr : &bias[first * heads * pages * kPagePositions],
            .bias_stride = static_cast<ptrdiff_t>(pages * kPagePositions),
            .out = &out[first * out_stride + first_head * shape.value_dim],
            .out_token_stride = out_stride};
  }
  void Attend(size_t first, size_t count, size_t first_head, size_t heads) {
    tier.attend[size_t(format)](ArgsOf(first, count, first_head, heads));
  }

  // Every piece by itself, the last one first, then joined row by row.
  void AttendInPieces(size_t first, size_t count) {
    const AttendArgs args = ArgsOf(first, count, 0, shape.group);
    const size_t stride = PartialFloats(shape.value_dim), rows = count * shape.group;
    const size_t begin = shape.window == 0 || first + 1 < shape.window ? 0 : (first + 1 - shape.window) / kAttendPiece;
    const size_t pieces = (first + count - 1) / kAttendPiece + 1 - begin;
    std::vector<float> partials(pieces * rows * stride, -1);
    for (size_t piece = pieces; piece-- > 0;)
      tier.attend_piece[size_t(format)](args, begin + piece, &partials[piece * rows * stride]);
    for (size_t row = 0; row < rows; ++row) {
      float* to = args.out + row / shape.group * args.out_token_stride + row % shape.group * shape.value_dim;
      tier.join_pieces(&partials[row * stride], pieces, rows * stride, shape.value_dim, to);
    }
  }

  float Scale() const { return (HasCacheScales(format) ? 0.1f : 1.0f) / std::sqrt(float(shape.key_dim)); }
  double Rounded(float x) const { return format == CacheFormat::kF32 ? x : ToFloat(ToBf16(x)); }

  // Element i of a row as the cache keeps it.
  double Cached(const float* row, size_t width, size_t i) const {
    if (!HasCacheScales(format)) return Rounded(row[i]);
    float amax = 0;
    for (size_t k = 0; k < width; ++k) amax = std::max(amax, std::fabs(row[k]));
    const float scale = amax / CacheCodeLimit(format);
    const float code =
        format == CacheFormat::kE4M3 ? ToFloat(ToE4M3(row[i] / scale)) : ToFloat(ToInt8(row[i] * (1 / scale)));
    return double{code} * scale;
  }

  // The softmax of one query in double; `bound` gets the error that the roundings allow each output.
  std::vector<double> Exact(size_t token, size_t head, double& bound) const {
    const float* query = &queries[(token * shape.group + head) * shape.key_dim];
    const size_t first = shape.window == 0 || token + 1 < shape.window ? 0 : token + 1 - shape.window;
    std::vector<double> weights;
    double score_error = 0, total = 0, greatest_value = 0;
    for (size_t p = first; p <= token; ++p) {
      double product = 0, magnitude = 0;
      for (size_t k = 0; k < shape.key_dim; ++k) {
        const double term = Rounded(query[k]) * Cached(&keys[p * shape.key_dim], shape.key_dim, k);
        product += term;
        magnitude += std::fabs(term);
      }
      double score = product * Scale();
      // Roundings of the product, of the scales and the cap, of the shift by the greatest score and of the exponential.
      score_error =
          std::max(score_error, magnitude * Scale() * (double(shape.key_dim) + 13) * kFloatEps + 8 * kFloatEps);
      if (shape.softcap > 0) score = shape.softcap * std::tanh(score / shape.softcap);
      if (!bias.empty()) {
        score += double{bias[(token * shape.group + head) * pages * kPagePositions + p]};
        score_error += 3 * std::fabs(score) * kFloatEps;  // the addition, and a larger shift
      }
      weights.push_back(std::exp(score));
      total += weights.back();
    }
    std::vector<double> want(shape.value_dim);
    for (size_t c = 0; c < shape.value_dim; ++c) {
      for (size_t p = first; p <= token; ++p) {
        const double value = Cached(&values[p * shape.value_dim], shape.value_dim, c);
        greatest_value = std::max(greatest_value, std::fabs(value));
        want[c] += weights[p - first] / total * value;
      }
    }
    const double probability_rounding = format == CacheFormat::kF32 ? 0 : 0x1p-8;  // twice half a unit of 8 bits
    bound = greatest_value * (2 * score_error + probability_rounding + (double(weights.size()) + 8) * kFloatEps);
    return want;
  }

  const KernelTable& tier;
  CacheFormat format;
  Shape shape;
  std::vector<float> keys, values, queries, out;
  size_t key_bytes, page_bytes, pages;
  std::vector<float> bias = {};  // [positions, group, whole pages of positions], or empty: none
  Bytes cache;                   // pages, in one piece as the engine has them
  std::vector<std::byte*> pointers;
};

class Attention : public EveryTier {
 protected:
  template <class Body>
  void ForEveryShape(Body&& body) {
    for (const Shape& shape : kShapes) {
      for (const CacheFormat format : kFormats) {
        SCOPED_TRACE(testing::Message() << NameOf(format) << " positions " << shape.positions << " group "
                                        << shape.group << " dims " << shape.key_dim << "/" << shape.value_dim);
        body(format, shape);
      }
    }
  }
};

void ExpectNearTheExact(const Sequence& sequence) {
  const Shape& shape = sequence.shape;
  for (size_t token = 0; token < shape.positions; token += 1 + token / 4) {
    for (size_t head = 0; head < shape.group; ++head) {
      double bound = 0;
      const std::vector<double> want = sequence.Exact(token, head, bound);
      for (size_t c = 0; c < shape.value_dim; ++c) {
        const float got = sequence.out[(token * shape.group + head) * shape.value_dim + c];
        ASSERT_LE(std::fabs(got - want[c]), bound) << "token " << token << " head " << head << " value " << c;
      }
    }
  }
}

TEST_P(Attention, EqualsTheSoftmaxInDoubleWithinTheNormBound) {
  ForEveryShape([&](CacheFormat format, const Shape& shape) {
    Sequence sequence(tier(), format, shape);
    sequence.Step(0, shape.positions);
    ExpectNearTheExact(sequence);
  });
}

TEST_P(Attention, ABiasIsAddedToTheScores) {
  ForEveryShape([&](CacheFormat format, const Shape& shape) {
    Sequence sequence(tier(), format, shape), cut(tier(), format, shape);
    sequence.AddBias();
    cut.AddBias();
    sequence.Step(0, shape.positions);
    ExpectNearTheExact(sequence);
    for (size_t p = 0; p < shape.positions; ++p) cut.Step(p, 1);
    EXPECT_EQ(AllBits(sequence.out), AllBits(cut.out));
  });
}

// As an encoder has it: the rows are the tokens, all at the last position, and one row of biases serves them.
TEST_P(Attention, AStrideOfMinusOneLooksUpTheBiasByDistance) {
  for (const CacheFormat format : kFormats) {
    constexpr size_t kTokens = 70;
    const Shape shape{kTokens, kTokens, 16, 16, 0, 0};
    Sequence by_table(tier(), format, shape), by_distance(tier(), format, shape);
    by_table.StoreAll();
    by_distance.StoreAll();
    const std::vector<float> biases = RandomFloats(2 * kTokens + kPagePositions, 5);
    const size_t width = by_table.pages * kPagePositions;
    std::vector<float> table(kTokens * width);
    for (size_t row = 0; row < kTokens; ++row) {
      for (size_t p = 0; p < width; ++p) table[row * width + p] = biases[kTokens - 1 + p - row];
    }
    AttendArgs args = by_table.ArgsOf(kTokens - 1, 1, 0, kTokens);
    args.bias = table.data();
    args.bias_stride = static_cast<ptrdiff_t>(width);
    tier().attend[size_t(format)](args);
    args = by_distance.ArgsOf(kTokens - 1, 1, 0, kTokens);
    args.bias = &biases[kTokens - 1];
    args.bias_stride = -1;
    tier().attend[size_t(format)](args);
    EXPECT_EQ(AllBits(by_table.out), AllBits(by_distance.out)) << NameOf(format);
  }
}

// Probabilities are divided by the sum of what entered the product: rounded ones weigh 1 together, too.
TEST_P(Attention, EqualValuesStayWhatTheyAreWhereProbabilitiesAreRounded) {
  for (const CacheFormat format : {CacheFormat::kF32, CacheFormat::kBf16}) {
    Sequence sequence(tier(), format, {290, 3, 32, 32, 0, 0});
    std::fill(sequence.values.begin(), sequence.values.end(), 1.0f);
    sequence.Step(0, sequence.shape.positions);
    for (const float got : sequence.out) ASSERT_NEAR(got, 1, 300 * kFloatEps);
  }
}

TEST_P(Attention, SumsOfNegativeZerosArePositive) {
  for (const CacheFormat format : kFormats) {
    Sequence sequence(tier(), format, {5, 2, 16, 16, 0, 0});
    std::fill(sequence.values.begin(), sequence.values.end(), -0.0f);
    sequence.Step(0, sequence.shape.positions);
    for (const float got : sequence.out) ASSERT_EQ(AllBits({got}), AllBits({0.0f})) << NameOf(format);
  }
}

// A hundred of these, each with the probability 1 before the division, would add up to a normal number.
TEST_P(Attention, DenormalValuesOfARoundedCacheCountAsZeros) {
  for (const CacheFormat format : {CacheFormat::kBf16, CacheFormat::kE4M3, CacheFormat::kInt8}) {
    Sequence sequence(tier(), format, {100, 2, 16, 16, 0, 0});
    std::fill(sequence.queries.begin(), sequence.queries.end(), 0.0f);
    std::fill(sequence.values.begin(), sequence.values.end(), 0x1.fcp-127f);
    sequence.Step(0, sequence.shape.positions);
    for (const float got : sequence.out) ASSERT_EQ(AllBits({got}), AllBits({0.0f})) << NameOf(format);
  }
}

TEST_P(Attention, ADenormalSumIsZero) {
  Sequence sequence(tier(), CacheFormat::kF32, {1, 2, 16, 16, 0, 0});
  std::fill(sequence.values.begin(), sequence.values.end(), -0x1.fcp-127f);
  sequence.Step(0, 1);
  for (const float got : sequence.out) ASSERT_EQ(AllBits({got}), AllBits({0.0f}));
}

TEST_P(Attention, ResultIsTheSameBitsHoweverThePromptIsCut) {
  ForEveryShape([&](CacheFormat format, const Shape& shape) {
    Sequence whole(tier(), format, shape), single(tier(), format, shape), chunks(tier(), format, shape);
    whole.Step(0, shape.positions);
    for (size_t p = 0; p < shape.positions; ++p) single.Step(p, 1);
    for (size_t p = 0, count = 3; p < shape.positions; p += count, count = count * 2 + 1) {
      chunks.Step(p, count = std::min(count, shape.positions - p));
    }
    EXPECT_EQ(AllBits(whole.out), AllBits(single.out));
    EXPECT_EQ(AllBits(whole.out), AllBits(chunks.out));
  });
}

TEST_P(Attention, PiecesComputedApartAndJoinedGiveTheSameBits) {
  ForEveryShape([&](CacheFormat format, const Shape& shape) {
    Sequence whole(tier(), format, shape), apart(tier(), format, shape);
    whole.StoreAll();
    apart.StoreAll();
    whole.Attend(0, shape.positions, 0, shape.group);
    for (size_t first = 0; first < shape.positions; first += 37)
      apart.AttendInPieces(first, std::min<size_t>(37, shape.positions - first));
    EXPECT_EQ(AllBits(whole.out), AllBits(apart.out));
  });
}

TEST_P(Attention, HeadsOfAGroupTakenOneByOneGiveTheSameBits) {
  ForEveryShape([&](CacheFormat format, const Shape& shape) {
    Sequence together(tier(), format, shape), apart(tier(), format, shape);
    together.Step(0, shape.positions);
    apart.StoreAll();
    for (size_t head = 0; head < shape.group; ++head) apart.Attend(0, shape.positions, head, 1);
    EXPECT_EQ(AllBits(together.out), AllBits(apart.out));
  });
}

TEST_P(Attention, PagesWithoutVisiblePositionsAreNotRead) {
  const Shape shape{300, 2, 64, 64, 40, 0};
  for (const CacheFormat format : kFormats) {
    Sequence all(tier(), format, shape), freed(tier(), format, shape);
    all.StoreAll();
    freed.StoreAll();
    // Position 200 sees 161 .. 200: pages 5 and 6.
    for (size_t page = 0; page < freed.pointers.size(); ++page) {
      if (page != 5 && page != 6) freed.pointers[page] = nullptr;
    }
    all.Attend(200, 1, 0, 2);
    freed.Attend(200, 1, 0, 2);
    EXPECT_EQ(AllBits(all.out), AllBits(freed.out));
  }
}

TEST_P(Attention, StaleFiniteSlotsBeyondTheLastPositionChangeNothing) {
  const Shape shape{40, 3, 64, 32, 0, 0};
  for (const CacheFormat format : kFormats) {
    Sequence fresh(tier(), format, shape), stale(tier(), format, shape);
    for (size_t p = 0; p < 36; ++p) fresh.Store(p);
    stale.StoreAll();
    fresh.Attend(35, 1, 0, 3);
    stale.Attend(35, 1, 0, 3);
    EXPECT_EQ(AllBits(fresh.out), AllBits(stale.out));
  }
}

// Codes are finite whatever was stored: only rows that see such a position get NaN.
TEST_P(Attention, InfinityInACacheOfCodesReachesOnlyRowsThatSeeIt) {
  const Shape shape{40, 2, 64, 64, 8, 0};
  for (const CacheFormat format : {CacheFormat::kE4M3, CacheFormat::kInt8}) {
    Sequence clean(tier(), format, shape), spoilt(tier(), format, shape);
    spoilt.keys[20 * 64 + 3] = std::numeric_limits<float>::infinity();
    spoilt.values[20 * 64 + 7] = std::numeric_limits<float>::quiet_NaN();
    clean.Step(0, 40);
    spoilt.Step(0, 40);
    for (size_t token = 0; token < 40; ++token) {
      const bool sees = token >= 20 && token < 28;
      for (size_t i = token * 128; i < (token + 1) * 128; ++i) {
        if (sees)
          EXPECT_TRUE(std::isnan(spoilt.out[i])) << NameOf(format) << " token " << token;
        else
          EXPECT_EQ(Bits(spoilt.out[i]), Bits(clean.out[i])) << NameOf(format) << " token " << token;
      }
    }
  }
}

TEST_P(Attention, StoredPositionHasTheBytesOfTheReference) {
  constexpr float kOdd[] = {0.0f,
                            -0.0f,
                            0x1p-149f,
                            -0x1p-130f,
                            3e38f,
                            -3.4e38f,
                            1e-30f,
                            std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  for (const CacheFormat format : kFormats) {
    for (const Shape& shape : kShapes) {
      Sequence got(tier(), format, shape), want(Reference(), format, shape);
      for (size_t position = 0; position < shape.positions; ++position) {
        // Some rows of one odd number among zeros, some with one among the others.
        if (const size_t odd = position % 32; odd < std::size(kOdd)) {
          for (Sequence* sequence : {&got, &want}) {
            if (position % 64 < 32) std::fill_n(&sequence->keys[position * shape.key_dim], shape.key_dim, 0.0f);
            sequence->keys[position * shape.key_dim + position % shape.key_dim] = kOdd[odd];
          }
        }
        got.Store(position);
        want.Store(position);
      }
      for (size_t page = 0; page < got.pointers.size(); ++page)
        EXPECT_EQ(std::memcmp(got.pointers[page], want.pointers[page], got.page_bytes), 0)
            << NameOf(format) << " page " << page;
    }
  }
}

OCTET_FOR_EVERY_TIER(Attention);

}  // namespace
}  // namespace octet::kernels
