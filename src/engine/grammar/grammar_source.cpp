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

Status AddCalls(const CallSource& source, const GrammarLimits& limits, Grammar& to) {
  if (source.tools.empty() || source.most_calls == 0)
    return Fail(ErrorCode::kInvalidArgument, "there is no tool that could be called; give at least one");
  const grammar::RuleId root = to.AddRule("calls");
  std::vector<grammar::NodeId> ways;
  for (const CallSource::Tool& tool : source.tools) {
    const Result<grammar::RuleId> arguments = grammar::AddSchema(tool.schema, to, limits);
    if (!arguments) return Prefixed(arguments.error(), tool.where + ": ");
    ways.push_back(to.Sequence({to.Literal(tool.head), to.Call(*arguments)}));
  }
  const grammar::NodeId call = to.Sequence({to.Choice(ways), to.Literal(source.close)});
  const grammar::NodeId more = to.Repeat(to.Sequence({to.Literal(source.between), call}), 0, source.most_calls - 1);
  to.SetRule(root, to.Sequence({to.Literal(source.open), call, more, to.Literal(source.end)}));
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
      OCTET_TRY(grammar::AddSchema(source.text, to, limits));
      return {};
    case GrammarSource::Kind::kRegex: {
      const grammar::RuleId root = to.AddRule("pattern");
      to.SetRule(root, OCTET_TRY(grammar::ParseRegex(source.text, to, {.whole = true, .spell = {}, .limits = limits})));
      return {};
    }
    case GrammarSource::Kind::kChoices:
      return AddChoices(source, limits, to);
    case GrammarSource::Kind::kGbnf:
      return grammar::AddGbnf(source.text, to, limits);
    case GrammarSource::Kind::kCalls:
      return AddCalls(source.calls, limits, to);
  }
  return {};
}

std::string KeyOf(const GrammarSource& source) {
  std::string key = Cat(static_cast<int>(source.kind), ":", source.text);
  const auto add = [&](std::string_view part) { key += Cat(part.size(), ":", part); };
  for (const std::string& choice : source.choices) add(choice);
  if (source.kind != GrammarSource::Kind::kCalls) return key;
  const CallSource& calls = source.calls;
  key += Cat(calls.most_calls, ":");
  for (const std::string* part : {&calls.open, &calls.close, &calls.between, &calls.end}) add(*part);
  for (const CallSource::Tool& tool : calls.tools) {
    add(tool.head);
    add(tool.schema);
  }
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
  std::string key = KeyOf(source);
  {
    const std::lock_guard lock(mutex_);
    if (std::shared_ptr<grammar::CompiledGrammar> known = FindKept(key)) return known;
  }
  // Not under the lock: a large grammar must not hold up those that are kept.
  std::shared_ptr<const grammar::Program> program = OCTET_TRY(CompileSource(source));
  const std::lock_guard lock(mutex_);
  if (std::shared_ptr<grammar::CompiledGrammar> known = FindKept(key)) return known;  // somebody was faster
  if (!tokens_) tokens_ = OCTET_TRY(grammar::TokenTable::Make(*tokenizer_, vocab_));
  entries_.push_front({std::move(key), std::make_shared<grammar::CompiledGrammar>(std::move(program), tokens_)});
  DropOld();
  return entries_.front().grammar;
}

std::shared_ptr<grammar::CompiledGrammar> GrammarCompiler::FindKept(std::string_view key) {
  const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  if (known == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, known);
  return known->grammar;
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
