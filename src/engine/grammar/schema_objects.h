// Objects and arrays of a JSON Schema.
#pragma once

#include "engine/grammar/schema_context.h"

namespace octet::grammar {

// Properties come in the order of `properties`, then names of `required` that aren't there, then others.
Result<NodeId> ObjectNode(const SchemaPlace& place, SchemaContext& context);
Result<NodeId> ArrayNode(const SchemaPlace& place, SchemaContext& context);

}  // namespace octet::grammar
