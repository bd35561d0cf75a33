// Two JSON Schemas that must both hold, as one; for `allOf`, and for keywords beside `$ref` and `anyOf`.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace octet::grammar {

// A keyword that says nothing about what is valid.
bool IsAnnotation(std::string_view keyword);

// The schema that is valid exactly where `a` and `b` are; each is an object, true or false. Members that both have are
// left as an `allOf` of the two. Fails with unsupported, naming the keyword behind `where`, where the two can't be one.
Result<Json> MergeSchemas(const Json& a, const Json& b, std::string_view where);

}  // namespace octet::grammar
