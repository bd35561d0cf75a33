#include "serve/api/served_model.h"

#include <algorithm>
#include <utility>

#include "base/cat.h"

namespace octet::serve {
namespace {

bool IsIn(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

ApiResult<std::string> RequestedName(const Json& body, const ServedModel& model) {
  const Json* name = FindMember(body, "model");
  if (name == nullptr) return model.name;
  if (!name->is_string()) return tl::unexpected(WrongField("model", "`model` is no text"));
  const std::string& text = name->get_ref<const std::string&>();
  if (text.empty()) return model.name;
  if (text == model.name || IsIn(model.aliases, text) || IsIn(model.adapters, text)) return text;
  ApiError error = WrongField("model", Cat("there is no model `", text.substr(0, 200), "` here; `", model.name,
                                           "` is served, GET /v1/models lists all names"));
  error.status = 404;
  error.code = "model_not_found";
  return tl::unexpected(std::move(error));
}

ApiResult<const Tokenizer*> RequireText(const ServedModel& model) {
  if (model.tokenizer != nullptr) return model.tokenizer;
  return tl::unexpected(WrongField("", "the model has no tokenizer; only lists of token ids can be its prompt"));
}

ApiResult<std::vector<int32_t>> EncodeText(const ServedModel& model, std::string_view text, bool add_special) {
  const Tokenizer* tokenizer = OCTET_API_TRY(RequireText(model));
  return tokenizer->Encode(text, {.add_special = add_special, .parse_special = true});
}

ApiResult<void> CheckLength(const ServedModel& model, size_t prompt_tokens) {
  if (prompt_tokens < model.context) return {};
  ApiError error = WrongField("", Cat("the prompt has ", prompt_tokens, " tokens, the context of ", model.context,
                                      " has room for ", model.context - 1, " beside an answer; shorten it"));
  error.code = "context_length_exceeded";
  return tl::unexpected(std::move(error));
}

Json ModelJson(const ServedModel& model, std::string_view name) {
  Json meta = {{"n_vocab", model.vocab}, {"n_ctx", model.context}};
  if (model.encoder) meta["n_embd"] = model.encoder->width;
  const bool is_adapter = IsIn(model.adapters, name);
  return {{"id", name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "octet"},
          {"root", is_adapter ? std::string(name) : model.name},
          {"parent", is_adapter ? Json(model.name) : Json(nullptr)},
          {"max_model_len", model.context},
          {"meta", std::move(meta)}};
}

}  // namespace octet::serve
