// `octet tokenize`: a text or a chat as the model's tokens.
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "cli/signals.h"
#include "cli/standard_input.h"
#include "cli/verb.h"
#include "text/chat_template.h"
#include "text/find_template.h"
#include "text/open_tokenizer.h"
#include "text/utf8.h"

namespace octet::cli {
namespace {

struct TokenizeOptions {
  std::string text;
  std::string chat;
  std::string chat_template;
  bool no_special = false;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&TokenizeOptions::text, "text", "file with the text; - reads standard input");
    visit(&TokenizeOptions::chat, "chat",
          "JSON file with a list of messages, or an object with `messages` and what else the template reads; - reads "
          "standard input");
    visit(&TokenizeOptions::chat_template, "template", "Jinja file to use instead of the model's own chat template");
    visit(&TokenizeOptions::no_special, "no-special",
          "add no BOS or EOS, and take special tokens written in the text as plain text");
  }
};

Result<std::string> ReadInput(const std::string& path, const CancelFlag& cancel) {
  return path == "-" ? ReadStandardInput(cancel) : ReadTextFile(path);
}

Result<ChatTemplate> OpenTemplate(const std::filesystem::path& model, const std::string& path, bool with_tools) {
  if (!path.empty()) {
    std::string source = OCTET_TRY(ReadTextFile(path));
    return ChatTemplate::Parse(std::move(source), path);
  }
  const ChatTemplateSources sources = OCTET_TRY(FindChatTemplates(model));
  if (sources.text.empty())
    return Fail(ErrorCode::kNotFound, model, ": the model has no chat template; give one by --template FILE.jinja");
  return ChatTemplate::Parse(with_tools && !sources.tool_use_text.empty() ? sources.tool_use_text : sources.text,
                             sources.where);
}

// What the template reads: the file's object, or its list as the messages.
Result<Json> ReadChat(const std::string& text, const std::string& path, const Tokenizer& tokenizer) {
  const Json read = OCTET_TRY(ParseJson(text, path));
  if (!read.is_array() && FindMember(read, "messages") == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, path, ": neither a list of messages nor an object with `messages`");
  }
  Json inputs = {{"add_generation_prompt", true}};
  inputs["bos_token"] = tokenizer.bos() ? std::string(tokenizer.TokenText(*tokenizer.bos())) : "";
  inputs["eos_token"] = tokenizer.eos() ? std::string(tokenizer.TokenText(*tokenizer.eos())) : "";
  if (read.is_array()) {
    inputs["messages"] = read;
  } else {
    inputs.update(read);
  }
  return inputs;
}

struct TokenizedText {
  std::string text;
  std::vector<int32_t> ids;
};

// The template writes BOS itself, so that the tokenizer adds none.
Result<TokenizedText> TokenizeChat(const std::string& text, const TokenizeOptions& options,
                                   const std::filesystem::path& model, const Tokenizer& tokenizer) {
  const Json inputs = OCTET_TRY(ReadChat(text, options.chat, tokenizer));
  const ChatTemplate chat =
      OCTET_TRY(OpenTemplate(model, options.chat_template, FindMember(inputs, "tools") != nullptr));
  const std::vector<TextPiece> prompt = OCTET_TRY(chat.Render(inputs));
  TokenizedText tokens;
  for (const TextPiece& piece : prompt) tokens.text += piece.text;
  tokens.ids = options.no_special ? tokenizer.Encode(tokens.text, {.add_special = false, .parse_special = false})
                                  : tokenizer.EncodeMarked(prompt, /*add_special=*/false, chat.source());
  return tokens;
}

TokenizedText TokenizeText(std::string text, const TokenizeOptions& options, const Tokenizer& tokenizer) {
  TokenizedText tokens;
  tokens.text = IsValidUtf8(text) ? std::move(text) : ReplaceInvalidUtf8(text);
  tokens.ids =
      tokenizer.Encode(tokens.text, {.add_special = !options.no_special, .parse_special = !options.no_special});
  return tokens;
}

Status Tokenize(const TokenizeOptions& options, Invocation& call) {
  if (options.text.empty() == options.chat.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "give either --text FILE or --chat FILE.json; - is standard input");
  }
  if (options.chat.empty() && !options.chat_template.empty())
    return Fail(ErrorCode::kInvalidArgument, "--template goes with --chat, not with --text");
  LetSignalsEnd();
  const Tokenizer tokenizer = OCTET_TRY(OpenTokenizer(call.word(0)));
  const bool is_chat = !options.chat.empty();
  std::string text = OCTET_TRY(ReadInput(is_chat ? options.chat : options.text, call.cancel()));
  const TokenizedText tokens = is_chat ? OCTET_TRY(TokenizeChat(text, options, call.word(0), tokenizer))
                                       : TokenizeText(std::move(text), options, tokenizer);
  if (call.json()) return call.PrintJson({{"text", tokens.text}, {"ids", tokens.ids}});
  std::string out;
  for (const int32_t id : tokens.ids) out += Cat(id, "\t", Dump(tokenizer.Decode(std::span(&id, 1))), "\n");
  return call.Print(out);
}

const RegisterVerb kTokenize(
    MakeVerb<TokenizeOptions>({.name = "tokenize",
                               .words = "MODEL",
                               .summary = "a text or a chat as the model's tokens",
                               .example = "octet tokenize build/models/bf16 --text README.md --json"},
                              Tokenize));

}  // namespace
}  // namespace octet::cli
