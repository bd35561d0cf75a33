#include "quantize/stream_divergence.h"

#include <algorithm>
#include <cmath>

#include "models/score.h"

namespace octet {
namespace {

constexpr size_t kRowsOfLogits = 32;

// Logits of the scored tokens first .. first + count - 1 of a stream.
Status LogitsOf(const HeadRun& head, const std::vector<float>& stream, size_t first, size_t count, size_t every,
                std::vector<float>& logits) {
  const size_t hidden = head.decoder.spec().hidden;
  std::vector<float> rows(count * hidden);
  for (size_t row = 0; row < count; ++row) {
    const size_t token = (first + row) * every + every - 1;
    std::copy_n(stream.data() + token * hidden, hidden, rows.data() + row * hidden);
  }
  logits.resize(count * head.decoder.spec().vocab);
  return head.decoder.Logits(count, head.context, rows.data(), logits.data());
}

}  // namespace

Result<std::vector<double>> DivergencesOf(const HeadRun& head, const std::vector<float>& original,
                                          std::span<const std::vector<float>> changed, size_t every) {
  const size_t vocab = head.decoder.spec().vocab, scored = original.size() / head.decoder.spec().hidden / every;
  std::vector<double> sums(changed.size()), of_rows(kRowsOfLogits);
  std::vector<float> of_original, of_changed;
  for (size_t first = 0; first < scored; first += kRowsOfLogits) {
    const size_t count = std::min(kRowsOfLogits, scored - first);
    OCTET_TRY(LogitsOf(head, original, first, count, every, of_original));
    for (size_t i = 0; i < changed.size(); ++i) {
      OCTET_TRY(head.run.cancel.Check());
      OCTET_TRY(LogitsOf(head, changed[i], first, count, every, of_changed));
      head.run.pool.ForEachShare(count, [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const size_t at = row * vocab;
          of_rows[row] = Compare({of_original.data() + at, vocab}, {of_changed.data() + at, vocab}, /*target=*/0).kl;
        }
      });
      for (size_t row = 0; row < count; ++row) sums[i] += of_rows[row];
    }
  }
  for (double& sum : sums) {
    if (!std::isfinite(sum))
      return Fail(ErrorCode::kCorrupt, "the model's logits are no finite numbers once it is rounded");
    sum /= static_cast<double>(std::max<size_t>(scored, 1));
  }
  return sums;
}

}  // namespace octet
