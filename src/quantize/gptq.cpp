#include "quantize/gptq.h"

#include <cmath>
#include <numeric>

#include "base/error.h"

namespace octet {
namespace {

constexpr size_t kFactorBlock = 64;  // rows of the factor that all rows below them are reduced by at once

// Eight chains, so that the sum has one order and still fills vectors.
double Dot(const float* a, const float* b, size_t count) {
  constexpr size_t kChains = 8;
  double chains[kChains] = {};
  size_t i = 0;
  for (; i + kChains <= count; i += kChains) {
    for (size_t chain = 0; chain < kChains; ++chain)
      chains[chain] += static_cast<double>(a[i + chain]) * static_cast<double>(b[i + chain]);
  }
  double sum = 0;
  for (const double chain : chains) sum += chain;
  for (; i < count; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

std::vector<uint32_t> OrderOf(std::span<const float> moments, size_t width, bool by_size) {
  std::vector<uint32_t> order(width);
  std::iota(order.begin(), order.end(), 0U);
  if (!by_size) return order;
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return moments[a * width + a] > moments[b * width + b]; });
  return order;
}

// The damped moments, inputs in the reverse of the order: where their factor is L L^T, turning L's inverse around gives
// U (see FactorMoments).
struct Damped {
  std::vector<float> matrix;
  double damping = 0;
};

Damped DampAndReverse(std::span<const float> moments, const std::vector<uint32_t>& order, double share) {
  const size_t width = order.size();
  double sum = 0;
  for (size_t i = 0; i < width; ++i) sum += static_cast<double>(moments[i * width + i]);
  const double mean = width == 0 || sum == 0 ? 1 : sum / static_cast<double>(width);
  Damped damped{.matrix = std::vector<float>(width * width), .damping = std::max(share, 1e-6) * mean};
  for (size_t i = 0; i < width; ++i) {
    const size_t row = order[width - 1 - i];
    for (size_t j = 0; j <= i; ++j) damped.matrix[i * width + j] = moments[row * width + order[width - 1 - j]];
    damped.matrix[i * width + i] += static_cast<float>(damped.damping);
  }
  return damped;
}

// Columns begin .. end - 1 of row i of the Cholesky factor, which takes the row's place.
void ReduceRow(std::vector<float>& matrix, size_t width, size_t i, std::pair<size_t, size_t> columns, double least) {
  float* row = matrix.data() + i * width;
  for (size_t j = columns.first; j < columns.second; ++j) {
    const double rest = static_cast<double>(row[j]) - Dot(row, matrix.data() + j * width, j);
    // No pivot of exact sums is below the damping.
    row[j] = static_cast<float>(i == j ? std::sqrt(std::max(rest, least))
                                       : rest / static_cast<double>(matrix[j * width + j]));
  }
}

// The lower triangle of a symmetric matrix becomes L of L L^T.
void Cholesky(std::vector<float>& matrix, size_t width, double least, ThreadPool& pool) {
  for (size_t first = 0; first < width; first += kFactorBlock) {
    const size_t end = std::min(width, first + kFactorBlock);
    for (size_t i = first; i < end; ++i) ReduceRow(matrix, width, i, {first, i + 1}, least);
    pool.ForEachShare(width - end, [&](size_t share_begin, size_t share_end) {
      for (size_t i = end + share_begin; i < end + share_end; ++i) ReduceRow(matrix, width, i, {first, end}, least);
    });
  }
}

// Columns first .. end - 1 of the inverse of L, turned around into U: U[n-1-i, n-1-j] = inverse[i, j].
void InvertColumns(const std::vector<float>& lower, size_t width, std::pair<size_t, size_t> columns, float* upper) {
  const size_t left = width - columns.second, right = width - columns.first;  // of U
  std::vector<double> sums(right - left);
  for (size_t i = columns.first; i < width; ++i) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (size_t k = columns.first; k < i; ++k) {
      const double factor = static_cast<double>(lower[i * width + k]);
      const float* known = upper + (width - 1 - k) * width + left;
      for (size_t column = 0; column < sums.size(); ++column)
        sums[column] += factor * static_cast<double>(known[column]);
    }
    const double pivot = static_cast<double>(lower[i * width + i]);
    const size_t diagonal = width - 1 - i;
    for (size_t column = std::max(left, diagonal); column < right; ++column) {
      const double unit = column == diagonal ? 1 : 0;
      upper[diagonal * width + column] = static_cast<float>((unit - sums[column - left]) / pivot);
    }
  }
}

}  // namespace

ErrorFactor FactorMoments(std::span<const float> moments, size_t width, const FactorOptions& options,
                          ThreadPool& pool) {
  OCTET_CHECK(moments.size() == width * width);
  ErrorFactor factor{.width = width, .order = OrderOf(moments, width, options.by_size), .upper = {}};
  // With J the matrix that reverses: J H J = L L^T, so that H^-1 = (J L^-1 J)^T (J L^-1 J), and J L^-1 J is upper.
  Damped damped = DampAndReverse(moments, factor.order, options.damping);
  Cholesky(damped.matrix, width, damped.damping, pool);
  factor.upper.resize(width * width);
  const size_t blocks = (width + kFactorBlock - 1) / kFactorBlock;
  // The left blocks have the most rows: a thread's share has as many from either side.
  pool.ForEachShare(blocks, [&](size_t begin, size_t end) {
    for (size_t share = begin; share < end; ++share) {
      const size_t block = share % 2 == 0 ? share / 2 : blocks - 1 - share / 2;
      const size_t first = block * kFactorBlock;
      InvertColumns(damped.matrix, width, {first, std::min(width, first + kFactorBlock)}, factor.upper.data());
    }
  });
  return factor;
}

std::vector<float> DriftCorrection(std::span<const float> drift, const ErrorFactor& factor, ThreadPool& pool) {
  const size_t width = factor.width;
  OCTET_CHECK(drift.size() == width * width);
  std::vector<float> correction(width * width);
  pool.ForEachShare(width, [&](size_t begin, size_t end) {
    std::vector<float> ordered(width), product(width);
    for (size_t row = begin; row < end; ++row) {
      for (size_t i = 0; i < width; ++i) ordered[i] = drift[row * width + factor.order[i]];
      std::fill(product.begin(), product.end(), 0.0F);
      // Times U^T, and each of these times its row of U.
      for (size_t i = 0; i < width; ++i) {
        const float* upper = factor.upper.data() + i * width;
        const auto times = static_cast<float>(Dot(upper + i, ordered.data() + i, width - i));
        for (size_t j = i; j < width; ++j) product[j] += times * upper[j];
      }
      for (size_t i = 0; i < width; ++i) correction[row * width + factor.order[i]] = product[i];
    }
  });
  return correction;
}

void AddCorrection(std::span<const float> weights, std::span<const float> correction, size_t width, ThreadPool& pool,
                   std::span<float> to) {
  OCTET_CHECK(correction.size() == width * width && to.size() == weights.size());
  pool.ForEachShare(width == 0 ? 0 : weights.size() / width, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      float* sums = to.data() + row * width;
      for (size_t i = 0; i < width; ++i) {
        const float weight = weights[row * width + i];
        const float* of_input = correction.data() + i * width;
        for (size_t j = 0; j < width; ++j) sums[j] += weight * of_input[j];
      }
    }
  });
}

void internal::SpreadErrors(const ErrorFactor& factor, size_t k, std::span<const float> errors, float* rows) {
  const size_t width = factor.width;
  const float* upper = factor.upper.data() + k * width;
  for (size_t row = 0; row < errors.size(); ++row) {
    const float error = errors[row];
    float* left = rows + row * width;
    for (size_t i = k + 1; i < width; ++i) left[i] -= error * upper[i];
  }
}

}  // namespace octet
