#include "text/part_definition.h"

#include "text/regex.h"

namespace octet {

Result<bool> FlagOr(const Json& definition, std::string_view key, bool otherwise, std::string_view where) {
  if (FindMember(definition, key) == nullptr) return otherwise;
  return GetBool(definition, key, where);
}

Result<std::string> TextOr(const Json& definition, std::string_view key, std::string_view otherwise,
                           std::string_view where) {
  if (FindMember(definition, key) == nullptr) return std::string(otherwise);
  return GetString(definition, key, where);
}

Result<PartPattern> ReadPattern(const Json& definition, std::string_view where) {
  const Json* pattern = FindMember(definition, "pattern");
  if (pattern == nullptr) {
    return Fail(ErrorCode::kCorrupt, where, ": a ", OCTET_TRY(GetString(definition, "type", where)),
                " without `pattern`");
  }
  PartPattern found;
  if (FindMember(*pattern, "String") == nullptr) {
    found.expression = OCTET_TRY(GetString(*pattern, "Regex", where));
  } else {
    found.literal = OCTET_TRY(GetString(*pattern, "String", where));
    found.expression = EscapePattern(found.literal);
  }
  return found;
}

Result<const Json*> SequenceMembers(const Json& definition, std::string_view key, int depth, std::string_view where) {
  constexpr int kDeepest = 16;
  const Json* members = FindMember(definition, key);
  if (members == nullptr || !members->is_array())
    return Fail(ErrorCode::kCorrupt, where, ": a Sequence without `", key, "`");
  if (depth == kDeepest) return Fail(ErrorCode::kCorrupt, where, ": sequences nested deeper than ", kDeepest);
  return members;
}

}  // namespace octet
