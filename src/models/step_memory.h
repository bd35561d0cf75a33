// What a forward pass takes of the workspace, before there is a decoder.
//
//   uint64_t bytes = StepBytes(spec, {.tokens = 128, .sequences = 1, .context = 4096, .threads = 2});
//
// The buffers themselves: models/forward_pass.cpp, models/encoder_pass.cpp, nn/full_attention.cpp, nn/linear.cpp
// (packed rows), nn/attention.cpp (partial sums).
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/model_spec.h"

namespace octet {

// The largest steps of a run: a prompt's, and one token of every sequence at the end of its context.
struct StepSize {
  size_t tokens = 1;     // of a prompt in one step
  size_t sequences = 1;  // decoded together
  size_t context = 1;    // positions of each
  size_t threads = 1;
  bool is_f32 = false;  // rows are packed as floats, else as BF16 (int8 takes less)
};

// Bytes of the larger of both. Rows that are rounded first (E4M3 and NVFP4 activations) take one float more for each of
// the widest input, which isn't in it.
uint64_t StepBytes(const ModelSpec& spec, const StepSize& size);

// The same of an encoder's pass over texts of `tokens` together.
uint64_t EncoderStepBytes(const ModelSpec& spec, size_t tokens, bool is_f32);

}  // namespace octet
