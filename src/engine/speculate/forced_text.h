// The tokens in which a model is likely to write a text that it has no choice about.
//
//   DraftText(constraint.ForcedText(), tokenizer, table, /*most=*/32, draft);
//
// A forced text has mostly several tokenisations, among which the model still chooses; the tokenizer's own is the one
// that it learnt. So this is a guess like others (drafter.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/grammar/token_table.h"
#include "text/tokenizer.h"

namespace octet {

// Appends at most `most` tokens of `text`, which may begin and end inside a character, as the tokenizer writes it where
// nothing is before it. Where its tokens don't spell the text (some tokenizers put a space before each text, and all
// read whole characters), those are taken that are the longest, one after the other. Work: of 16 bytes a token at most.
void DraftText(std::string_view text, const Tokenizer& tokenizer, const grammar::TokenTable& table, size_t most,
               std::vector<int32_t>& draft);

}  // namespace octet
