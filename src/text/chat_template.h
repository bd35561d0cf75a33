// The template that turns a conversation into the prompt a model was trained on.
//
//   ChatTemplate chat = OCTET_TRY(ChatTemplate::Parse(source, "chat_template.jinja"));
//   std::vector<TextPiece> prompt = OCTET_TRY(chat.Render({{"messages", messages}, {"add_generation_prompt", true}}));
//
// Output equals that of transformers' apply_chat_template, byte for byte, and also tells which of it the template wrote
// and which came from messages, tools and documents. What templates may do: docs/formats/chat_template.md. Where a
// checkpoint keeps its template: text/find_template.h. The language itself: text/jinja.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/text_piece.h"

namespace octet {

// What rendering may use up before it fails with invalid_argument, naming the limit.
struct RenderLimits {
  uint64_t steps = 20'000'000;
  size_t depth = 400;  // expressions and macro calls inside each other
  size_t output_bytes = size_t{64} << 20;
  size_t memory_bytes = size_t{512} << 20;  // values and output alive at once, with their marks
  std::optional<std::tm> now;               // what strftime_now prints; the local time where it is not set
};

// Found out by rendering short conversations when the template is parsed.
struct TemplateAbilities {
  bool system_role = false;    // the text of a system message reaches the prompt
  bool tools = false;          // so do the names of tools
  bool tool_calls = false;     // and those of an assistant's calls
  bool tool_results = false;   // and what a message of the role `tool` says
  bool typed_content = false;  // content may be a list of parts such as {"type": "text", "text": "Hi"}
  bool text_content = false;   // content may be a string
  bool thinking = false;       // enable_thinking changes the prompt
};

// Constant once made; any number of threads may render at a time.
class ChatTemplate {
 public:
  // Fails with corrupt, naming `where` and the line.
  static Result<ChatTemplate> Parse(std::string source, std::string_view where);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `inputs` is an object: messages, tools, documents, add_generation_prompt, bos_token, eos_token and whatever else
  // the template reads. Special tokens and well-known role names count as the template's own text, all other strings as
  // data. Lists of typed parts become text where the template can't take them, and text becomes a list where it takes
  // nothing else. Fails with invalid_argument where the template refuses the input, naming the line.
  Result<std::vector<TextPiece>> Render(const Json& inputs, const RenderLimits& limits = {}) const;

  const TemplateAbilities& abilities() const;
  const std::string& source() const;

 private:
  struct State;
  explicit ChatTemplate(std::unique_ptr<const State> state);

  std::unique_ptr<const State> state_;
};

// The prompt without its marks.
std::string JoinPieces(const std::vector<TextPiece>& pieces);

}  // namespace octet
