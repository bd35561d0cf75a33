// Strings, numbers and given values of a JSON Schema.
#pragma once

#include "engine/grammar/schema_context.h"

namespace octet::grammar {

Result<NodeId> StringNode(const SchemaPlace& place, SchemaContext& context);
Result<NodeId> NumberNode(const SchemaPlace& place, bool whole, SchemaContext& context);
// The value as JSON text with the white space that JSON text may have.
NodeId ValueNode(const Json& value, SchemaContext& context);

}  // namespace octet::grammar
