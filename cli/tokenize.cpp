// `octet tokenize`: a text as the model's tokens.
#include <iostream>
#include <iterator>

#include "base/mapped_file.h"
#include "cli/verb.h"
#include "text/open_tokenizer.h"
#include "text/utf8.h"

namespace octet::cli {
namespace {

struct TokenizeOptions {
  std::string text;
  bool no_special = false;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&TokenizeOptions::text, "text", "file with the text; - reads standard input");
    visit(&TokenizeOptions::no_special, "no-special",
          "add no BOS or EOS, and take special tokens written in the text as plain text");
  }
};

Result<std::string> ReadText(const std::string& path) {
  if (path.empty())
    return Fail(ErrorCode::kInvalidArgument, "which text? give --text FILE, or --text - for standard input");
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  return ReadTextFile(path);
}

Status Tokenize(const TokenizeOptions& options, Invocation& call) {
  std::string text = OCTET_TRY(ReadText(options.text));
  if (!IsValidUtf8(text)) text = ReplaceInvalidUtf8(text);
  const Tokenizer tokenizer = OCTET_TRY(OpenTokenizer(call.word(0)));
  const std::vector<int32_t> ids =
      tokenizer.Encode(text, {.add_special = !options.no_special, .parse_special = !options.no_special});
  if (call.json()) return call.PrintJson({{"text", text}, {"ids", ids}});
  std::string out;
  for (const int32_t id : ids) {
    const std::string piece = tokenizer.Decode(std::span(&id, 1));
    out += Cat(id, "\t", Json(piece).dump(), "\n");
  }
  return call.Print(out);
}

const RegisterVerb kTokenize(
    MakeVerb<TokenizeOptions>({.name = "tokenize",
                               .words = "MODEL",
                               .summary = "a text as the model's tokens: id and text of each",
                               .example = "octet tokenize build/models/bf16 --text README.md --json"},
                              Tokenize));

}  // namespace
}  // namespace octet::cli
