// What a client can ask of the tokenizer and the chat template, in the words of vLLM and of llama.cpp's server.
#pragma once

#include "serve/api/generation.h"
#include "serve/api/served_model.h"

namespace octet::serve {

// POST /tokenize: {prompt | content | messages, add_special_tokens | add_special, return_token_strs, with_pieces} to
// {count, max_model_len, tokens}, with token_strs where asked for; with_pieces makes each token an {id, piece}.
ApiResult<Json> AnswerTokenize(const Json& body, const ServedModel& model);
// POST /detokenize: {tokens} to {prompt, content}, which are the same.
ApiResult<Json> AnswerDetokenize(const Json& body, const ServedModel& model);
// POST /apply-template: {messages, ...} to {prompt}: what a chat's prompt is, without running the model.
ApiResult<Json> AnswerApplyTemplate(const Json& body, const ServedModel& model);
// GET /tokenizer_info: eos_token, bos_token, pad_token and chat_template, as lm-eval's remote tokenizer reads them.
ApiResult<Json> AnswerTokenizerInfo(const ServedModel& model);

}  // namespace octet::serve
