// A request's JSON made into what a chat template sees (chat_template.h), as transformers prepares it.
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "text/chat_template.h"
#include "text/jinja/evaluator.h"

namespace octet {

// The inputs with message contents in a form that the template takes: typed parts as text, or text as typed parts.
// Fails with invalid_argument for parts that can't become text.
Result<Json> FitContent(const Json& inputs, const TemplateAbilities& abilities);

// The variables, with the marks of who wrote them. `messages`, `tools`, `documents` and `add_generation_prompt` are
// always there; a message's reasoning stands under all the names that templates look for. Fails for text that is not
// UTF-8.
Result<jinja::Inputs> ChatVariables(jinja::Budget& budget, const Json& inputs);

}  // namespace octet
