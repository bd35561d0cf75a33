// How many tokens a second a decoder reads and writes, without sampling and text.
//
//   SpeedTest test{.kind = SpeedTest::kPrompt, .tokens = 512, .batch = 1, .repetitions = 5};
//   Speed speed = OCTET_TRY(MeasureSpeed(decoder, context, test, cancel));
//   Print(speed.median, " tokens/s");
#pragma once

#include <cstddef>

#include "base/cancel.h"
#include "base/error.h"
#include "models/decoder.h"
#include "nn/execution_context.h"

namespace octet {

struct SpeedTest {
  enum Kind { kPrompt, kDecode };
  Kind kind = kPrompt;
  size_t tokens = 512;     // of each sequence
  size_t depth = 0;        // tokens that its cache holds before, computed once and not counted
  size_t batch = 1;        // sequences computed together
  size_t repetitions = 5;  // after one that isn't counted
  size_t chunk = 128;      // most tokens in one forward pass
};

// Tokens of all sequences together in a second.
struct Speed {
  double median = 0;
  double min = 0;
  double max = 0;
  // Of kDecode: bytes of the cache that a step reads for each sequence, the mean over its tokens; and bytes a second
  // at which the same threads read a step's number of bytes, over and over, measured between the repetitions
  // (engine/read_rate.h), their median.
  double cache_bytes = 0;
  double read_rate = 0;
};

// Every sequence has the same arbitrary tokens and starts behind `depth` of them. kPrompt computes all its tokens in
// chunks and the logits of the last; kDecode one token of each sequence at a time, each with its logits. Fails as
// Decoder::Forward does; with internal where logits come out
// that are no numbers; with invalid_argument for sizes of 0.
Result<Speed> MeasureSpeed(const Decoder& decoder, nn::ExecutionContext& context, const SpeedTest& test,
                           const CancelFlag& cancel);

}  // namespace octet
