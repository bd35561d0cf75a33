// Calls of tools in answers: the same wherever the answer is cut, and nothing lost of what is none.
#include "serve/api/tool_call_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/api/json_extent.h"

namespace octet::serve {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// Texts joined where no call is between them; a call is "name(arguments)".
using Pieces = std::vector<std::string>;

void Join(Pieces& to, const std::vector<AnswerPiece>& pieces, bool& after_text) {
  for (const AnswerPiece& piece : pieces) {
    if (piece.is_call()) {
      to.push_back(piece.name + "(" + piece.arguments + ")");
    } else if (after_text) {
      to.back() += piece.text;
    } else {
      to.push_back(piece.text);
    }
    after_text = !piece.is_call();
  }
}

Pieces Parse(const ToolCallRules& rules, const std::vector<std::string>& parts) {
  ToolCallParser parser(rules);
  Pieces all;
  bool after_text = false;
  for (const std::string& part : parts) Join(all, parser.Push(part), after_text);
  Join(all, parser.Finish(), after_text);
  return all;
}

// Whole, in two parts cut at every place, and byte by byte.
Pieces ParseEveryWay(const ToolCallRules& rules, const std::string& text) {
  const Pieces whole = Parse(rules, {text});
  std::vector<std::string> bytes;
  for (size_t at = 0; at < text.size(); ++at) {
    EXPECT_EQ(Parse(rules, {text.substr(0, at), text.substr(at)}), whole) << text << " cut at " << at;
    bytes.push_back(text.substr(at, 1));
  }
  EXPECT_EQ(Parse(rules, bytes), whole) << text;
  return whole;
}

Pieces Read(ToolFormat format, const std::string& text) {
  return ParseEveryWay({.format = format, .names = {"add", "get_time"}}, text);
}
Pieces Hermes(const std::string& text) { return Read(ToolFormat::kHermes, text); }
Pieces Llama(const std::string& text) { return Read(ToolFormat::kLlama3, text); }
Pieces Mistral(const std::string& text) { return Read(ToolFormat::kMistral, text); }

TEST(ToolCallParser, TextWithoutCallsStaysAsItIs) {
  for (const char* text :
       {"Hello.", " \n two  words \n", "a < b, <tool", "<tool_cal", "[TOOL", "x {\"name\": \"add\"} y", "<|python", "",
        "\n", "{}", "a</tool_call>", "\xC3\xA9\xE4\xB8\xAD"}) {
    for (const ToolFormat format : {ToolFormat::kHermes, ToolFormat::kLlama3, ToolFormat::kMistral}) {
      const Pieces want = *text == '\0' ? Pieces{} : Pieces{text};
      EXPECT_EQ(Read(format, text), want) << text;
    }
  }
}

TEST(ToolCallParser, HermesCallsStandBetweenMarks) {
  EXPECT_THAT(Hermes("<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2.50}}\n</tool_call>"),
              ElementsAre("add({\"a\": 1, \"b\": 2.50})"));
  EXPECT_THAT(Hermes("<tool_call>{\"arguments\": {}, \"name\": \"add\"}</tool_call>"), ElementsAre("add({})"));
  EXPECT_THAT(Hermes(" \n<tool_call>{\"name\": \"add\"}</tool_call> x"), ElementsAre("add({})", "x"));
  EXPECT_THAT(
      Hermes("I add.\n\n<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":\"</tool_call> }\\\"\"}}</tool_call>\n"
             "<tool_call>\n{\"name\":\"get_time\"}\n</tool_call>\n Done. "),
      ElementsAre("I add.", "add({\"a\":\"</tool_call> }\\\"\"})", "get_time({})", "\n\nDone. "));
}

TEST(ToolCallParser, ACallThatLacksOnlyItsClosingMarkIsTaken) {
  EXPECT_THAT(Hermes("<tool_call>{\"name\":\"add\",\"arguments\":{}}"), ElementsAre("add({})"));
  EXPECT_THAT(Hermes("<tool_call>{\"name\":\"add\",\"arguments\":{}}\n</tool"), ElementsAre("add({})"));
  EXPECT_THAT(Hermes("<tool_call>{\"name\":\"add\",\"arguments\":{}}<tool_call>{\"name\":\"get_time\"}"),
              ElementsAre("add({})", "get_time({})"));
}

TEST(ToolCallParser, BrokenCallsAreTextToTheByte) {
  for (const char* text :
       {"<tool_call>\n{\"name\": \"add\", \"argu", "<tool_call>", "<tool_call> ", "<tool_call>add(1)</tool_call>",
        "<tool_call>{\"name\": \"unknown\", \"arguments\": {}}</tool_call>",
        "<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>", "<tool_call>{\"arguments\": {}}</tool_call>",
        "<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>",
        "<tool_call>{\"name\": \"add\", \"arguments\": \"[1]\"}</tool_call>",
        "<tool_call>{\"name\": \"add\", \"arguments\": {a: 1}}</tool_call>",
        "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1}]</tool_call>", "x <tool_call>[]</tool_call> y",
        "<tool_call>{\"name\": \"add\xFF\"}</tool_call>"})
    EXPECT_THAT(Hermes(text), ElementsAre(text));
}

TEST(ToolCallParser, ACallBehindABrokenOneIsFound) {
  EXPECT_THAT(Hermes("<tool_call>{\"name\": <tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>"),
              ElementsAre("<tool_call>{\"name\":", "add({})"));
  EXPECT_THAT(Llama("{\"x\": 1}"), ElementsAre("{\"x\": 1}"));
}

TEST(ToolCallParser, ArgumentsInQuotesAreTakenOut) {
  EXPECT_THAT(Hermes("<tool_call>{\"name\": \"add\", \"arguments\": \"{\\\"a\\\": 1}\"}</tool_call>"),
              ElementsAre("add({\"a\": 1})"));
  EXPECT_THAT(Hermes("<tool_call>{\"name\": \"add\", \"arguments\": null}</tool_call>"), ElementsAre("add({})"));
}

TEST(ToolCallParser, Llama3CallsAreTheWholeAnswer) {
  EXPECT_THAT(Llama("{\"name\": \"add\", \"parameters\": {\"a\": 1}}"), ElementsAre("add({\"a\": 1})"));
  EXPECT_THAT(Llama(" \n{\"name\": \"add\", \"arguments\": {}}\n"), ElementsAre("add({})"));
  EXPECT_THAT(Llama("<|python_tag|>{\"type\": \"function\", \"name\": \"add\", \"parameters\": {}}"),
              ElementsAre("add({})"));
  EXPECT_THAT(Llama("{\"name\": \"add\", \"parameters\": {}}; {\"name\": \"get_time\", \"parameters\": {}}"),
              ElementsAre("add({})", "get_time({})"));
  EXPECT_THAT(Llama("{\"name\": \"add\", \"parameters\": {}} {\"name\": \"Bob\", \"parameters\": {}}"),
              ElementsAre("add({})", "{\"name\": \"Bob\", \"parameters\": {}}"));
  EXPECT_THAT(Llama("{\"name\": \"add\", \"parameters\": {}} ; and more"), ElementsAre("add({})", "; and more"));
  EXPECT_THAT(Llama("Look: {\"name\": \"add\", \"parameters\": {}}"),
              ElementsAre("Look: {\"name\": \"add\", \"parameters\": {}}"));
  EXPECT_THAT(Llama("Look. <|python_tag|>{\"name\": \"add\", \"parameters\": {}}"), ElementsAre("Look.", "add({})"));
  EXPECT_THAT(Llama("<|python_tag|>print(1)"), ElementsAre("<|python_tag|>print(1)"));
}

TEST(ToolCallParser, MistralCallsAreAListOrANameEach) {
  EXPECT_THAT(Mistral("[TOOL_CALLS] [{\"name\": \"add\", \"arguments\": {\"a\": [1, 2]}}, {\"name\":\"get_time\"}]"),
              ElementsAre("add({\"a\": [1, 2]})", "get_time({})"));
  EXPECT_THAT(Mistral("[TOOL_CALLS]add{\"a\": 1}[TOOL_CALLS]get_time[CALL_ID]123456789[ARGS]{}"),
              ElementsAre("add({\"a\": 1})", "get_time({})"));
  EXPECT_THAT(Mistral("Now.[TOOL_CALLS]{\"name\": \"add\", \"arguments\": {}} then"),
              ElementsAre("Now.", "add({})", " then"));
  for (const char* text : {"[TOOL_CALLS][]", "[TOOL_CALLS][1]", "[TOOL_CALLS][{\"name\": \"add\"}, 2]",
                           "[TOOL_CALLS]nothing{}", "[TOOL_CALLS]add\n{}", "[TOOL_CALLS]add{\"a\"}", "[TOOL_CALLS]add"})
    EXPECT_THAT(Mistral(text), ElementsAre(text));
}

TEST(ToolCallParser, CallsBeyondTheirNumberAreText) {
  const ToolCallRules one{.format = ToolFormat::kHermes, .names = {"add"}, .most_calls = 1};
  const std::string call = "<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>";
  EXPECT_THAT(ParseEveryWay(one, call + "\n" + call), ElementsAre("add({})", call));
  const ToolCallRules list{.format = ToolFormat::kMistral, .names = {"add"}, .most_calls = 1};
  const std::string two = "[TOOL_CALLS][{\"name\": \"add\"}, {\"name\": \"add\"}]";
  EXPECT_THAT(ParseEveryWay(list, two), ElementsAre(two));
}

TEST(ToolCallParser, AnAnswerMayBeginBehindTheMarkOfThePrompt) {
  const ToolCallRules rules{.format = ToolFormat::kHermes, .names = {"add"}, .begins_behind_mark = true};
  EXPECT_THAT(ParseEveryWay(rules, "\n{\"name\": \"add\", \"arguments\": {}}\n</tool_call>"), ElementsAre("add({})"));
  EXPECT_THAT(ParseEveryWay(rules, "\n{\"name\": \"ad"), ElementsAre("<tool_call>\n{\"name\": \"ad"));
}

// Each beginning could else have the rest read again: quadratic in the answer.
TEST(ToolCallParser, ManyBrokenCallsAreReadInATimeThatGrowsWithTheText) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "<tool_call>{\"a\":[\"";
  const ToolCallRules rules{.format = ToolFormat::kHermes, .names = {"add"}};
  EXPECT_THAT(Parse(rules, {text}), ElementsAre(text));
}

TEST(ToolCallParser, ParsedAnswersHaveTheirTextAsOne) {
  const ParsedAnswer parsed = ParseAnswer({.format = ToolFormat::kHermes, .names = {"add"}},
                                          "One <tool_call>{\"name\":\"add\"}</tool_call> two");
  EXPECT_EQ(parsed.text, "One two");
  ASSERT_EQ(parsed.calls.size(), 1u);
  EXPECT_EQ(parsed.calls[0].name, "add");
}

TEST(RawValues, AreTheBytesOfTheDocument) {
  const auto read = [](std::string_view json) {
    std::vector<std::pair<std::string, std::string>> all;
    for (const RawValue& value : RawValues(json)) all.emplace_back(value.key, value.text);
    return all;
  };
  EXPECT_THAT(read(R"({"a": 1.50 , "b,:": {"c": [1, 2]}, "d":"x\",y:"})"),
              ElementsAre(Pair("\"a\"", "1.50"), Pair("\"b,:\"", "{\"c\": [1, 2]}"), Pair("\"d\"", "\"x\\\",y:\"")));
  EXPECT_THAT(read("[1, [2, 3], {\"a\": 4}]"), ElementsAre(Pair("", "1"), Pair("", "[2, 3]"), Pair("", "{\"a\": 4}")));
  EXPECT_THAT(read("{ }"), IsEmpty());
}

}  // namespace
}  // namespace octet::serve
