// Integer codes as AutoAWQ and GPTQ store them: unsigned, packed in int32 words, in tables whose first axis is a
// matrix' inputs (or groups of them) and whose second one is its outputs.
//
//   const CodeTable table{CodeRun::kDownInputs, 4, inputs, outputs};          // GPTQ's qweight
//   UnpackCodes(table, bytes, {.outputs = outputs, .inputs = inputs}, codes);  // [outputs, inputs]
//
// The tensors around them: docs/formats/awq_gptq.md. Codes packed along the inputs, output by output:
// formats/packed_integers.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/shape.h"

namespace octet {

// How codes follow each other, the first in the lowest bits of a word.
enum class CodeRun : uint8_t {
  kDownInputs,    // GPTQ's qweight: an output's codes run down its column of words
  kAlongOutputs,  // GPTQ's qzeros: an input's codes run along its row of words
  kInterleaved,   // AutoAWQ's qweight and qzeros: so, but a word has outputs 0, 2, 4, 6, 1, 3, 5, 7 of its eight
};

struct CodeTable {
  CodeRun run = CodeRun::kDownInputs;
  int bits = 4;  // 2, 3, 4 or 8; interleaved 4 alone. Codes of 3 bits may begin in one word and end in the next
  size_t inputs = 0, outputs = 0;

  // Of the tensor of words.
  Shape shape() const;
};

// A part of a table.
struct CodeWindow {
  size_t first_output = 0, outputs = 0;
  size_t first_input = 0, inputs = 0;
};

// Codes of the window, [outputs, inputs], as they are stored: 0 to 2^bits - 1. `words` are the bytes of a tensor of
// table.shape(), little-endian, of any alignment. Every byte is a code: cannot fail.
void UnpackCodes(const CodeTable& table, std::span<const std::byte> words, const CodeWindow& window,
                 std::span<uint8_t> codes);

}  // namespace octet
