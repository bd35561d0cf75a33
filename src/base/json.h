// Reading JSON that came from a file or a client: bounded in depth, and every access says what was expected.
//
//   Json config = OCTET_TRY(ParseJson(text, "config.json"));
//   int64_t layers = OCTET_TRY(GetInteger(config, "num_hidden_layers", "config.json"));
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace octet {

// Keeps the order of keys, so that a file that is read and written again stays the same.
using Json = nlohmann::ordered_json;

// Refuses more than 128 levels, text that is not UTF-8 and trailing bytes; `where` opens every message.
Result<Json> ParseJson(std::string_view text, std::string_view where);

// A member of an object. Each fails with corrupt, naming `where` and the key, where it is missing or of another type.
Result<int64_t> GetInteger(const Json& object, std::string_view key, std::string_view where);
Result<double> GetNumber(const Json& object, std::string_view key, std::string_view where);
Result<bool> GetBool(const Json& object, std::string_view key, std::string_view where);
Result<std::string> GetString(const Json& object, std::string_view key, std::string_view where);

// The member, or null where it is missing or is JSON's null.
const Json* FindMember(const Json& object, std::string_view key);

}  // namespace octet
