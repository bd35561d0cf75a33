// The merges of a SentencePiece BPE vocabulary, which lists tokens by score and no merges: every way to cut a token
// into two tokens, best scores first. The order is that of Hugging Face's converter.
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer_parts.h"

namespace octet {

// may_merge[id] is false for tokens that no merge makes: special tokens and bytes. Requires equal sizes.
// Work: a look-up for each place to cut each token.
std::vector<MergePair> MergesFromScores(const std::vector<std::string>& tokens, const std::vector<double>& scores,
                                        const std::vector<bool>& may_merge);

}  // namespace octet
