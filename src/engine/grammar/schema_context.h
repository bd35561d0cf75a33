// What the readers of a schema's parts share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "engine/grammar/expression.h"
#include "engine/grammar/json_text.h"
#include "engine/grammar/program.h"

namespace octet::grammar {

// A schema and its JSON pointer.
struct SchemaPlace {
  const Json* schema = nullptr;
  std::string path;  // "#/properties/name"

  // The value of a keyword; `path` grows by its name.
  SchemaPlace At(std::string_view keyword) const;
  // The same for a value that was found already.
  SchemaPlace Inside(std::string_view keyword, const Json& value) const;
};

class SchemaContext {
 public:
  SchemaContext(Grammar& rules, const GrammarLimits& bounds) : grammar(rules), json(rules), limits(bounds) {}
  virtual ~SchemaContext() = default;

  // The rule of a schema; it may be made later. The schema outlives the context.
  virtual RuleId RuleOf(const SchemaPlace& place) = 0;

  Grammar& grammar;
  JsonText json;
  const GrammarLimits& limits;
};

// A keyword's value as a count, absent where the keyword is. Fails with invalid_argument where it is no whole number of
// 0 or more.
Result<std::optional<uint32_t>> CountOf(const SchemaPlace& place, std::string_view keyword);

// Fails with unsupported, naming the path.
tl::unexpected<Error> Unsupported(const SchemaPlace& place, std::string_view why);
tl::unexpected<Error> Malformed(const SchemaPlace& place, std::string_view expected);

}  // namespace octet::grammar
