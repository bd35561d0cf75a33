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

// One text behind the other, as tokenizers do without a rule for pairs.
std::vector<PairPart> PlainPair() { return {{PairPart::Kind::kFirst, 0}, {PairPart::Kind::kSecond, 1}}; }

Result<PairPart> ReadPairPart(const Json& part, const Json& definition, std::string_view where) {
  const Json* sequence = FindMember(part, "Sequence");
  const Json* special = FindMember(part, "SpecialToken");
  const Json* either = sequence != nullptr ? sequence : special;
  if (either == nullptr)
    return Fail(ErrorCode::kCorrupt, where, ": a template part is neither Sequence nor SpecialToken");
  PairPart read;
  const Json* type = FindMember(*either, "type_id");
  if (type != nullptr) read.type = OCTET_TRY(ReadId(*type, where));
  const std::string id = OCTET_TRY(GetString(*either, "id", where));
  if (special != nullptr)
    read.ids = OCTET_TRY(IdsOfSpecial(definition, id, where));
  else
    read.kind = id == "B" ? PairPart::Kind::kSecond : PairPart::Kind::kFirst;
  return read;
}

Result<std::vector<PairPart>> ReadPair(const Json& definition, std::string_view where) {
  const Json* pair = FindMember(definition, "pair");
  if (pair == nullptr || !pair->is_array())
    return Fail(ErrorCode::kCorrupt, where, ": a TemplateProcessing without `pair`");
  std::vector<PairPart> parts;
  size_t first = 0, second = 0;
  for (const Json& part : *pair) {
    parts.push_back(OCTET_TRY(ReadPairPart(part, definition, where)));
    first += parts.back().kind == PairPart::Kind::kFirst ? 1 : 0;
    second += parts.back().kind == PairPart::Kind::kSecond ? 1 : 0;
  }
  if (first == 1 && second == 1) return parts;
  return Fail(ErrorCode::kUnsupported, where, ": a template for pairs that hasn't each text once");
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
  frame.pair = ReadPair(definition, where).value_or(std::vector<PairPart>{});
  return frame;
}

// <s> A </s></s> B </s> and [CLS] A [SEP] B [SEP], the second with types.
Result<SpecialFrame> ReadNamedProcessing(const Json& definition, bool roberta, std::string_view where) {
  const int32_t begin = OCTET_TRY(ReadNamedId(definition, "cls", where));
  const int32_t end = OCTET_TRY(ReadNamedId(definition, "sep", where));
  using Kind = PairPart::Kind;
  const int32_t second = roberta ? 0 : 1;
  const std::vector<int32_t> between = roberta ? std::vector{end, end} : std::vector{end};
  SpecialFrame frame{{begin}, {end}, {}};
  frame.pair = {{Kind::kSpecial, 0, {begin}},
                {Kind::kFirst, 0},
                {Kind::kSpecial, 0, between},
                {Kind::kSecond, second},
                {Kind::kSpecial, second, {end}}};
  return frame;
}

Result<SpecialFrame> Read(const Json& definition, std::string_view where, int depth) {
  if (definition.is_null()) return SpecialFrame{{}, {}, PlainPair()};
  const std::string type = OCTET_TRY(GetString(definition, "type", where));
  if (type == "ByteLevel") return SpecialFrame{{}, {}, PlainPair()};
  if (type == "TemplateProcessing") return ReadTemplate(definition, where);
  if (type == "BertProcessing" || type == "RobertaProcessing")
    return ReadNamedProcessing(definition, type == "RobertaProcessing", where);
  if (type != "Sequence") return Fail(ErrorCode::kUnsupported, where, ": type `", type, "` is unknown to this build");
  const Json* members = OCTET_TRY(SequenceMembers(definition, "processors", depth, where));
  SpecialFrame frame{{}, {}, PlainPair()};
  size_t with_tokens = 0;
  for (const Json& member : *members) {
    SpecialFrame outer = OCTET_TRY(Read(member, where, depth + 1));
    frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
    frame.after.insert(frame.after.end(), outer.after.begin(), outer.after.end());
    if (FindMember(member, "type") != nullptr && member["type"] == "ByteLevel") continue;
    frame.pair = std::move(outer.pair);
    if (++with_tokens > 1) frame.pair.clear();  // how templates nest around pairs isn't known
  }
  return frame;
}

}  // namespace

Result<SpecialFrame> ReadPostProcessor(const Json& definition, std::string_view where) {
  return Read(definition, Cat(where, ": post_processor"), 0);
}

}  // namespace octet
