// Guesses that a text goes on as it did before: after a name, a quotation, a line of code or a key of JSON that stood
// in the prompt or the answer already (prompt lookup).
//
//   NgramDrafter drafter(/*most_tokens=*/4);
//   drafter.Propose(tokens, most, draft);
#pragma once

#include "engine/speculate/drafter.h"

namespace octet {

class NgramDrafter : public Drafter {
 public:
  explicit NgramDrafter(size_t most_tokens) : most_tokens_(most_tokens) {}

  // What followed the latest place where the last three tokens, else the last two, stood before, among the last 8,192.
  // Where that runs into the end, the text is taken to repeat itself. Work: a look at each of these tokens.
  void Propose(std::span<const int32_t> tokens, size_t most, std::vector<int32_t>& draft) override;

 private:
  size_t most_tokens_;
};

}  // namespace octet
