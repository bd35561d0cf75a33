// Words of several tokens that the output must not hold: the last token of one drops out while those before it stand at
// the end of prompt and output together, as generation_config's bad_words_ids are read by transformers.
//
//   BannedSequences banned(options.banned_sequences);
//   banned.Add(token);      // each token of prompt and output, in order
//   banned.Apply(logits);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octet {

class BannedSequences {
 public:
  // None of them empty. Takes all memory that the other calls need.
  explicit BannedSequences(std::vector<std::vector<int32_t>> sequences);

  void Add(int32_t token);

  // Sets the logit of every banned token to minus infinity. Logits are [vocab], every token below it. Work: the
  // sequences' tokens in all.
  void Apply(std::span<float> logits) const;

 private:
  std::vector<std::vector<int32_t>> sequences_;
  size_t longest_prefix_ = 0;
  std::vector<int32_t> recent_;  // the last longest_prefix_ tokens, oldest first
};

}  // namespace octet
