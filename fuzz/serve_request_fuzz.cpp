// Any bytes as the body of each request that the server reads: refused with a message, or read.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "serve/api/anthropic.h"
#include "serve/api/chat.h"
#include "serve/api/completions.h"
#include "serve/api/encoding.h"
#include "serve/api/fields.h"
#include "serve/api/responses.h"
#include "serve/api/tokens.h"

namespace {

using namespace octet;
using namespace octet::serve;

constexpr std::string_view kTokenizer = R"({
  "added_tokens": [{"id": 4, "content": "<s>", "special": true}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3, "<s>": 4}, "merges": ["a b"]}})";
constexpr const char* kTemplate =
    "{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}{% for m in messages %}<s>{{ m.role }} {{ m.content }}"
    "{{ m.tool_calls or '' }}{% endfor %}{% if add_generation_prompt %}<s>{% endif %}";

template <class T>
void CheckRefusal(const ApiResult<T>& read) {
  if (!read && (read.error().message.empty() || ErrorReply(read.error()).body.empty())) __builtin_trap();
}

// What is read can be worded: a whole reply and a stream of two tokens.
void CheckShape(const ApiResult<Generation>& read) {
  CheckRefusal(read);
  if (!read) return;
  std::vector<ChoiceState> states(read->prompts.size() * read->choices);
  for (ChoiceState& state : states) {
    state.tokens = {{.token = 0, .logprob = -1.0F, .top = {{0, -1.0F}}}, {.token = 1, .logprob = -2.0F}};
    state.text = "ab<tool_call>{\"name\": \"a\"}</tool_call>";
    state.finished = true;
  }
  (void)read->shape->Whole(states);
  (void)read->shape->Begin();
  (void)read->shape->Delta({.index = 0, .text = "ab", .tokens = states[0].tokens, .first = true, .state = states[0]});
  (void)read->shape->End(states);
}

// The same of what encoders are asked; a vector of two numbers, or a score, for each input.
void CheckEncoding(const ApiResult<Encoding>& read, size_t width) {
  CheckRefusal(read);
  if (!read) return;
  size_t tokens = 0;
  for (const EncoderInput& input : read->inputs) {
    if (input.ids.empty() || input.ids.size() > 256) __builtin_trap();
    tokens += input.ids.size();
  }
  if (read->inputs.empty() || tokens != read->tokens) __builtin_trap();
  const std::vector<float> values(read->inputs.size() * width, 0.5F);
  if (JsonReply(read->reply(values)).body.empty()) __builtin_trap();
}

void CheckEncodings(const Json& body, ServedModel model) {
  for (const size_t labels : {size_t{0}, size_t{1}}) {
    model.encoder = ServedEncoder{.width = 2, .labels = labels, .type_vocab = 2};
    const size_t width = labels == 0 ? 2 : 1;
    CheckEncoding(ReadEmbeddings(body, model, "1"), width);
    CheckEncoding(ReadRerank(body, model, "1"), width);
    CheckEncoding(ReadScore(body, model, "1"), width);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Tokenizer tokenizer = *Tokenizer::FromJson(kTokenizer, Json(nullptr), "fuzz");
  static const ChatTemplate chat_template = *ChatTemplate::Parse(kTemplate, "fuzz");
  ServedModel model{.name = "m", .tokenizer = &tokenizer, .chat_template = &chat_template};
  model.tool_format = ToolFormat::kHermes;
  model.vocab = 5;
  model.context = 256;
  const ApiResult<Json> body = ParseBody({reinterpret_cast<const char*>(data), size});
  CheckRefusal(body);
  if (!body) return 0;
  CheckShape(ReadCompletion(*body, model, "1"));
  CheckShape(ReadChat(*body, model, "1"));
  CheckShape(ReadResponse(*body, model, "1"));
  CheckShape(ReadAnthropicMessage(*body, model, "1"));
  CheckRefusal(CountAnthropicTokens(*body, model));
  CheckRefusal(AnswerTokenize(*body, model));
  CheckRefusal(AnswerDetokenize(*body, model));
  CheckRefusal(AnswerApplyTemplate(*body, model));
  CheckEncodings(*body, model);
  return 0;
}
