#include "serve/api/tokens.h"

#include <utility>

#include "base/cat.h"
#include "serve/api/chat_messages.h"
#include "serve/api/fields.h"
#include "serve/api/token_texts.h"

namespace octet::serve {
namespace {

ApiResult<std::vector<int32_t>> IdsOf(Fields& fields, const Json& body, const ServedModel& model) {
  fields.Ignore({"model"});
  if (FindMember(body, "messages") != nullptr) {
    const ChatWish wish = ReadChatWish(fields);
    if (fields.failed()) return tl::unexpected(fields.error());
    return EncodeChat(wish, model);
  }
  const std::optional<std::string> prompt = fields.Text("prompt"), content = fields.Text("content");
  const std::optional<bool> longer = fields.Bool("add_special_tokens"), shorter = fields.Bool("add_special");
  const bool parse_special = fields.Bool("parse_special").value_or(true);
  if (!prompt && !content) fields.Refuse("prompt", "is missing; `content` or `messages` can stand for it");
  if (fields.failed()) return tl::unexpected(fields.error());
  const Tokenizer* tokenizer = OCTET_API_TRY(RequireText(model));
  // vLLM, whose word is `prompt`, adds them unless told otherwise; llama.cpp, whose word is `content`, doesn't.
  const bool add_special = longer ? *longer : shorter.value_or(prompt.has_value());
  return tokenizer->Encode(prompt ? *prompt : *content, {.add_special = add_special, .parse_special = parse_special});
}

Json OrNull(const Tokenizer& tokenizer, std::optional<int32_t> id) {
  return id ? Json(tokenizer.TokenText(*id)) : Json(nullptr);
}

}  // namespace

ApiResult<Json> AnswerTokenize(const Json& body, const ServedModel& model) {
  OCTET_API_TRY(RequestedName(body, model));
  Fields fields(body);
  const bool strings = fields.Bool("return_token_strs").value_or(false);
  const bool pieces = fields.Bool("with_pieces").value_or(false);
  const std::vector<int32_t> ids = OCTET_API_TRY(IdsOf(fields, body, model));
  Json tokens = Json::array(), texts = Json::array();
  for (const int32_t id : ids) {
    tokens.push_back(pieces ? Json{{"id", id}, {"piece", TokenPiece(model.tokenizer, id)}} : Json(id));
    if (strings) texts.push_back(model.tokenizer->TokenText(id));
  }
  return Json{{"count", ids.size()},
              {"max_model_len", model.context},
              {"tokens", std::move(tokens)},
              {"token_strs", strings ? std::move(texts) : Json(nullptr)}};
}

ApiResult<Json> AnswerDetokenize(const Json& body, const ServedModel& model) {
  OCTET_API_TRY(RequestedName(body, model));
  Fields fields(body);
  const Json* list = fields.List("tokens");
  if (list == nullptr) fields.Refuse("tokens", "is missing");
  if (fields.failed()) return tl::unexpected(fields.error());
  const Tokenizer* tokenizer = OCTET_API_TRY(RequireText(model));
  const std::vector<int32_t> ids = OCTET_API_TRY(TokenIds(*list, model.vocab, "tokens"));
  const std::string text = tokenizer->Decode(ids);
  return Json{{"prompt", text}, {"content", text}};
}

ApiResult<Json> AnswerApplyTemplate(const Json& body, const ServedModel& model) {
  OCTET_API_TRY(RequestedName(body, model));
  Fields fields(body);
  const ChatWish wish = ReadChatWish(fields);
  if (fields.failed()) return tl::unexpected(fields.error());
  std::string prompt = JoinPieces(OCTET_API_TRY(RenderChat(wish, model)));
  return Json{{"prompt", std::move(prompt)}};
}

ApiResult<Json> AnswerTokenizerInfo(const ServedModel& model) {
  const Tokenizer* tokenizer = OCTET_API_TRY(RequireText(model));
  return Json{{"tokenizer_class", "octet"},
              {"bos_token", OrNull(*tokenizer, tokenizer->bos())},
              {"eos_token", OrNull(*tokenizer, tokenizer->eos())},
              {"pad_token", OrNull(*tokenizer, tokenizer->eos())},
              {"model_max_length", model.context},
              {"vocab_size", tokenizer->vocab_size()},
              {"chat_template", model.chat_template == nullptr ? Json(nullptr) : Json(model.chat_template->source())}};
}

}  // namespace octet::serve
