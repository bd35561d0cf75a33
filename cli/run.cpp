// `octet run`: one prompt, one answer, printed as it is made.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/mapped_file.h"
#include "cli/guide_flags.h"
#include "cli/logprobs.h"
#include "cli/model_flags.h"
#include "cli/sampling_flags.h"
#include "cli/speed_line.h"
#include "cli/standard_input.h"
#include "cli/verb.h"
#include "engine/prompt.h"
#include "engine/session.h"

namespace octet::cli {
namespace {

constexpr std::string_view kSpace = " \t\r\n", kBetween = ", \t\r\n";

struct RunOptions {
  std::optional<std::string> prompt;
  std::filesystem::path prompt_file;
  std::optional<std::string> ids;
  std::optional<std::string> system;
  bool raw = false;
  bool show_special = false;
  std::filesystem::path adapter;
  GuideFlags guide;
  SamplingFlags sampling;
  ModelFlags model;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&RunOptions::prompt, "prompt",
          "what to answer, which may be empty; without it and the two below: standard input, which may not");
    visit(&RunOptions::prompt_file, "prompt-file", "file with the prompt");
    visit(&RunOptions::ids, "ids", "prompt as token ids, 1,2,3 or a file of them; nothing is put around them",
          Takes{"IDS|FILE"});
    visit(&RunOptions::system, "system", "system message that goes before the prompt");
    visit(&RunOptions::raw, "raw", "no chat template: the model goes on from the prompt as it stands");
    visit(&RunOptions::show_special, "show-special", "special tokens appear in the text");
    visit(&RunOptions::adapter, "adapter", kAdapterHelp, Takes{"DIR"});
    visit(&RunOptions::guide);
    visit(&RunOptions::sampling);
    visit(&RunOptions::model);
  }
};

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// Numbers with a comma or white space between two, brackets around all of them or none. The message opens with `where`.
Result<std::vector<int32_t>> ParseIds(std::string_view text, std::string_view where) {
  std::string_view left = Trimmed(text);
  if (left.starts_with('[') && left.ends_with(']')) left = Trimmed(left.substr(1, left.size() - 2));
  if (left.empty())
    return Fail(ErrorCode::kInvalidArgument, where, ": there are no ids; give at least one, as in 1,2,3");
  std::vector<int32_t> ids;
  while (true) {
    const size_t end = std::min(left.find_first_of(kBetween), left.size());
    if (end == 0) {
      return Fail(ErrorCode::kInvalidArgument, where, ": no id stands before the comma behind ", ids.size(),
                  ids.size() == 1 ? " id" : " ids");
    }
    OCTET_TRY(internal::ParseValue(left.substr(0, end), where, ids.emplace_back()));
    left = Trimmed(left.substr(end));
    if (left.empty()) return ids;
    if (!left.starts_with(',')) continue;
    left = Trimmed(left.substr(1));
    if (left.empty()) return Fail(ErrorCode::kInvalidArgument, where, ": no id stands behind the last comma");
  }
}

Result<std::vector<int32_t>> ReadIds(const std::string& ids) {
  const bool is_list = ids.find_first_not_of("0123456789-, \t\r\n[]") == std::string::npos;
  std::error_code ignored;  // what can't be looked at is no file to read
  if (is_list || !std::filesystem::exists(ids, ignored)) {
    Result<std::vector<int32_t>> parsed = ParseIds(ids, "--ids");
    if (parsed || is_list) return parsed;
    return Fail(ErrorCode::kInvalidArgument, parsed.error().message, ", and there is no file of the name `", ids, "`");
  }
  const std::string text = OCTET_TRY(ReadTextFile(ids, kMostInputBytes));
  return ParseIds(text, ids);
}

Result<std::string> ReadPipedPrompt(bool raw, const CancelFlag& cancel) {
  if (::isatty(STDIN_FILENO) != 0) {
    return Fail(ErrorCode::kInvalidArgument,
                "no prompt: give --prompt TEXT, --prompt-file FILE, --ids IDS, or pipe a text in");
  }
  std::string text = OCTET_TRY(ReadStandardInput(cancel));
  // Line ends alone are no question, as in a chat; a text that --raw goes on from may be just those.
  if (raw ? text.empty() : text.find_first_not_of('\n') == std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, "standard input is empty; pipe a text in, or give --prompt TEXT");
  }
  return text;
}

Status CheckOneSource(const RunOptions& options) {
  const int sources = (options.prompt ? 1 : 0) + (options.prompt_file.empty() ? 0 : 1) + (options.ids ? 1 : 0);
  if (sources > 1)
    return Fail(ErrorCode::kInvalidArgument, "--prompt, --prompt-file and --ids exclude each other; ", sources,
                " were given");
  if (options.system && (options.raw || options.ids)) {
    return Fail(ErrorCode::kInvalidArgument, "--system needs the chat template, which --raw and --ids leave out");
  }
  return {};
}

Result<std::string> ReadPromptText(const RunOptions& options, const CancelFlag& cancel) {
  if (options.prompt) return *options.prompt;
  if (options.prompt_file.empty()) return ReadPipedPrompt(options.raw, cancel);
  return ReadTextFile(options.prompt_file, kMostInputBytes);
}

Result<std::vector<int32_t>> PromptTokens(const RunOptions& options, const Engine& engine, const std::string& text) {
  if (options.raw || (engine.chat_template() == nullptr && !options.system)) return TextPrompt(engine, text);
  std::vector<ChatMessage> messages;
  if (options.system) messages.push_back({"system", *options.system});
  messages.push_back({"user", text});
  return ChatPrompt(engine, messages);
}

Json ResultJson(const GenerateResult& result, const Engine& engine) {
  Json tokens = Json::array();
  for (const GeneratedToken& token : result.tokens) tokens.push_back(token.token);
  const Timings& times = result.timings;
  Json json = {
      {"text", result.text}, {"tokens", std::move(tokens)}, {"finish_reason", FinishReasonName(result.finish_reason)}};
  AddLogprobs(result, json);
  json["timings"] = {{"load_seconds", engine.load_seconds()},          {"prompt_tokens", times.prompt_tokens},
                     {"prompt_seconds", times.prompt_seconds},         {"prompt_tokens_per_second", times.PromptRate()},
                     {"generated_tokens", times.generated_tokens},     {"decode_seconds", times.decode_seconds},
                     {"decode_tokens_per_second", times.DecodeRate()}, {"drafted_tokens", times.drafted_tokens},
                     {"accepted_tokens", times.accepted_tokens}};
  return json;
}

Status Run(const RunOptions& options, Invocation& call) {
  OCTET_TRY(CheckOneSource(options));
  OCTET_TRY(CheckLogprobs(options.sampling, call));
  // Before the model is opened, so that a wrong prompt or schema fails at once.
  const std::optional<GrammarSource> guide = OCTET_TRY(ReadGuide(options.guide));
  std::string text;
  std::vector<int32_t> ids;
  if (options.ids) {
    ids = OCTET_TRY(ReadIds(*options.ids));
  } else {
    text = OCTET_TRY(ReadPromptText(options, call.cancel()));
    OCTET_TRY(CheckUtf8(text, "the prompt"));
  }
  const std::unique_ptr<Engine> engine = OCTET_TRY(OpenEngine(call.word(0), options.model));
  Request request;
  request.options = OCTET_TRY(ToGenerateOptions(options.sampling, engine->defaults(), engine->spec().vocab));
  request.options.show_special = options.show_special;
  request.adapter = OCTET_TRY(OpenAdapter(options.adapter, *engine));
  if (guide) request.grammar = OCTET_TRY(engine->grammars().Compile(*guide));
  request.prompt = options.ids ? std::move(ids) : OCTET_TRY(PromptTokens(options, *engine, text));

  EngineSession session(*engine);
  Status printed;
  const auto print = [&](std::string_view piece) {
    if (!call.json()) printed = call.Print(piece);
    return printed.has_value();
  };
  const GenerateResult result = OCTET_TRY(session.Generate(std::move(request), print, &call.cancel()));
  OCTET_TRY(std::move(printed));
  if (call.json())
    OCTET_TRY(call.PrintJson(ResultJson(result, *engine)));
  else if (!result.text.ends_with('\n'))
    OCTET_TRY(call.Print("\n"));
  if (!call.json()) call.Note(fmt::format("load {:.2f} s | {}", engine->load_seconds(), SpeedLine(result.timings)));
  return call.cancel().Check();
}

const RegisterVerb kRun(
    MakeVerb<RunOptions>({.name = "run",
                          .words = "MODEL",
                          .summary = "answer one prompt",
                          .example = "octet run build/models/fp8 --prompt \"What is the capital of France?\""},
                         Run));

}  // namespace
}  // namespace octet::cli
