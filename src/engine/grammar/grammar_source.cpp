#include "engine/grammar/grammar_source.h"

#include <algorithm>
#include <utility>

#include "base/cat.h"
#include "engine/grammar/gbnf_parser.h"
#include "engine/grammar/json_text.h"
#include "engine/grammar/regex_parser.h"
#include "engine/grammar/schema_reader.h"
#include "text/utf8.h"

namespace octet {
namespace {

using grammar::Grammar;
using grammar::GrammarLimits;

constexpr size_t kMostChoices = 10'000;

Status AddChoices(const GrammarSource& source, const GrammarLimits& limits, Grammar& to) {
  if (source.choices.empty()) return Fail(ErrorCode::kInvalidArgument, "there are no choices; give at least one");
  if (source.choices.size() > kMostChoices)
    return Fail(ErrorCode::kInvalidArgument, "there are ", source.choices.size(), " choices, the limit is ",
                kMostChoices);
  std::vector<grammar::NodeId> nodes;
  size_t bytes = 0;
  for (const std::string& choice : source.choices) {
    bytes += choice.size();
    if (choice.empty()) return Fail(ErrorCode::kInvalidArgument, "choice ", nodes.size() + 1, " is empty");
    if (!IsValidUtf8(choice)) return Fail(ErrorCode::kInvalidArgument, "choice ", nodes.size() + 1, " is not UTF-8");
    nodes.push_back(to.Literal(choice));
  }
  if (bytes > limits.source_bytes)
    return Fail(ErrorCode::kInvalidArgument, "the choices have ", bytes, " bytes, the limit is ", limits.source_bytes);
  to.AddRule("choices", to.Choice(nodes));
  return {};
}

Status AddRules(const GrammarSource& source, const GrammarLimits& limits, Grammar& to) {
  switch (source.kind) {
    case GrammarSource::Kind::kJsonObject: {
      const grammar::RuleId root = to.AddRule("root");
      to.SetRule(root, to.Call(grammar::JsonText(to).object()));
      return {};
    }
    case GrammarSource::Kind::kJsonSchema:
      return grammar::AddSchema(source.text, to, limits);
    case GrammarSource::Kind::kRegex: {
      const grammar::RuleId root = to.AddRule("pattern");
      to.SetRule(root, OCTET_TRY(grammar::ParseRegex(source.text, to, {.whole = true, .spell = {}, .limits = limits})));
      return {};
    }
    case GrammarSource::Kind::kChoices:
      return AddChoices(source, limits, to);
    case GrammarSource::Kind::kGbnf:
      return grammar::AddGbnf(source.text, to, limits);
  }
  return {};
}

std::string KeyOf(const GrammarSource& source) {
  std::string key = Cat(static_cast<int>(source.kind), ":", source.text);
  for (const std::string& choice : source.choices) key += Cat(choice.size(), ":", choice);
  return key;
}

}  // namespace

Result<std::shared_ptr<const grammar::Program>> CompileSource(const GrammarSource& source,
                                                              const GrammarLimits& limits) {
  Grammar rules;
  OCTET_TRY(AddRules(source, limits, rules));
  return grammar::CompileProgram(rules, limits);
}

Result<std::shared_ptr<grammar::CompiledGrammar>> GrammarCompiler::Compile(const GrammarSource& source) {
  if (tokenizer_ == nullptr)
    return Fail(ErrorCode::kInvalidArgument, "guided output needs a tokenizer, this model has none");
  const std::string key = KeyOf(source);
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  if (known != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, known);
    return known->grammar;
  }
  std::shared_ptr<const grammar::Program> program = OCTET_TRY(CompileSource(source));
  if (!tokens_) tokens_ = OCTET_TRY(grammar::TokenTable::Make(*tokenizer_, vocab_));
  entries_.push_front({key, std::make_shared<grammar::CompiledGrammar>(std::move(program), tokens_)});
  DropOld();
  return entries_.front().grammar;
}

void GrammarCompiler::DropOld() {
  size_t bytes = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    bytes += entry->key.size() + entry->grammar->bytes();
    entry = bytes > kept_bytes_ && entry != entries_.begin() ? entries_.erase(entry) : std::next(entry);
  }
}

size_t GrammarCompiler::kept() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace octet
