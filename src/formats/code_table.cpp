#include "formats/code_table.h"

#include "base/checked.h"

namespace octet {
namespace {

constexpr size_t kWordBytes = 4, kWordBits = 32;

// Where an output lies in an interleaved word.
constexpr size_t kPlaces[] = {0, 4, 1, 5, 2, 6, 3, 7};

// One code of a table.
class CodeReader {
 public:
  CodeReader(const CodeTable& table, std::span<const std::byte> words)
      : table_(table), words_(words), row_words_(table.shape()[1]), bits_(static_cast<size_t>(table.bits)) {}

  uint8_t At(size_t output, size_t input) const {
    const bool is_down = table_.run == CodeRun::kDownInputs;
    const size_t place = table_.run == CodeRun::kInterleaved ? output / 8 * 8 + kPlaces[output % 8] : output;
    const size_t bit = (is_down ? input : place) * bits_, shift = bit % 8;
    const size_t line = is_down ? output : input;
    unsigned code = ByteOf(line, bit / 8) >> shift;
    if (shift + bits_ > 8) code |= ByteOf(line, bit / 8 + 1) << (8 - shift);
    return static_cast<uint8_t>(code & ((1U << bits_) - 1));
  }

 private:
  // Byte `index` of the words that follow each other: those of a column, or of a row.
  unsigned ByteOf(size_t line, size_t index) const {
    const size_t word = index / kWordBytes;
    const size_t at = table_.run == CodeRun::kDownInputs ? word * row_words_ + line : line * row_words_ + word;
    return std::to_integer<unsigned>(words_[at * kWordBytes + index % kWordBytes]);
  }

  const CodeTable& table_;
  std::span<const std::byte> words_;
  size_t row_words_, bits_;
};

}  // namespace

Shape CodeTable::shape() const {
  const auto words = [&](size_t codes) { return uint64_t{CeilDivide(codes * static_cast<size_t>(bits), kWordBits)}; };
  return run == CodeRun::kDownInputs ? Shape{words(inputs), outputs} : Shape{inputs, words(outputs)};
}

void UnpackCodes(const CodeTable& table, std::span<const std::byte> words, const CodeWindow& window,
                 std::span<uint8_t> codes) {
  const CodeReader reader(table, words);
  for (size_t input = 0; input < window.inputs; ++input) {
    for (size_t output = 0; output < window.outputs; ++output) {
      codes[output * window.inputs + input] = reader.At(window.first_output + output, window.first_input + input);
    }
  }
}

}  // namespace octet
