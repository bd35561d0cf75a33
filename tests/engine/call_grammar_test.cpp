// Grammars of calls of tools: heads that name the tool, and each tool's arguments by its own schema.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/grammar/compiled_grammar.h"
#include "engine/grammar/grammar_source.h"

namespace octet {
namespace {

using testing::HasSubstr;

// Both schemas have a definition of the same name: a reference points into its own.
GrammarSource TwoTools(uint32_t most_calls) {
  GrammarSource source{.kind = GrammarSource::Kind::kCalls};
  source.calls = {
      .open = "[",
      .tools = {{.head = "add(", .schema = R"({"$defs":{"x":{"type":"boolean"}},"$ref":"#/$defs/x"})", .where = "add"},
                {.head = "say(", .schema = R"({"$defs":{"x":{"const":"a"}},"$ref":"#/$defs/x"})", .where = "say"}},
      .close = ")",
      .between = "; ",
      .end = "]",
      .most_calls = most_calls};
  return source;
}

bool FitsCalls(uint32_t most_calls, std::string_view text) {
  const auto program = CompileSource(TwoTools(most_calls));
  EXPECT_TRUE(program.has_value()) << program.error().message;
  const auto tokens =
      std::make_shared<const grammar::TokenTable>(std::vector<std::string>{"a"}, std::vector<std::string>{});
  return program && grammar::CompiledGrammar(*program, tokens).Matches(text);
}

TEST(CallGrammar, EachToolHasArgumentsOfItsOwnSchema) {
  EXPECT_TRUE(FitsCalls(1, "[add(true)]"));
  EXPECT_TRUE(FitsCalls(1, "[say(\"a\")]"));
  for (const char* text :
       {"[add(\"a\")]", "[say(true)]", "[sub(true)]", "add(true)", "[add(true)", "[]", "", "[add(true)] "})
    EXPECT_FALSE(FitsCalls(1, text)) << text;
}

TEST(CallGrammar, CallsAreAsManyAsAreAllowed) {
  EXPECT_FALSE(FitsCalls(1, "[add(true); say(\"a\")]"));
  EXPECT_TRUE(FitsCalls(2, "[add(true); say(\"a\")]"));
  EXPECT_TRUE(FitsCalls(2, "[add(true)]"));
  EXPECT_FALSE(FitsCalls(2, "[add(true); add(true); add(true)]"));
  EXPECT_FALSE(FitsCalls(2, "[add(true)add(true)]"));
}

TEST(CallGrammar, ErrorsNameTheToolAndThePlaceInItsSchema) {
  GrammarSource source = TwoTools(1);
  source.calls.tools[1].schema = R"({"type":"array","items":{"not":{}}})";
  const auto refused = CompileSource(source);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("say: #/items/not: `not` is not supported"));
  EXPECT_FALSE(CompileSource({.kind = GrammarSource::Kind::kCalls}).has_value());
  EXPECT_FALSE(CompileSource(TwoTools(0)).has_value());
}

}  // namespace
}  // namespace octet
