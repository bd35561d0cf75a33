// What a request's text must look like, as the sampler sees it: which tokens may come next.
//
//   std::unique_ptr<TokenConstraint> constraint = grammar.Start();       // engine/grammar/compiled_grammar.h
//   OCTET_TRY(constraint->AllowedTokens(words));                          // bit i of words: token i may come
//   if (constraint->can_end()) ...                                        // and the end tokens
//   OCTET_TRY(constraint->Accept(token));
//
// One for each sequence; what it allows depends on the tokens that were accepted alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"

namespace octet {

class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  // Writes all of `words` [ceil(vocab / 64)], the lowest bit of the first being token 0. End tokens aren't told here.
  // Fails with exhausted where finding out goes beyond a limit.
  virtual Status AllowedTokens(std::span<uint64_t> words) = 0;

  // The token was chosen. Fails with invalid_argument for one that isn't allowed, with exhausted as AllowedTokens does;
  // nothing has changed then.
  virtual Status Accept(int32_t token) = 0;

  // The text is whole: it may end here.
  virtual bool can_end() const = 0;
  // The text is whole and nothing may follow.
  virtual bool must_end() const = 0;

  // The text that must come next whatever is chosen, empty where there is a choice. It may end inside a character.
  virtual std::string ForcedText() = 0;

  // An independent one at the same place, for answers that part here.
  virtual std::unique_ptr<TokenConstraint> Clone() const = 0;
};

}  // namespace octet
