// A stretch of a rendered prompt, and whether it may speak for the model's maker.
//
//   {.text = "<|im_start|>user\n", .trusted = true}     from the chat template
//   {.text = message, .trusted = false}                 from the user: special tokens in it stay plain text
#pragma once

#include <string>

namespace octet {

struct TextPiece {
  std::string text;
  bool trusted = false;
};

}  // namespace octet
