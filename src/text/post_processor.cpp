#include "text/post_processor.h"

#include "base/json_text.h"
#include "text/part_definition.h"

namespace octet {
namespace {

Result<int32_t> ReadId(const Json& value, std::string_view where) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > INT32_MAX) {
    return Fail(ErrorCode::kCorrupt, where, ": ", Dump(value), " is no token id");
  }
  return value.get<int32_t>();
}

// ["</s>", 2]
Result<int32_t> ReadNamedId(const Json& definition, std::string_view key, std::string_view where) {
  const Json* pair = FindMember(definition, key);
  if (pair == nullptr || !pair->is_array() || pair->size() != 2)
    return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is not a token and its id");
  return ReadId((*pair)[1], where);
}

Result<std::vector<int32_t>> IdsOfSpecial(const Json& definition, const std::string& name, std::string_view where) {
  const Json* all = FindMember(definition, "special_tokens");
  const Json* special = all == nullptr ? nullptr : FindMember(*all, name);
  const Json* listed = special == nullptr ? nullptr : FindMember(*special, "ids");
  if (listed == nullptr || !listed->is_array())
    return Fail(ErrorCode::kCorrupt, where, ": `special_tokens` has no ids for `", name, "`");
  std::vector<int32_t> ids;
  for (const Json& id : *listed) ids.push_back(OCTET_TRY(ReadId(id, where)));
  return ids;
}

Result<SpecialFrame> ReadTemplate(const Json& definition, std::string_view where) {
  const Json* single = FindMember(definition, "single");
  if (single == nullptr || !single->is_array())
    return Fail(ErrorCode::kCorrupt, where, ": a TemplateProcessing without `single`");
  SpecialFrame frame;
  bool after = false;
  for (const Json& part : *single) {
    if (FindMember(part, "Sequence") != nullptr) {
      if (after) return Fail(ErrorCode::kUnsupported, where, ": a template that has the text twice");
      after = true;
      continue;
    }
    const Json* special = FindMember(part, "SpecialToken");
    if (special == nullptr)
      return Fail(ErrorCode::kCorrupt, where, ": a template part is neither Sequence nor SpecialToken");
    const std::string name = OCTET_TRY(GetString(*special, "id", where));
    const std::vector<int32_t> ids = OCTET_TRY(IdsOfSpecial(definition, name, where));
    auto& side = after ? frame.after : frame.before;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  return frame;
}

Result<SpecialFrame> Read(const Json& definition, std::string_view where, int depth) {
  if (definition.is_null()) return SpecialFrame{};
  const std::string type = OCTET_TRY(GetString(definition, "type", where));
  if (type == "ByteLevel") return SpecialFrame{};
  if (type == "TemplateProcessing") return ReadTemplate(definition, where);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return SpecialFrame{{OCTET_TRY(ReadNamedId(definition, "cls", where))},
                        {OCTET_TRY(ReadNamedId(definition, "sep", where))}};
  }
  if (type != "Sequence") return Fail(ErrorCode::kUnsupported, where, ": type `", type, "` is unknown to this build");
  const Json* members = OCTET_TRY(SequenceMembers(definition, "processors", depth, where));
  SpecialFrame frame;
  for (const Json& member : *members) {
    const SpecialFrame outer = OCTET_TRY(Read(member, where, depth + 1));
    frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
    frame.after.insert(frame.after.end(), outer.after.begin(), outer.after.end());
  }
  return frame;
}

}  // namespace

Result<SpecialFrame> ReadPostProcessor(const Json& definition, std::string_view where) {
  return Read(definition, Cat(where, ": post_processor"), 0);
}

}  // namespace octet
