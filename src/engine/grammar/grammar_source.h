// The forms in which a user says what an answer must look like, and the way from there to a grammar that runs.
//
//   GrammarCompiler compiler(&tokenizer, vocab);
//   std::shared_ptr<grammar::CompiledGrammar> grammar = OCTET_TRY(compiler.Compile({GrammarSource::Kind::kRegex,
//   "\\d+"}));
//
// What each form may hold: docs/guided_output.md.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/grammar/compiled_grammar.h"
#include "engine/grammar/program.h"

namespace octet {

class Tokenizer;

// Calls of tools as a model spells them: `open`, one call or several with `between` them, `end`. A call is a tool's
// `head`, JSON by its schema, and `close`.
//
//   {.tools = {{R"({"name": "add", "arguments": )", schema, "tools[0]"}}, .close = "}"}
struct CallSource {
  struct Tool {
    std::string head;
    std::string schema;
    std::string where;  // opens errors about the schema
  };
  std::string open = {};
  std::vector<Tool> tools = {};
  std::string close = {};
  std::string between = {};
  std::string end = {};
  uint32_t most_calls = 1;
};

struct GrammarSource {
  enum class Kind {
    kJsonObject,  // any JSON object
    kJsonSchema,  // JSON by the schema in `text`
    kRegex,       // the pattern in `text` matches the whole answer
    kChoices,     // one of `choices`
    kGbnf,        // the rules in `text`, from `root` on
    kCalls,       // `calls`
  };
  Kind kind = Kind::kJsonObject;
  std::string text = {};
  std::vector<std::string> choices = {};
  CallSource calls = {};
};

// Fails with invalid_argument or unsupported, naming the place in the source.
Result<std::shared_ptr<const grammar::Program>> CompileSource(const GrammarSource& source,
                                                              const grammar::GrammarLimits& limits = {});

// Compiles for one vocabulary and keeps what was used last. Many threads may use one.
class GrammarCompiler {
 public:
  // `tokenizer` may be null, then nothing can be compiled; else it outlives the compiler. `vocab` of the model's
  // logits. `kept_bytes`: what grammars that nobody uses may take; the least recently used go first.
  GrammarCompiler(const Tokenizer* tokenizer, size_t vocab, size_t kept_bytes = size_t{256} << 20)
      : tokenizer_(tokenizer), vocab_(vocab), kept_bytes_(kept_bytes) {}

  // Fails as CompileSource does, and with unsupported where the tokenizer's tokens have no bytes of their own.
  Result<std::shared_ptr<grammar::CompiledGrammar>> Compile(const GrammarSource& source);

  // Grammars that are kept.
  size_t kept() const;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<grammar::CompiledGrammar> grammar;
  };
  void DropOld();
  std::shared_ptr<grammar::CompiledGrammar> FindKept(std::string_view key);

  const Tokenizer* tokenizer_;
  size_t vocab_;
  size_t kept_bytes_;
  mutable std::mutex mutex_;
  std::shared_ptr<const grammar::TokenTable> tokens_;  // made when the first grammar is
  std::list<Entry> entries_;                           // the last used first
};

}  // namespace octet
