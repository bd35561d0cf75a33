// How the activations of a product lie before a micro-kernel, as compile-time distances in bytes: one pointer reaches
// all. A `word` is what the kernel broadcasts: a float, or a BF16 pair where the tier multiplies BF16 directly.

typedef float __attribute__((may_alias)) Word;

constexpr size_t kScratchRowBytes = 4 * kMaxHeadDim + 64;  // no power of two: rows would share lines of the cache
constexpr size_t kPlaneFloats = 4096;

// With so few rows the weights come from memory faster than they are multiplied, if asked for early enough: the
// hardware's own prefetch ends at each page and waits at each panel. 64 KB ahead, into the second-level cache, was
// among the best of 2 KB to 128 KB
// (+20 % with one thread, +10 % with two, where a core reads 11 GB/s); beyond the last panel lies the next matrix.
constexpr size_t kStreamedRows = 4;
constexpr std::ptrdiff_t kPrefetchAhead = 65536;

template <class Operand>
inline void PrefetchStream([[maybe_unused]] const std::byte* weights,
                           [[maybe_unused]] std::ptrdiff_t ahead = kPrefetchAhead) {
  if constexpr (Operand::kWeightsStream) __builtin_prefetch(weights + ahead, 0, 2);
}

// Keys or values of a page of the cache, and how far from them those lie that are multiplied a block of positions
// later. Pages don't follow each other, so the products ask for each line's successor as they reach it: all lines of a
// page at once are more than a core can wait for, and what they hold up is the next product (twice the time in all).
struct CacheMatrix {
  const std::byte* data = nullptr;
  std::ptrdiff_t ahead = 0;
};
inline void PrefetchSuccessor(const CacheMatrix& matrix, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(matrix.data + matrix.ahead + i, 0, 2);
}

// The packed matrix of layout.h, one word a step.
template <size_t rows>
struct Packed {
  static constexpr size_t kRow = 4, kStep = 4 * rows;
  static constexpr bool kWeightsStream = rows <= kStreamedRows, kOfCache = false;
};

// Rows whose products a micro-kernel of BF16 activations adds from weights as they lie. Of NVFP4 each sum has a chain
// beside it, and more of them don't fit in registers.
constexpr size_t MostInPlace(WeightFormat format) { return format == WeightFormat::kNvfp4 ? kStreamedRows : kRowBlock; }

// BF16 pairs widened to floats in two planes, even elements in the first, odd ones in the second.
template <size_t rows>
struct Planes {
  static constexpr size_t kRow = 4, kPair = 4 * rows, kOdd = 4 * kPlaneFloats;
  static constexpr bool kWeightsStream = rows <= kStreamedRows, kOfCache = false;
};

// Attention's queries and probabilities: rows of up to 512 words.
template <size_t>
struct RowMajor {
  static constexpr size_t kRow = kScratchRowBytes, kStep = 4, kPair = 8, kOdd = 4;
  static constexpr bool kWeightsStream = true, kOfCache = true;
};

// A block of E4M3 in blocks: rows of the call, and the depth position that it begins at.
struct BlockPlace {
  size_t first_row = 0, rows = 0, k = 0;
};

inline size_t BlockDepth(size_t left) { return left < kFp8Block ? left : kFp8Block; }

// What the chains of a block are multiplied with: the columns' scales [32], and one of each row, null for 1.
struct BlockFactors {
  const float* scales = nullptr;
  const float* of_rows = nullptr;
  size_t stride = 0;  // between rows
};
inline BlockFactors FactorsOf(const GemmArgs& args, const BlockPlace& place, const float* scales) {
  const size_t blocks = Fp8Blocks(args.depth);
  if (args.block_scales == nullptr) return {.scales = scales};
  return {scales, args.block_scales + place.first_row * blocks + place.k / kFp8Block, blocks};
}

// The scales behind the codes of a block, one for each column.
inline const float* BlockScales(const std::byte* codes, size_t depth) {
  return reinterpret_cast<const float*>(codes + depth * kPanelColumns);
}

// Calls `function` with the number of rows, 1 .. most, as a constant.
template <size_t most = kRowBlock, class Function>
inline void WithRows(size_t rows, Function&& function) {
  [&]<size_t... i>(std::index_sequence<i...>) {
    ((rows == i + 1 ? function(std::integral_constant<size_t, i + 1>()) : void()), ...);
  }
  (std::make_index_sequence<most>());
}

// part(rows of the part as a constant, first row) for parts of `most` rows and what is left of them.
template <size_t rows, size_t most, size_t first = 0, class Part>
inline void InParts(Part&& part) {
  constexpr size_t kPart = rows - first < most ? rows - first : most;
  part(std::integral_constant<size_t, kPart>(), first);
  asm volatile("" : : : "memory");  // or the next part's sums are loaded before this one, into registers that it needs
  if constexpr (first + kPart < rows) InParts<rows, most, first + kPart>(part);
}
