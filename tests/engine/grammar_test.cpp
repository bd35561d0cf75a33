// Grammars: schemas against jsonschema and patterns against Python's re (tests/golden/guided, made by
// tools/golden/guided.py), masks against walking every token, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "base/random.h"
#include "engine/grammar/compiled_grammar.h"
#include "engine/grammar/grammar_source.h"

namespace octet {
namespace {

using grammar::CompiledGrammar;
using grammar::GrammarLimits;
using grammar::Machine;
using grammar::TokenTable;
using testing::HasSubstr;
using Kind = GrammarSource::Kind;

Json ReadCases(const std::string& name) {
  const Result<std::string> text = ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/guided/" + name);
  EXPECT_TRUE(text.has_value()) << text.error().message;
  return *ParseJson(*text, name);
}

bool Matches(Machine& machine, std::string_view text) {
  grammar::StateId state = machine.Start();
  for (const char c : text) state = machine.Next(state, static_cast<uint8_t>(c));
  EXPECT_TRUE(machine.status().has_value()) << machine.status().error().message;
  return machine.accepts(state);
}

bool Matches(const GrammarSource& source, std::string_view text) {
  const auto program = CompileSource(source);
  EXPECT_TRUE(program.has_value()) << program.error().message;
  if (!program) return false;
  Machine machine(*program);
  return Matches(machine, text);
}

std::string ErrorOf(const GrammarSource& source, const GrammarLimits& limits = {}) {
  const auto program = CompileSource(source, limits);
  return program ? "none" : program.error().message;
}

void ExpectVerdicts(const GrammarSource& source, const Json& golden, bool as_json) {
  const auto program = CompileSource(source);
  ASSERT_TRUE(program.has_value()) << source.text << ": " << program.error().message;
  Machine machine(*program);
  const std::string valid = golden["valid"];
  ASSERT_EQ(valid.size(), golden["texts"].size());
  for (size_t i = 0; i < valid.size(); ++i) {
    const std::string text = as_json ? golden["texts"][i].dump() : golden["texts"][i].get<std::string>();
    EXPECT_EQ(Matches(machine, text), valid[i] == '1') << source.text << "\n" << text;
  }
}

TEST(Grammar, SchemasTakeTheDocumentsThatJsonschemaTakes) {
  const Json cases = ReadCases("schemas.json");
  ASSERT_GT(cases.size(), 50u);
  for (const Json& golden : cases) ExpectVerdicts({Kind::kJsonSchema, golden["schema"].dump()}, golden, false);
}

TEST(Grammar, PatternsTakeTheTextsThatPythonTakes) {
  const Json cases = ReadCases("patterns.json");
  ASSERT_GT(cases.size(), 100u);
  for (const Json& golden : cases) {
    const std::string pattern = golden["pattern"];
    // A pattern of a schema is searched for, the one of an answer matches it whole.
    if (golden["search"] == true)
      ExpectVerdicts({Kind::kJsonSchema, Json({{"type", "string"}, {"pattern", pattern}}).dump()}, golden, true);
    else
      ExpectVerdicts({Kind::kRegex, pattern}, golden, false);
  }
}

TEST(Grammar, JsonObjectsAreTakenAndNothingElseIs) {
  const GrammarSource source{Kind::kJsonObject};
  for (const char* text :
       {"{}", "{ }", R"({"a":1})", R"({"a": [1, -2.5e+3, true, null, {"b": "c\n\u00e9\ud83d\ude00/\/"}]})",
        "{\n  \"a\": {}\n}", "{\"\xC3\xA9\": \"\xF0\x9F\x98\x80\"}"})
    EXPECT_TRUE(Matches(source, text)) << text;
  for (const char* text : {"", "[]", "{", "{}}", R"({"a":01})", R"({"a":+1})", R"({"a":1,})", R"({a:1})",
                           R"({"a":"\x"})", R"({"a":"\ud83d"})", R"({"a":"\ude00"})", "{\"a\":\"\n\"}", "{\"\xC3\": 1}",
                           "{\"\xED\xA0\x80\": 1}", "{   }", " {}", R"({"a":.5})", R"({"a":nul})"})
    EXPECT_FALSE(Matches(source, text)) << text;
}

TEST(Grammar, NestingEndsAtTheLimitAndCanAlwaysBeClosed) {
  const GrammarSource source{Kind::kJsonObject};
  const auto nested = [](size_t depth) {
    std::string text = "{\"a\":";
    for (size_t i = 0; i < depth; ++i) text += "[";
    for (size_t i = 0; i < depth; ++i) text += "]";
    return text + "}";
  };
  EXPECT_TRUE(Matches(source, nested(40)));
  EXPECT_FALSE(Matches(source, nested(1000)));
  // Wherever the limit stops the text from going deeper, it can still be closed.
  const auto program = CompileSource(source);
  Machine machine(*program);
  grammar::StateId state = machine.Start();
  for (const char c : std::string("{\"a\":")) state = machine.Next(state, static_cast<uint8_t>(c));
  size_t depth = 0;
  while (machine.Next(state, '[') != grammar::kDead) {
    state = machine.Next(state, '[');
    ASSERT_LT(++depth, 200u);
  }
  for (; depth > 0; --depth) state = machine.Next(state, ']');
  EXPECT_TRUE(machine.accepts(machine.Next(state, '}')));
}

TEST(Grammar, ChoicesAreTakenWhole) {
  const GrammarSource source{Kind::kChoices, {}, {"yes", "no", "no way"}};
  for (const char* text : {"yes", "no", "no way"}) EXPECT_TRUE(Matches(source, text));
  for (const char* text : {"", "ye", "no ", "noyes"}) EXPECT_FALSE(Matches(source, text));
  EXPECT_THAT(ErrorOf({Kind::kChoices}), HasSubstr("no choices"));
  EXPECT_THAT(ErrorOf({Kind::kChoices, {}, {"a", ""}}), HasSubstr("choice 2 is empty"));
}

TEST(Grammar, GbnfRulesAreRead) {
  const GrammarSource source{Kind::kGbnf, R"gbnf(
# an expression
root ::= term (("+" | "-") term)*   # and its parts
term ::= number
  | ("(" root
     ")")
number ::= [1-9] [0-9]{0,2} | "\x30" ("." .)?
)gbnf"};
  for (const char* text : {"1", "1+2-3", "(1+2)-999", "((0))", "0.\xC3\xA9"})
    EXPECT_TRUE(Matches(source, text)) << text;
  for (const char* text : {"", "1+", "01", "1000", "(1", "0."}) EXPECT_FALSE(Matches(source, text)) << text;
  const GrammarSource classes{Kind::kGbnf, "root ::= [^a-c\\]\\n]+ \"\\\"\\u00e9\""};
  EXPECT_TRUE(Matches(classes, "xyz\"\xC3\xA9"));
  EXPECT_FALSE(Matches(classes, "a\"\xC3\xA9"));
}

TEST(Grammar, GbnfThatIsWrongNamesTheLine) {
  const auto error = [](std::string text) { return ErrorOf({Kind::kGbnf, std::move(text)}); };
  EXPECT_EQ(error("x ::= \"a\""), "the grammar has no rule `root`, with which it begins");
  EXPECT_EQ(error("root ::= a\n\na ::= b"), "line 3 of the grammar: there is no rule `b`");
  EXPECT_EQ(error("root ::= \"a\"\nroot ::= \"b\""), "line 2 of the grammar: rule `root` is there twice");
  EXPECT_EQ(error("root ::= (\"a\""), "line 1 of the grammar: a parenthesis is not closed");
  EXPECT_EQ(error("root ::= \"a"), "line 1 of the grammar: a text is not closed in its line");
  EXPECT_EQ(error("root ::= *"), "line 1 of the grammar: there is nothing to repeat");
  EXPECT_EQ(error("root ::= \"a\"{3,1}"), "line 1 of the grammar: {3,1} goes down");
  EXPECT_EQ(error("root ::= \"a\" root2\nroot2 ::= root2 \"b\" | \"c\""),
            "rule `root2` comes back to itself before any text (left recursion); write the repeated part behind it");
  EXPECT_THAT(error("root ::= e root \"a\" | \"b\"\ne ::= \"x\"?"), HasSubstr("rule `root` comes back to itself"));
  EXPECT_THAT(error("root ::= \"a\" root"), HasSubstr("no text at all fits"));
}

TEST(Grammar, PatternThatIsWrongNamesTheByte) {
  const auto error = [](std::string text) { return ErrorOf({Kind::kRegex, std::move(text)}); };
  EXPECT_THAT(error("ab("), HasSubstr("group at byte 2 has no end"));
  EXPECT_THAT(error("ab)"), HasSubstr("at byte 2 closes no group"));
  EXPECT_THAT(error("*a"), HasSubstr("at byte 0 has nothing to repeat"));
  EXPECT_THAT(error("a[b"), HasSubstr("class at byte 1 has no end"));
  EXPECT_THAT(error("a(?=b)"), HasSubstr("group at byte 1 is a look-around"));
  EXPECT_THAT(error("(a)\\1"), HasSubstr("at byte 3"));
  EXPECT_THAT(error("a\\b"), HasSubstr("at byte 1"));
  EXPECT_THAT(error("a{3,2}"), HasSubstr("{3,2} at byte 1 goes down"));
  EXPECT_THAT(error("a^b"), HasSubstr("a ^ or $ that isn't at one of its ends"));
  EXPECT_THAT(error("[b-a]"), HasSubstr("range at byte 2"));
  EXPECT_THAT(error("a++"), HasSubstr("possessive"));
  EXPECT_THAT(error("\xFF"), HasSubstr("not UTF-8"));
  EXPECT_THAT(error(std::string(200, '(')), HasSubstr("deep at byte 128, the limit is 128"));
}

TEST(Grammar, SchemaThatCantBeExactIsRefusedWithItsPath) {
  const auto error = [](std::string text) { return ErrorOf({Kind::kJsonSchema, std::move(text)}); };
  EXPECT_EQ(error(R"({"properties": {"a/b": {"not": {}}}})"),
            "#/properties/a~1b/not: `not` is not supported as a keyword");
  EXPECT_THAT(error(R"({"type": "array", "uniqueItems": true})"), HasSubstr("#/uniqueItems: "));
  EXPECT_THAT(error(R"({"type": "number", "minimum": 0.5})"), HasSubstr("#/minimum: "));
  EXPECT_THAT(error(R"({"type": "integer", "multipleOf": 3})"), HasSubstr("#/multipleOf: "));
  EXPECT_THAT(error(R"({"type": "strin"})"), HasSubstr("#/type: string, object, array, string"));
  EXPECT_THAT(error(R"({"items": {"$ref": "#/x"}})"), HasSubstr("#/items/$ref: `#/x` is not in the schema"));
  EXPECT_THAT(error(R"({"$ref": "http://x/y"})"), HasSubstr("only references inside the schema"));
  EXPECT_THAT(error(R"({"$ref": "#"})"), HasSubstr("left recursion"));
  EXPECT_THAT(error(R"({"type": "string", "format": "iri"})"), HasSubstr("#/format: "));
  EXPECT_THAT(error(R"x({"type": "string", "pattern": "a(?!b)"})x"),
              HasSubstr("#/pattern: the pattern's group at byte 1"));
  EXPECT_THAT(error(R"({"type": "string", "pattern": "a", "maxLength": 3})"), HasSubstr("#/pattern: "));
  EXPECT_THAT(error(R"({"minProperties": 2})"), HasSubstr("#/minProperties: "));
  EXPECT_THAT(error(R"({"enum": [1], "minimum": 3})"), HasSubstr("#/minimum: "));
  EXPECT_THAT(error(R"({"minItems": -1})"), HasSubstr("#/minItems: number, a whole number of 0 or more is expected"));
  EXPECT_THAT(error(R"({"type": "array", "items": [{}]})"), HasSubstr("prefixItems"));
  EXPECT_THAT(error(R"({"minimum": null})"), HasSubstr("#/minimum: null"));
  EXPECT_THAT(error("[1]"), HasSubstr("#: array, a schema"));
  EXPECT_THAT(error("{"), HasSubstr("not JSON"));
  EXPECT_THAT(error(R"({"type": "object", "required": ["a"], "properties": {"a": false}})"),
              HasSubstr("no text at all fits"));
  EXPECT_THAT(
      error(
          R"({"properties":{"a":{"allOf":[{"properties":{"x":true},"additionalProperties":false},{"properties":{"y":true}}]}}})"),
      HasSubstr("additionalProperties"));
}

// Each limit is named with the count that went beyond it, at once and without memory for what was asked.
TEST(Grammar, ThatExplodesIsRefused) {
  EXPECT_THAT(ErrorOf({Kind::kRegex, "(((((a{999}){999}){999}){999}){999}){999}"}),
              HasSubstr("states, the limit is 1000000"));
  EXPECT_THAT(ErrorOf({Kind::kRegex, "(((((((((((a{999}){999}){999}){999}){999}){999}){999}){999}){999}){999}){999})"}),
              HasSubstr("over 2^62 states, the limit is 1000000"));
  EXPECT_THAT(ErrorOf({Kind::kRegex, std::string((1 << 20) + 1, 'a')}),
              HasSubstr("1048577 bytes, the limit is 1048576"));
  EXPECT_THAT(ErrorOf({Kind::kJsonSchema, R"({"type":"string","maxLength":100000000})"}),
              HasSubstr("the limit is 1000000"));
  EXPECT_THAT(ErrorOf({Kind::kJsonSchema, R"({"maxProperties":99999999,"additionalProperties":{}})"}),
              HasSubstr("rules, the limit is 100000"));
  std::string deep = "{\"a\":1}";
  for (int i = 0; i < 200; ++i) deep = "{\"items\":" + deep + "}";
  EXPECT_THAT(ErrorOf({Kind::kJsonSchema, deep}), HasSubstr("nested deeper than 128"));
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 300; ++i) chain += "r" + std::to_string(i) + " ::= \"a\" r" + std::to_string(i + 1) + " \"b\"\n";
  EXPECT_THAT(ErrorOf({Kind::kGbnf, chain + "r300 ::= \"x\"\n"}), HasSubstr("nests 300 rules, the limit is 128"));
}

TEST(Grammar, TooManyPlacesAtOnceAreExhausted) {
  // Every "a" doubles the ways in which the calls may have come about.
  const auto program = CompileSource({Kind::kGbnf, "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"d\""});
  ASSERT_TRUE(program.has_value());
  Machine machine(*program);
  grammar::StateId state = machine.Start();
  for (int i = 0; i < 60 && machine.status(); ++i) state = machine.Next(state, 'a');
  ASSERT_FALSE(machine.status().has_value());
  EXPECT_EQ(machine.status().error().code, ErrorCode::kExhausted);
  EXPECT_THAT(machine.status().error().message, HasSubstr("the limit is 10000"));
}

// Tokens of up to four bytes over a few characters, some of them parts of characters, some equal, some without text.
std::shared_ptr<const TokenTable> SmallVocabulary(uint64_t seed, std::string_view letters, bool first_differs) {
  const CounterRandom random{seed};
  std::vector<std::string> tokens, first;
  for (uint32_t id = 0; id < 700; ++id) {
    std::string token;
    const auto size = static_cast<size_t>(random.Uniform(id, 0) * 5);
    for (uint32_t i = 0; i < size; ++i)
      token += letters[static_cast<size_t>(random.Uniform(id, i + 1) * static_cast<double>(letters.size()))];
    if (id < letters.size()) token = letters[id];
    first.push_back(first_differs && token.starts_with(' ') ? token.substr(1) : token);
    tokens.push_back(std::move(token));
  }
  if (!first_differs) first.clear();
  return std::make_shared<const TokenTable>(std::move(tokens), std::move(first));
}

const std::vector<GrammarSource>& MaskSources() {
  static const std::vector<GrammarSource> sources = {
      {Kind::kRegex, "(?:[ab]|\\u00e9){1,3} \"?[^a]*"},
      {Kind::kJsonObject},
      {Kind::kJsonSchema,
       R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},"b":{"type":"string","maxLength":3}},
           "required":["b"]})"},
      {Kind::kJsonSchema,
       R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#/$defs/n"},
           {"type":"null"}]}},"required":["a"],"additionalProperties":false}}})"},
      {Kind::kChoices, {}, {"a", "ab", "b \xC3\xA9", "{\"a\""}},
      {Kind::kGbnf, "root ::= \"{\" root? \"}\" | x root\nx ::= [ab:, ] | \"\\\"\" x \"\\\"\""}};
  return sources;
}

// Walks random texts and compares each mask with walking every token by itself.
void ExpectMasksAreExact(const GrammarSource& source, const GrammarLimits& limits, uint64_t seed, bool first_differs) {
  const auto program = CompileSource(source, limits);
  ASSERT_TRUE(program.has_value()) << program.error().message;
  const auto tokens = SmallVocabulary(seed, "{}[]\":,ab1 \n\xC3\xA9", first_differs);
  const auto compiled = std::make_shared<CompiledGrammar>(*program, tokens);
  Machine machine(*program);
  const CounterRandom random{seed};
  std::unique_ptr<TokenConstraint> constraint = CompiledGrammar::Start(compiled);
  grammar::StateId state = machine.Start();
  std::vector<uint64_t> words((tokens->vocab() + 63) / 64);
  for (uint32_t step = 0; step < 60; ++step) {
    const Status masked = constraint->AllowedTokens(words);
    ASSERT_TRUE(masked.has_value()) << masked.error().message;
    std::vector<std::pair<int32_t, grammar::StateId>> allowed;
    for (int32_t token = 0; token < static_cast<int32_t>(tokens->vocab()); ++token) {
      const std::string_view bytes = step == 0 ? tokens->FirstBytes(token) : tokens->Bytes(token);
      grammar::StateId after = bytes.empty() ? grammar::kDead : state;
      for (const char c : bytes) after = machine.Next(after, static_cast<uint8_t>(c));
      const auto bit = static_cast<size_t>(token);
      ASSERT_EQ(words[bit / 64] >> (bit % 64) & 1, after != grammar::kDead ? 1u : 0u)
          << source.text << " step " << step << " token `" << bytes << "`";
      if (after == grammar::kDead) {
        EXPECT_FALSE(constraint->Accept(token).has_value());
      } else {
        allowed.emplace_back(token, after);
      }
    }
    EXPECT_EQ(constraint->can_end(), machine.accepts(state));
    EXPECT_EQ(constraint->must_end(), machine.accepts(state) && allowed.empty());
    if (allowed.empty()) break;
    const auto [token, after] =
        allowed[static_cast<size_t>(random.Uniform(step, 7) * static_cast<double>(allowed.size()))];
    constraint = constraint->Clone();
    ASSERT_TRUE(constraint->Accept(token).has_value());
    state = after;
  }
}

TEST(Grammar, MaskHoldsATokenExactlyWhereItsBytesFit) {
  for (const GrammarSource& source : MaskSources()) {
    for (uint64_t seed = 1; seed <= 4; ++seed) ExpectMasksAreExact(source, {}, seed, seed % 2 == 0);
  }
}

TEST(Grammar, MasksAreTheSameWhereStatesAreForgottenAllTheTime) {
  GrammarLimits limits;
  limits.cached_bytes = 20'000;
  for (const GrammarSource& source : MaskSources()) ExpectMasksAreExact(source, limits, 9, false);
}

TEST(Grammar, ForcedTextIsWhatMustFollow) {
  const auto program = CompileSource(
      {Kind::kJsonSchema,
       R"({"type":"object","properties":{"name":{"const":"x"}},"required":["name"],"additionalProperties":false})"});
  ASSERT_TRUE(program.has_value());
  const auto tokens = std::make_shared<const TokenTable>(std::vector<std::string>{"{", "\"na", "{\"name\":", "\"x\"}"},
                                                         std::vector<std::string>{});
  auto constraint = CompiledGrammar::Start(std::make_shared<CompiledGrammar>(*program, tokens));
  EXPECT_EQ(constraint->ForcedText(), "{");
  ASSERT_TRUE(constraint->Accept(0).has_value());
  EXPECT_EQ(constraint->ForcedText(), "");  // white space may come
  ASSERT_TRUE(constraint->Accept(1).has_value());
  EXPECT_EQ(constraint->ForcedText(), "me\"");
  EXPECT_FALSE(constraint->Accept(2).has_value());
}

TEST(GrammarCompiler, WithoutATokenizerNothingCompiles) {
  GrammarCompiler compiler(nullptr, 10);
  const auto compiled = compiler.Compile({Kind::kJsonObject});
  ASSERT_FALSE(compiled.has_value());
  EXPECT_THAT(compiled.error().message, HasSubstr("tokenizer"));
}

}  // namespace
}  // namespace octet
