// The fields by which a request says what its answer must look like, in the words of OpenAI, vLLM and llama.cpp.
//
//   std::optional<Constraint> wanted = ReadConstraint(fields);
//   if (wanted) generation.grammar = OCTET_API_TRY(Compile(*wanted, model));
//
// What each form may hold: docs/guided_output.md.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/grammar/grammar_source.h"
#include "serve/api/fields.h"
#include "serve/api/served_model.h"

namespace octet::serve {

struct Constraint {
  std::string field = {};  // that asked for it, as errors name it
  GrammarSource source = {};
};

// response_format, structured_outputs, guided_json, guided_regex, guided_choice, guided_grammar, grammar and
// json_schema: absent where all are missing, null or plain text. Refuses more than one.
std::optional<Constraint> ReadConstraint(Fields& fields);

// An object with a `type`: text, json_object, or json_schema whose schema is in `schema_in`, the object's own member or
// the object itself where empty. `field` is the object's name.
std::optional<Constraint> ReadFormat(Fields& fields, const Json& format, const std::string& field,
                                     std::string_view schema_in);

// On the caller's thread, within the limits of grammars. Fails with 400, naming the field and the place in what it
// holds.
ApiResult<std::shared_ptr<grammar::CompiledGrammar>> Compile(const Constraint& constraint, const ServedModel& model);

}  // namespace octet::serve
