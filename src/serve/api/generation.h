// What every API that generates makes of a request: prompts and options for the engine, and the shape of its replies.
//
//   Generation generation = OCTET_API_TRY(ReadCompletion(body, model, context));
//   ... submit generation.prompts ...
//   generation.shape->Whole(answers)                                             // or, streamed:
//   generation.shape->Begin() + shape->Delta(choice, event) ... + shape->End(answers)
//
// The engine runs them in serve/generation_task.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/schedule/submission.h"
#include "serve/api/api_error.h"
#include "serve/api/served_model.h"
#include "serve/api/tool_call_parser.h"

namespace octet::serve {

// One answer as far as it has come.
struct ChoiceState {
  std::string text;
  std::vector<GeneratedToken> tokens;
  std::shared_ptr<const std::vector<GeneratedToken>> prompt;  // scored, where that was asked for
  FinishReason finish = FinishReason::kStop;
  std::optional<size_t> stop_string;
  ChoiceUsage usage;  // once it is finished
  size_t prompt_tokens = 0;
  bool finished = false;
};

// What is new of an answer, as the engine told it; `state` holds it already.
struct ChoiceDelta {
  size_t index = 0;  // over all prompts and choices
  std::string_view text;
  std::span<const GeneratedToken> tokens;
  bool first = false;  // nothing of this answer came before
  const ChoiceState& state;
};

// How an API words what the engine says. One object serves one request, and may keep what it needs between calls.
class ReplyShape {
 public:
  virtual ~ReplyShape() = default;

  // The whole reply.
  virtual Json Whole(std::span<const ChoiceState> answers) = 0;

  // The reply as server-sent events: what is sent before the first token (most send nothing), with each event of the
  // engine, and at the end. Frames are whole; an empty text sends nothing.
  virtual std::string Begin() { return {}; }
  virtual std::string Delta(const ChoiceDelta& delta) = 0;
  virtual std::string End(std::span<const ChoiceState> answers) = 0;
  // What ends a stream that fails.
  virtual std::string Failure(const ApiError& error);

  // The reply to a request that fails before anything was sent.
  virtual HttpReply Refusal(const ApiError& error) { return ErrorReply(error); }
};

struct Generation {
  std::vector<std::vector<int32_t>> prompts;
  GenerateOptions options;
  std::shared_ptr<grammar::CompiledGrammar> grammar = nullptr;  // as in Request
  std::shared_ptr<const Adapter> adapter = nullptr;             // as in Request
  std::optional<ToolCallRules> calls = {};                      // what finds calls of tools in the answers
  size_t choices = 1;                                           // of each prompt
  std::optional<int32_t> prompt_logprobs = {};                  // as in Submission
  bool include_stop_text = false;                               // a stop string that ends an answer is part of it
  bool stream = false;
  Priority priority = Priority::kNormal;
  std::string cache_salt = {};
  std::vector<std::string> unknown_fields = {};
  std::unique_ptr<ReplyShape> shape;
};

// What replies say of the request beside the answers.
struct ReplyContext {
  std::string id;       // with the API's own letters before it, as in chatcmpl-
  std::string model;    // as the request called it
  int64_t created = 0;  // seconds since 1970
  const Tokenizer* tokenizer = nullptr;
  uint64_t seed = 0;
  std::vector<std::string> stops = {};    // the request's stop texts, as the engine numbers them
  std::vector<int32_t> stop_tokens = {};  // and its stop_token_ids
};

// An id for a call of a tool, unlike any other: `prefix` and letters, or what the templates of the format take alone.
std::string MakeCallId(ToolFormat format, std::string_view prefix);

// "stop" or "length".
std::string_view FinishName(const ChoiceState& state);
// As vLLM's stop_reason: the stop text or the id of the stop token that ended the answer; null for the model's own end.
Json StopReason(const ReplyContext& context, const ChoiceState& state);

// prompt_tokens, completion_tokens, total_tokens and prompt_tokens_details.cached_tokens over all answers; the prompt
// of several choices counts once. `choices`: answers that share a prompt.
Json UsageJson(std::span<const ChoiceState> answers, size_t choices);

// Times of the first answer as llama.cpp's server names them, and why the cache had no more of its prompt.
Json TimingsJson(const ChoiceState& state);

// One frame of server-sent events.
std::string Frame(const Json& json);
std::string NamedFrame(std::string_view event, const Json& json);
inline constexpr std::string_view kDoneFrame = "data: [DONE]\n\n";

}  // namespace octet::serve
