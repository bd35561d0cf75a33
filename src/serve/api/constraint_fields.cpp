#include "serve/api/constraint_fields.h"

#include <utility>
#include <vector>

#include "base/cat.h"
#include "base/json_text.h"

namespace octet::serve {
namespace {

using Kind = GrammarSource::Kind;

std::optional<Constraint> SchemaOf(const Json& schema, std::string field) {
  // Some clients send the schema as a text of JSON.
  std::string text = schema.is_string() ? schema.get<std::string>() : Dump(schema);
  return Constraint{std::move(field), {.kind = Kind::kJsonSchema, .text = std::move(text)}};
}

std::optional<Constraint> ChoicesOf(Fields& fields, const Json& list, const std::string& name) {
  Constraint wanted{name, {.kind = Kind::kChoices}};
  for (const Json& choice : list.is_array() ? list : Json::array({nullptr})) {
    if (!choice.is_string()) {
      fields.Refuse(name, "is no list of texts");
      return std::nullopt;
    }
    wanted.source.choices.push_back(choice.get<std::string>());
  }
  return wanted;
}

std::optional<Constraint> TextOf(Fields& fields, const Json& text, const std::string& name, Kind kind) {
  if (text == "") return std::nullopt;  // as some clients send what isn't set
  if (text.is_string()) return Constraint{name, {.kind = kind, .text = text.get<std::string>()}};
  fields.Refuse(name, "is no text");
  return std::nullopt;
}

std::optional<Constraint> ReadResponseFormat(Fields& fields) {
  const Json* format = fields.Object("response_format");
  if (format == nullptr) return std::nullopt;
  return ReadFormat(fields, *format, "response_format", "json_schema");
}

// vLLM's newer spelling of the guided_ fields.
void ReadStructured(Fields& fields, std::vector<Constraint>& found) {
  const Json* object = fields.Object("structured_outputs");
  if (object == nullptr) return;
  Fields inner(*object, "structured_outputs.");
  const auto keep = [&](std::optional<Constraint> wanted) {
    if (wanted) found.push_back(std::move(*wanted));
  };
  const std::string path = "structured_outputs.";
  if (const Json* schema = inner.Any("json")) keep(SchemaOf(*schema, path + "json"));
  if (const Json* text = inner.Any("regex")) keep(TextOf(fields, *text, path + "regex", Kind::kRegex));
  if (const Json* list = inner.Any("choice")) keep(ChoicesOf(fields, *list, path + "choice"));
  if (const Json* text = inner.Any("grammar")) keep(TextOf(fields, *text, path + "grammar", Kind::kGbnf));
  if (inner.Bool("json_object").value_or(false)) keep(Constraint{path + "json_object", {.kind = Kind::kJsonObject}});
  inner.RefuseUnlessOff(
      {"structural_tag", "whitespace_pattern", "disable_any_whitespace", "disable_additional_properties"},
      "isn't supported; leave it out");
  inner.Ignore({"disable_fallback"});
  // An unknown one could be a form that the answer should have had.
  for (const std::string& name : inner.unknown()) fields.Refuse(name, "is no constraint that is known here");
  if (inner.failed()) fields.Refuse(inner.error());
}

}  // namespace

std::optional<Constraint> ReadFormat(Fields& fields, const Json& format, const std::string& field,
                                     std::string_view schema_in) {
  const Json* type = FindMember(format, "type");
  const std::string name = type != nullptr && type->is_string() ? type->get<std::string>() : std::string();
  if (name == "text") return std::nullopt;
  if (name == "json_object") {
    const Json* schema = FindMember(format, "schema");  // llama.cpp's
    if (schema != nullptr) return SchemaOf(*schema, field + ".schema");
    return Constraint{field, {.kind = Kind::kJsonObject}};
  }
  if (name != "json_schema") {
    fields.Refuse(field + ".type", "is none of text, json_object and json_schema");
    return std::nullopt;
  }
  const std::string inside = schema_in.empty() ? field : Cat(field, ".", schema_in);
  const Json* holder = schema_in.empty() ? &format : FindMember(format, schema_in);
  const Json* schema = holder == nullptr || !holder->is_object() ? nullptr : FindMember(*holder, "schema");
  if (schema != nullptr) return SchemaOf(*schema, inside + ".schema");
  fields.Refuse(inside + ".schema", "is missing: the schema that the answer must fit");
  return std::nullopt;
}

std::optional<Constraint> ReadConstraint(Fields& fields) {
  std::vector<Constraint> found;
  const auto keep = [&](std::optional<Constraint> wanted) {
    if (wanted) found.push_back(std::move(*wanted));
  };
  keep(ReadResponseFormat(fields));
  ReadStructured(fields, found);
  for (const char* name : {"guided_json", "json_schema"}) {
    if (const Json* schema = fields.Any(name)) keep(SchemaOf(*schema, name));
  }
  if (const Json* text = fields.Any("guided_regex")) keep(TextOf(fields, *text, "guided_regex", Kind::kRegex));
  if (const Json* list = fields.Any("guided_choice")) keep(ChoicesOf(fields, *list, "guided_choice"));
  for (const char* name : {"guided_grammar", "grammar"}) {
    if (const Json* text = fields.Any(name)) keep(TextOf(fields, *text, name, Kind::kGbnf));
  }
  fields.Ignore({"guided_decoding_backend"});
  fields.RefuseUnlessOff({"guided_whitespace_pattern", "grammar_lazy", "grammar_triggers"},
                         "isn't supported; leave it out");
  if (found.size() > 1) fields.Refuse(found[1].field, Cat("and `", found[0].field, "` exclude each other"));
  if (found.empty()) return std::nullopt;
  return std::move(found[0]);
}

ApiResult<std::shared_ptr<grammar::CompiledGrammar>> Compile(const Constraint& constraint, const ServedModel& model) {
  if (model.grammars == nullptr)
    return tl::unexpected(WrongField(constraint.field, "this model can't be held to a form"));
  Result<std::shared_ptr<grammar::CompiledGrammar>> compiled = model.grammars->Compile(constraint.source);
  if (compiled) return std::move(*compiled);
  if (compiled.error().code == ErrorCode::kInternal) return tl::unexpected(FromError(compiled.error()));
  return tl::unexpected(WrongField(constraint.field, Cat("`", constraint.field, "`: ", compiled.error().message)));
}

}  // namespace octet::serve
