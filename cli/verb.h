// A verb of the program: one file, one struct of options, one function. It registers itself; nothing else changes.
//
//   // `octet show`: what a model consists of.                                                        (cli/show.cpp)
//   #include "cli/verb.h"
//   namespace octet::cli {
//   namespace {
//   struct ShowOptions {
//     bool tensors = false;
//     template <class Visit> static void Describe(Visit&& visit) {
//       visit(&ShowOptions::tensors, "tensors", "list every tensor");
//     }
//   };
//   Status Show(const ShowOptions& options, Invocation& call) {
//     Model model = OCTET_TRY(Model::Open(call.word(0)));            // an error is printed and sets the exit code
//     if (call.json()) return call.PrintJson(Describe(model));       // results: stdout
//     call.Note("reading took 3 ms");                                // all else: stderr
//     return call.Print(Table(model));
//   }
//   const RegisterVerb kShow(MakeVerb<ShowOptions>({.name = "show",
//                                                   .words = "MODEL",
//                                                   .summary = "spec, tensors, precision map and sizes of a model",
//                                                   .example = "octet show build/models/fp8 --tensors"}, Show));
//   }  // namespace
//   }  // namespace octet::cli
//
// `words` says what stands beside the flags: "A B", "[MODEL]" may be left out, "FILE..." once or more. A name of
// two words ("eval perplexity") makes a group. --help, --json, --config and --log come with every verb. Long work takes
// call.progress() and polls call.cancel().
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/json.h"
#include "base/options.h"
#include "base/options_reader.h"
#include "base/progress.h"

namespace octet::cli {

// What every verb takes.
struct CommonOptions {
  bool json = false;
  std::filesystem::path config;
  std::string log = "warning";

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&CommonOptions::json, "json", "print the result as JSON");
    visit(&CommonOptions::config, "config",
          "YAML file with options by their names; environment and flags go before it");
    visit(&CommonOptions::log, "log", "least important message that is shown", OneOf{{"debug", "info", "warning"}});
  }
};

// One call of a verb: its words, and where results and messages go.
class Invocation {
 public:
  Invocation(std::vector<std::string> words, bool json, CancelFlag& cancel)
      : words_(std::move(words)), json_(json), cancel_(cancel), progress_(StandardErrorTerminal()) {}

  const std::vector<std::string>& words() const { return words_; }
  // Requires index < words().size(), which the verb's `words` promises.
  const std::string& word(size_t index) const { return words_.at(index); }
  bool json() const { return json_; }

  // To stdout, at once. Fails where nobody reads any more (cancelled) or the disk is full.
  Status Print(std::string_view text);
  // One line of JSON to stdout; text that is not UTF-8 gets replacement characters.
  Status PrintJson(const Json& json);
  // One line to stderr.
  void Note(std::string_view line);

  Progress& progress() { return progress_; }
  // Set by the first SIGINT or SIGTERM.
  CancelFlag& cancel() { return cancel_; }

  // For a measurement that misses the limit the user gave: the result stays printed, the exit code becomes 1.
  void FailGate(std::string_view why);
  bool gate_failed() const { return gate_failed_; }

 private:
  std::vector<std::string> words_;
  bool json_;
  CancelFlag& cancel_;
  Progress progress_;
  bool gate_failed_ = false;
};

struct VerbText {
  std::string name;
  std::string words;
  std::string summary;  // one line, as in `answer many users over HTTP`
  std::string example;
};

struct Verb {
  VerbText text;
  std::vector<Option> options;  // its own, then the common ones
  // Reads options, checks words, runs. `gate_failed` is out.
  std::function<Status(const OptionInput& input, CancelFlag& cancel, bool& gate_failed)> run;
};

// A verb's options together with the common ones.
template <class Options>
struct WithCommon {
  Options own;
  CommonOptions common;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&WithCommon::own);
    visit(&WithCommon::common);
  }
};

// For a verb that has none.
struct NoOptions {
  template <class Visit>
  static void Describe(Visit&&) {}
};

// Fails unless the number of words fits the pattern; names what is missing, empty or too much.
Status CheckWords(const std::vector<std::string>& words, std::string_view pattern, std::string_view help_command);
void UseLogLevel(std::string_view level);

template <class Options, class Run>
Verb MakeVerb(VerbText text, Run run) {
  Verb verb{std::move(text), OptionList<WithCommon<Options>>(), {}};
  verb.run = [run, pattern = verb.text.words, list = verb.options](const OptionInput& input, CancelFlag& cancel,
                                                                   bool& gate_failed) -> Status {
    WithCommon<Options> options;
    std::vector<std::string> words = OCTET_TRY(ReadOptions(input, list, &options));
    OCTET_TRY(CheckWords(words, pattern, input.help_command));
    UseLogLevel(options.common.log);
    Invocation call(std::move(words), options.common.json, cancel);
    OCTET_TRY(run(options.own, call));
    gate_failed = call.gate_failed();
    return {};
  };
  return verb;
}

// The verbs in the order of the chain from data to answers.
const std::vector<Verb>& Verbs();

// A constant of this type at namespace scope makes the verb known.
struct RegisterVerb {
  explicit RegisterVerb(Verb verb);
};

}  // namespace octet::cli
