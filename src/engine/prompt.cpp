#include "engine/prompt.h"

#include "text/utf8.h"

namespace octet {

Status CheckUtf8(std::string_view text, std::string_view what) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Prefix next = ClassifyUtf8(text.substr(at));
    if (!next.valid) {
      return Fail(ErrorCode::kInvalidArgument, what, " is not UTF-8: byte ", at, " of ", text.size(),
                  " begins no whole character; convert it, for example with iconv");
    }
    at += next.bytes;
  }
  return {};
}

Result<std::vector<int32_t>> TextPrompt(const Engine& engine, std::string_view text) {
  OCTET_TRY(CheckUtf8(text, "the prompt"));
  if (engine.tokenizer() == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "the model has no tokenizer; give the prompt as token ids");
  }
  return engine.tokenizer()->Encode(text, {.add_special = true, .parse_special = true});
}

}  // namespace octet
