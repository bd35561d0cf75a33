// What the APIs of encoders ask for: vectors of texts, or how well documents fit a query.
//
//   Encoding encoding = OCTET_API_TRY(ReadEmbeddings(body, model, id));
//   ... values of encoding.inputs from the encoder ...
//   Json reply = encoding.reply(values);
//
// POST /v1/embeddings is OpenAI's; rerank is that of Cohere and Jina as vLLM and llama.cpp have it; /score is vLLM's.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/embed/embedder.h"
#include "serve/api/api_error.h"
#include "serve/api/served_model.h"

namespace octet::serve {

struct Encoding {
  std::vector<EncoderInput> inputs;  // at least one
  size_t tokens = 0;                 // of all inputs
  // From the encoder's [inputs, width]: vectors, or scores of a model that scores pairs.
  std::function<Json(std::span<const float> values)> reply;
  std::vector<std::string> unknown_fields = {};
};

// All fail with 400 naming the field, and for a model that can't do what is asked. Texts that are longer than the model
// reads are refused, unless `truncate_prompt_tokens` says to cut them.

// `input` is a text, texts, ids or lists of ids; ids are taken as they are, special ones included.
ApiResult<Encoding> ReadEmbeddings(const Json& body, const ServedModel& model, std::string_view id);

// `query`, `documents` and `top_n`: by the head of a cross-encoder, else by the cosine of vectors.
ApiResult<Encoding> ReadRerank(const Json& body, const ServedModel& model, std::string_view id);

// `text_1` and `text_2`, each a text or texts: one against each of the others, or one by one. A body with `query` is
// one for ReadRerank.
ApiResult<Encoding> ReadScore(const Json& body, const ServedModel& model, std::string_view id);

}  // namespace octet::serve
