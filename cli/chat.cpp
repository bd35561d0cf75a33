// `octet chat`: questions and answers on a terminal; piped input is one question.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/counted.h"
#include "cli/guide_flags.h"
#include "cli/line_editor.h"
#include "cli/logprobs.h"
#include "cli/model_flags.h"
#include "cli/sampling_flags.h"
#include "cli/signals.h"
#include "cli/speed_line.h"
#include "cli/standard_input.h"
#include "cli/verb.h"
#include "engine/chat/chat_input.h"
#include "engine/chat/conversation.h"
#include "engine/prompt.h"
#include "engine/session.h"

namespace octet::cli {
namespace {

struct ChatOptions {
  std::string system;
  std::filesystem::path load;
  std::optional<std::filesystem::path> history;
  std::filesystem::path adapter;
  GuideFlags guide;
  SamplingFlags sampling;
  ModelFlags model;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ChatOptions::system, "system", "system message that goes before the conversation");
    visit(&ChatOptions::load, "continue", "file that /save wrote, to go on from");
    visit(&ChatOptions::history, "history", "file that keeps the lines typed; an empty name keeps none");
    visit(&ChatOptions::adapter, "adapter", kAdapterHelp, Takes{"DIR"});
    visit(&ChatOptions::guide);
    visit(&ChatOptions::sampling);
    visit(&ChatOptions::model);
  }
};

// One user at one model: answers questions and obeys commands.
class Talk {
 public:
  Talk(Engine& engine, GenerateOptions options, Conversation conversation, Invocation& call)
      : engine_(engine),
        session_(engine),
        options_(std::move(options)),
        conversation_(std::move(conversation)),
        call_(call) {}

  // What every answer must look like.
  void Guide(std::shared_ptr<grammar::CompiledGrammar> grammar) { grammar_ = std::move(grammar); }

  // What every answer is made with.
  void Adapt(std::shared_ptr<const Adapter> adapter) { adapter_ = std::move(adapter); }

  // The answer's text goes to stdout as it comes, unless `quiet`. A failed question is taken back.
  Result<GenerateResult> Ask(std::string question, bool quiet);
  Status Loop(const std::filesystem::path& history_file);

 private:
  // One that came between two lines stopped nothing; the next answer isn't to be.
  void ForgetInterrupt() {
    if (LastSignal() != SIGINT) return;
    call_.cancel().Clear();
    ForgetSignal();
  }
  Result<GenerateResult> AnswerLast(bool quiet);
  Status Handle(const TypedMessage& message);
  Status Obey(const ChatCommand& command);
  // Prints the answer to the last question. Where none comes, the conversation is as it was before.
  Status AnswerAloud(Conversation before);
  Result<std::string> Stats() const;

  Engine& engine_;
  EngineSession session_;
  GenerateOptions options_;
  std::shared_ptr<grammar::CompiledGrammar> grammar_;
  std::shared_ptr<const Adapter> adapter_;
  Conversation conversation_;
  Invocation& call_;
  std::optional<Timings> last_;  // of the answer that the conversation ends with, where it was made here
  uint32_t number_ = 0;          // each answer draws anew
};

bool IsEmpty(const GenerateResult& result) {
  return result.finish_reason == FinishReason::kCancelled && result.tokens.empty();
}

std::string Questions(const Conversation& conversation) {
  return Cat(conversation.questions(), conversation.questions() == 1 ? " question" : " questions");
}

Result<GenerateResult> Talk::AnswerLast(bool quiet) {
  Request request;
  const std::vector<ChatMessage> messages = conversation_.messages();
  request.prompt = OCTET_TRY(ChatPrompt(engine_, messages));
  request.options = options_;
  request.number = number_++;
  request.grammar = grammar_;
  request.adapter = adapter_;
  Status printed;
  const auto print = [&](std::string_view piece) {
    if (!quiet) printed = call_.Print(piece);
    return printed.has_value();
  };
  GenerateResult result = OCTET_TRY(session_.Generate(std::move(request), print, &call_.cancel()));
  OCTET_TRY(std::move(printed));
  // A question that was stopped before its answer began is taken back by whoever asked it.
  if (IsEmpty(result)) return result;
  conversation_.Answer(result.text);
  last_ = result.timings;
  return result;
}

Result<GenerateResult> Talk::Ask(std::string question, bool quiet) {
  OCTET_TRY(CheckUtf8(question, "the question"));
  conversation_.Ask(std::move(question));
  Result<GenerateResult> result = AnswerLast(quiet);
  if (!result) conversation_.Undo();
  return result;
}

Result<std::string> Talk::Stats() const {
  const std::vector<ChatMessage> messages = conversation_.messages();
  size_t used = 0;
  if (last_)
    used = last_->prompt_tokens + last_->generated_tokens;
  else if (!conversation_.empty())
    used = OCTET_TRY(ChatPrompt(engine_, messages)).size();
  return Cat(last_ ? SpeedLine(*last_) + "\n" : "", Questions(conversation_), ", ", used, " of ",
             Counted(engine_.context(), "token"), " of context used");
}

Status Talk::AnswerAloud(Conversation before) {
  const Result<GenerateResult> answered = AnswerLast(false);
  if (!answered || IsEmpty(*answered)) conversation_ = std::move(before);
  const GenerateResult& result = OCTET_TRY(answered);
  OCTET_TRY(call_.Print("\n"));
  const bool stopped = result.finish_reason == FinishReason::kCancelled;
  call_.Note(stopped ? "stopped; " + SpeedLine(result.timings) : SpeedLine(result.timings));
  return {};
}

Status Talk::Obey(const ChatCommand& command) {
  switch (command.action) {
    case ChatAction::kSystem:
      OCTET_TRY(CheckUtf8(command.argument, "the system message"));
      conversation_ = Conversation();
      last_.reset();
      conversation_.SetSystem(command.argument);
      call_.Note(command.argument.empty() ? "no system message; the conversation begins anew"
                                          : "the conversation begins anew");
      return {};
    case ChatAction::kRetry: {
      Conversation before = conversation_;
      if (!conversation_.ReopenQuestion()) return Fail(ErrorCode::kInvalidArgument, "nothing was asked yet");
      return AnswerAloud(std::move(before));
    }
    case ChatAction::kUndo:
      if (!conversation_.Undo()) return Fail(ErrorCode::kInvalidArgument, "nothing was asked yet");
      last_.reset();
      call_.Note(
          Cat("taken back; ", Questions(conversation_), conversation_.questions() == 1 ? " is left" : " are left"));
      return {};
    case ChatAction::kSave:
      OCTET_TRY(conversation_.Save(command.argument));
      call_.Note(Cat("saved to ", command.argument));
      return {};
    case ChatAction::kLoad:
      conversation_ = OCTET_TRY(Conversation::Load(command.argument));
      last_.reset();
      call_.Note(Cat(Questions(conversation_), " loaded"));
      return {};
    case ChatAction::kStats:
      call_.Note(OCTET_TRY(Stats()));
      return {};
    case ChatAction::kHelp:
      call_.Note(ChatHelp());
      return {};
  }
  return {};
}

Status Talk::Handle(const TypedMessage& message) {
  const std::optional<ChatCommand> command = OCTET_TRY(ParseChatCommand(message));
  if (command) return Obey(*command);
  OCTET_TRY(CheckUtf8(message.text, "the question"));
  Conversation before = conversation_;
  conversation_.Ask(std::string(MessageText(message)));
  return AnswerAloud(std::move(before));
}

Status Talk::Loop(const std::filesystem::path& history_file) {
  const bool coloured = ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  LineEditor editor(history_file);
  MessageReader reader;
  while (const std::optional<std::string> line = editor.Read(reader.waiting() ? "." : ">", coloured)) {
    if (editor.abandoned()) {
      ForgetInterrupt();
      if (!reader.waiting()) call_.Note("Ctrl-D leaves");
      reader.Clear();
      continue;
    }
    const std::optional<TypedMessage> message = reader.Push(*line);
    if (!message || IsBlank(*message)) continue;
    if (Status handled = Handle(*message); !handled) {
      // An error ends the answer, not the chat; a reader of stdout that has left ends both.
      if (handled.error().code == ErrorCode::kCancelled && LastSignal() == 0) return handled;
      call_.Note(handled.error().message);
    }
    if (IsAskedToEnd()) break;
    call_.cancel().Clear();
    ForgetSignal();
  }
  call_.Note("");
  return call_.cancel().Check();
}

Result<std::string> ReadPipedQuestion(const CancelFlag& cancel) {
  std::string text = OCTET_TRY(ReadStandardInput(cancel));
  while (text.ends_with('\n')) text.pop_back();
  if (text.empty())
    return Fail(ErrorCode::kInvalidArgument,
                "standard input is empty; pipe a question in, or run `octet chat` on a terminal");
  return text;
}

// The question that came through the pipe, its answer, and that is all.
Status AnswerPiped(Talk& talk, std::string question, Invocation& call) {
  const GenerateResult result = OCTET_TRY(talk.Ask(std::move(question), call.json()));
  if (call.json()) {
    Json json = {{"text", result.text},
                 {"finish_reason", FinishReasonName(result.finish_reason)},
                 {"prompt_tokens", result.timings.prompt_tokens},
                 {"generated_tokens", result.timings.generated_tokens}};
    AddLogprobs(result, json);
    OCTET_TRY(call.PrintJson(json));
  } else {
    OCTET_TRY(call.Print("\n"));
    call.Note(SpeedLine(result.timings));
  }
  return call.cancel().Check();
}

// The file that was asked for has to be a history. Nobody chose the other one: where it is damaged, the chat does
// without.
Result<std::filesystem::path> HistoryFile(const ChatOptions& options, Invocation& call) {
  const std::filesystem::path file = options.history.value_or(DefaultHistoryFile());
  const Status usable = CheckHistoryFile(file);
  if (usable) return file;
  if (options.history) return tl::unexpected<Error>(usable.error());
  call.Note(Cat("lines typed aren't kept: ", usable.error().message));
  return std::filesystem::path();
}

Status Chat(const ChatOptions& options, Invocation& call) {
  const bool piped = ::isatty(STDIN_FILENO) == 0;
  if (!piped && call.json())
    return Fail(ErrorCode::kInvalidArgument,
                "--json needs a question through a pipe: echo QUESTION | octet chat MODEL --json");
  OCTET_TRY(CheckLogprobs(options.sampling, call));
  const std::optional<GrammarSource> guide = OCTET_TRY(ReadGuide(options.guide));
  std::string question;
  if (piped) {
    question = OCTET_TRY(ReadPipedQuestion(call.cancel()));
    OCTET_TRY(CheckUtf8(question, "the question"));
  }
  std::filesystem::path history;
  if (!piped) history = OCTET_TRY(HistoryFile(options, call));
  Conversation conversation;
  if (!options.load.empty()) conversation = OCTET_TRY(Conversation::Load(options.load));
  if (!options.system.empty()) conversation.SetSystem(options.system);
  const std::unique_ptr<Engine> engine = OCTET_TRY(OpenEngine(call.word(0), options.model));
  GenerateOptions generate = OCTET_TRY(ToGenerateOptions(options.sampling, engine->defaults(), engine->spec().vocab));
  Talk talk(*engine, std::move(generate), std::move(conversation), call);
  talk.Adapt(OCTET_TRY(OpenAdapter(options.adapter, *engine)));
  if (guide) talk.Guide(OCTET_TRY(engine->grammars().Compile(*guide)));
  if (piped) return AnswerPiped(talk, std::move(question), call);
  call.Note(Cat(call.word(0), ": ", Counted(engine->context(), "token"), " of context, ",
                Counted(engine->threads(), "thread"), ", ", engine->tier(), "; /help lists commands, Ctrl-D leaves"));
  return talk.Loop(history);
}

const RegisterVerb kChat(MakeVerb<ChatOptions>({.name = "chat",
                                                .words = "MODEL",
                                                .summary = "talk with a model; piped input is one question",
                                                .example = "octet chat build/models/fp8 --system \"Be brief.\""},
                                               Chat));

}  // namespace
}  // namespace octet::cli
