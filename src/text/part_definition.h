// The fields that parts of a tokenizer.json have in common: flags and texts with a default, patterns, sequences of
// parts.
//
//   const bool invert = OCTET_TRY(FlagOr(definition, "invert", false, where));
//   const PartPattern pattern = OCTET_TRY(ReadPattern(definition, where));
//
// Each fails with corrupt, naming the field, for a value of a wrong type; `where` opens the message.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace octet {

Result<bool> FlagOr(const Json& definition, std::string_view key, bool otherwise, std::string_view where);
Result<std::string> TextOr(const Json& definition, std::string_view key, std::string_view otherwise,
                           std::string_view where);

struct PartPattern {
  std::string expression;  // Oniguruma's dialect: text/regex.h compiles it
  std::string literal;     // the text that it stands for, where the definition gives a text
};

// The member `pattern`: {"String": text} or {"Regex": expression}. Fails with corrupt where there is neither.
Result<PartPattern> ReadPattern(const Json& definition, std::string_view where);

// The list of parts of a definition of the type Sequence, whose name in it is `key`. Fails with corrupt where there is
// none, or where `depth`, counted from 0, is more than a file can mean.
Result<const Json*> SequenceMembers(const Json& definition, std::string_view key, int depth, std::string_view where);

}  // namespace octet
