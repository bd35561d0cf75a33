// Classes of characters as Hugging Face's punctuation and accent steps know them: by tables of Unicode 8 and 9. Models
// were trained with those, so that a mark or sign that came later is neither to them.
#pragma once

#include <cstdint>

namespace octet {

bool IsOlderPunctuation(uint32_t code_point);  // Unicode 8
bool IsOlderMark(uint32_t code_point);         // Unicode 9, any mark
bool IsOlderNonspacing(uint32_t code_point);   // Unicode 8, Mn
bool IsOlderFormat(uint32_t code_point);       // Unicode 8, Cc Cf Co Cs

// Its normal forms are those of Unicode 9 too: a mark that came later stays where it stands, and a later character that
// would fall apart stays whole.
bool IsNewerMark(uint32_t code_point);
bool IsNewerComposite(uint32_t code_point);

}  // namespace octet
