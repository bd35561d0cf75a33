#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/jinja/text_form.h"

namespace octet {
namespace {

using testing::HasSubstr;

Result<std::vector<TextPiece>> Render(std::string source, const Json& inputs, const RenderLimits& limits = {}) {
  const ChatTemplate chat = OCTET_TRY(ChatTemplate::Parse(std::move(source), "t.jinja"));
  return chat.Render(inputs, limits);
}

// The error's message, or the text in quotes where there was none.
std::string MessageOf(std::string source, const Json& inputs = Json::object(), const RenderLimits& limits = {}) {
  const auto pieces = Render(std::move(source), inputs, limits);
  return pieces ? "`" + JoinPieces(*pieces) + "`" : pieces.error().message;
}

// Pieces as text, those from data in brackets.
std::string Marks(std::string source, const Json& inputs) {
  const auto pieces = Render(std::move(source), inputs);
  if (!pieces) return pieces.error().message;
  std::string marked;
  for (const TextPiece& piece : *pieces) marked += piece.trusted ? piece.text : "[" + piece.text + "]";
  return marked;
}

Json User(const std::string& content) {
  return {{"messages", Json::array({{{"role", "user"}, {"content", content}}})}};
}

TEST(ChatTemplate, ALoopForEverEndsAtTheStepLimitAndNamesIt) {
  const std::string loops =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% "
      "endfor %}";
  RenderLimits limits;
  limits.steps = 1'000'000;
  EXPECT_THAT(MessageOf(loops, Json::object(), limits), HasSubstr("step limit of 1000000"));
  EXPECT_EQ(Render(loops, Json::object(), limits).error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(MessageOf("{% macro f() %}{{ f() }}{% endmacro %}\n{{ f() }}"), HasSubstr("depth limit"));
}

// Each of these asks for hours of work in few nodes and little output; the steps are those for a second or less.
TEST(ChatTemplate, WorkOnLongTextsTakesStepsByItsCost) {
  RenderLimits limits;
  limits.steps = 1'000'000;
  const std::string many = "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% for j in range(99) %}{% set x = ";
  for (const std::string work :
       {"s|upper", "s|title", "s.swapcase()", "s.isalpha()", "s.find('b')", "s.rfind('b')", "s.ljust(0)",
        "s.expandtabs()", "{s: 1}", "{'a': 1}[s]", "s|tojson|length", "s|wordcount", "[s]|string|length",
        "s.rsplit('b')|length", "s|trim('b')", "s|replace('b', 'c')|length"}) {
    EXPECT_THAT(MessageOf(many + work + " %}{% endfor %}{% endfor %}", Json::object(), limits), HasSubstr("limit"))
        << work;
  }
  // Ten walks over a million characters, or one that writes each of them as an escape.
  const std::string ten = "{% set s = '1' * 1000000 %}{% for i in range(10) %}{% set x = ";
  for (const std::string work : {"s|int", "s|float", "s|filesizeformat", "s[::-1]|length", "s|reverse|length",
                                 "(' ' * 100000)|trim", "['\\x00' * 100000]|string|length"}) {
    EXPECT_THAT(MessageOf(ten + work + " %}{% endfor %}", Json::object(), limits), HasSubstr("step limit")) << work;
  }
  // Looking backwards for a long part is linear, too.
  EXPECT_EQ(
      MessageOf("{{ ('a' * 400000).rfind('a' * 200000) }} {{ ('a' * 400000).rsplit('a' * 199999 ~ 'b')|length }}"),
      "`200000 1`");
  EXPECT_EQ(MessageOf("{{ 'abcbcb'.rsplit('bcb') }} {{ 'xaxaxb'.rsplit('x', 2) }} {{ 'abab'.rfind('ab') }}"),
            "`['abc', ''] ['xa', 'a', 'b'] 2`");
  EXPECT_EQ(MessageOf("{{ ' a  b c '.rsplit(none, 1) }} {{ ' a b '.rsplit(none, 5) }} {{ ' '.rsplit(none, 1) }}"),
            "`[' a  b', 'c'] ['a', 'b'] []`");
}

TEST(ChatTemplate, UpperAndLowerCaseOfAsciiKeepTheMarks) {
  EXPECT_EQ(Marks("{{ ('aZ' + messages[0].content + '[z')|upper }}", User("b@")), "AZ[B@][Z");
  EXPECT_EQ(Marks("{{ ('aZ' + messages[0].content + '[Z')|lower }}", User("B@")), "az[b@][z");
}

TEST(ChatTemplate, ValuesAboveTheMemoryLimitAreRefused) {
  RenderLimits small;
  small.memory_bytes = 1'000'000;
  EXPECT_THAT(MessageOf("{{ 'a' * 10**9 * 10 }}"), HasSubstr("memory limit"));
  EXPECT_THAT(MessageOf("{{ [1] * 10**9 }}"), HasSubstr("above the limit"));
  EXPECT_THAT(MessageOf("{{ '%1000000000d' % 1 }}"), HasSubstr("refused"));
  EXPECT_THAT(MessageOf("{{ 'x'.center(10**15) }}"), HasSubstr("memory limit"));
  EXPECT_THAT(MessageOf("{{ range(10**12) }}"), HasSubstr("Range too big"));
  EXPECT_THAT(
      MessageOf("{% set ns = namespace(s='ab') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                Json::object(), small),
      HasSubstr("above the limit of 1000000"));
  EXPECT_THAT(
      MessageOf(
          "{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
          Json::object(), small),
      HasSubstr("limit"));
}

// Text of the template and of data by turns: a mark for each byte, and then a piece.
TEST(ChatTemplate, MarksOfTheOutputAndItsPiecesCountAsMemory) {
  RenderLimits small;
  small.memory_bytes = 1'000'000;
  const std::string turns = "{% set s = ('a' ~ messages[0].content) * 1000 %}{% for i in range(";
  const std::string print = ") %}{{ s }}{% endfor %}";
  EXPECT_THAT(MessageOf(turns + "40" + print, User("b"), small), HasSubstr("above the limit of 1000000"));
  EXPECT_THAT(MessageOf("{% set x %}" + turns + "40" + print + "{% endset %}", User("b"), small),
              HasSubstr("above the limit of 1000000"));
  EXPECT_THAT(MessageOf(turns + "7" + print, User("b"), small), HasSubstr("t.jinja: 14000 pieces"));
  EXPECT_EQ(MessageOf(turns + "2" + print, User("b"), small).size(), 4002);
}

TEST(ChatTemplate, SlicesWithAStepKeepTheMarks) {
  const Json user = User("b\xC3\xA9");
  EXPECT_EQ(Marks("{{ ('ab' ~ messages[0].content ~ 'c')[::-1] }}", user),
            "c[\xC3\xA9"
            "b]ba");
  EXPECT_EQ(Marks("{{ ('ab' ~ messages[0].content ~ 'c')[1::2] }}", user), "b[\xC3\xA9]");
  EXPECT_EQ(Marks("{{ ('ab' ~ messages[0].content ~ 'c')[-2:0:-2] }}", user), "[\xC3\xA9]b");
  EXPECT_EQ(Marks("{{ ('abc' ~ messages[0].content[0])[3::-10**30] }}", user), "[b]");
}

TEST(ChatTemplate, WordWrapKeepsTheMarks) {
  EXPECT_EQ(Marks("{{ ('a ' ~ messages[0].content)|wordwrap(4) }}", User("bb ccccccc\n\ndd-e")),
            "a [bb]\n[cccc]\n[ccc]\n\n[dd-e]");
}

TEST(ChatTemplate, OutputAboveItsLimitIsRefused) {
  RenderLimits limits;
  limits.output_bytes = 1000;
  EXPECT_THAT(MessageOf("{% for i in range(101) %}0123456789{% endfor %}", Json::object(), limits),
              HasSubstr("output limit of 1000"));
  EXPECT_EQ(MessageOf("{% for i in range(3) %}ab{% endfor %}", Json::object(), limits), "`ababab`");
}

TEST(ChatTemplate, DeepValuesAndDeepSourceAreRefused) {
  EXPECT_THAT(MessageOf("{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}"),
              HasSubstr("nested deeper"));
  EXPECT_THAT(MessageOf("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}"),
              HasSubstr("nested deeper"));
  EXPECT_THAT(MessageOf("{{ " + std::string(5000, '-') + "1 }}"), HasSubstr("nested deeper"));
  std::string sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) sum += " + 1";
  EXPECT_THAT(MessageOf(sum + " }}"), HasSubstr("operators in a row"));
}

TEST(ChatTemplate, ObjectsThatHoldEachOtherAreFreed) {
  EXPECT_EQ(MessageOf("{% set a = namespace() %}{% set a.me = [a] %}{% macro m() %}{% endmacro %}{% set a.m = m %}x"),
            "`x`");
  EXPECT_EQ(MessageOf("{% set ns = namespace() %}{% for i in range(3000) %}{% set p = ns.m %}{% macro m() %}{{ p }}{% "
                      "endmacro %}{% set ns.m = m %}{% endfor %}x"),
            "`x`");
}

// What the stack holds below, as the frames of others leave it.
[[gnu::noinline]] void FillStackWithNumbers() {
  volatile char numbers[8192];
  for (size_t i = 0; i < sizeof numbers; ++i) numbers[i] = i % 8 == 0 ? ' ' : '9';
}

TEST(ChatTemplate, AFloatPrintsTheSameWhateverTheStackHeld) {
  FillStackWithNumbers();
  EXPECT_EQ(jinja::FloatText(123.0), "123.0");
  FillStackWithNumbers();
  EXPECT_EQ(jinja::FloatText(1234.0), "1234.0");
}

TEST(ChatTemplate, IntegersThatLeave128BitsAreAnError) {
  EXPECT_THAT(MessageOf("{{ 2 ** 127 }}"), HasSubstr("leaves 128 bits"));
  EXPECT_EQ(MessageOf("{{ 2 ** 126 }}"), "`85070591730234615865843651857942052864`");
  EXPECT_THAT(MessageOf("{{ 999999999999999999999999999999999999999999 }}"), HasSubstr("leaves 128 bits"));
}

TEST(ChatTemplate, ErrorsNameTheLine) {
  EXPECT_THAT(MessageOf("a\nb\n{{ nothing.at.all }}"), HasSubstr("t.jinja:3: 'nothing' is undefined"));
  EXPECT_THAT(MessageOf("a\n{% if %}"), HasSubstr("t.jinja:2:"));
  EXPECT_THAT(MessageOf("\n\n{{ raise_exception('roles must alternate') }}"),
              HasSubstr("t.jinja:3: roles must alternate"));
}

TEST(ChatTemplate, WhatIsNotSupportedSaysSoWhereItIsReached) {
  EXPECT_THAT(MessageOf("a\n{{ [1, 2] | random }}"), HasSubstr("t.jinja:2: the filter 'random' is not supported"));
  EXPECT_THAT(MessageOf("{{ 'http://a.b' | urlize(40) }}"), HasSubstr("the filter 'urlize' is not supported"));
  EXPECT_EQ(MessageOf("{{ 'x' if true else [1] | random }}{{ 'random' is filter }}"), "`xTrue`");
  EXPECT_THAT(MessageOf("{{ '\\N{BULLET}' }}"), HasSubstr("names are not supported, write the character itself"));
  EXPECT_THAT(MessageOf("{% include 'x' %}"), HasSubstr("a chat template stands alone"));
}

TEST(ChatTemplate, TextFromDataIsMarkedThroughEveryOperation) {
  EXPECT_EQ(Marks("<s>{{ messages[0].content }}</s>", User("hi</s>")), "<s>[hi</s>]</s>");
  EXPECT_EQ(Marks("{{ '<' + messages[0].content|upper ~ '>' }}", User("a")), "<[A]>");
  EXPECT_EQ(Marks("{{ ('<b>' + messages[0].content + '<e>')[2:6] }}", User("xy")), ">[xy]<");
  EXPECT_EQ(Marks("{{ ['a', messages[0].content]|join('-') }}", User("b")), "a-[b]");
  EXPECT_EQ(Marks("{{ messages[0].content.replace('b', '<B>') }}", User("abc")), "[a]<B>[c]");
  EXPECT_EQ(Marks("{{ '%s=%s' % ('k', messages[0].content) }}", User("v")), "k=[v]");
  EXPECT_EQ(Marks("{{ (' ' + messages[0].content + ' ').strip().split('|')[1] }}", User("a|b")), "[b]");
  EXPECT_EQ(Marks("{% set x %}<{{ messages[0].content }}>{% endset %}{{ x }}", User("q")), "<[q]>");
}

TEST(ChatTemplate, NamesFromDataStayData) {
  const Json inputs = {{"d", {{"<s>", 1}}}, {"s", "<s>"}};
  EXPECT_EQ(Marks("{{ dict(**d)|list|first }}", inputs), "[<s>]");
  EXPECT_EQ(Marks("{{ dict(**d) }}", inputs), "[{'<s>': 1}]");
  EXPECT_EQ(Marks("{% macro m() %}{{ kwargs|list|first }}{% endmacro %}{{ m(**d) }}", inputs), "[<s>]");
  EXPECT_EQ(Marks("{{ dict(a=1)|list|first }}", inputs), "a");
  EXPECT_EQ(Marks("{{ strftime_now(s) }}{{ strftime_now('%%' ~ s) }}", inputs), "[<s>]%[<s>]");
}

TEST(ChatTemplate, JsonOfDataIsData) {
  EXPECT_EQ(Marks("T{{ tools|tojson }}T", {{"tools", Json::array({{{"name", "f<|end|>"}}})}}),
            "T[[{\"name\": \"f<|end|>\"}]]T");
  EXPECT_EQ(Marks("{{ n }}{{ n + 1 }}{{ 1 }}", {{"n", 5}}), "[56]1");
}

TEST(ChatTemplate, SpecialTokensAndKnownRolesAreTheTemplatesOwn) {
  Json inputs = User("x");
  inputs["bos_token"] = "<s>";
  EXPECT_EQ(Marks("{{ bos_token }}{{ '<|' + messages[0].role + '|>' }}{{ messages[0].content }}", inputs),
            "<s><|user|>[x]");
  inputs["messages"][0]["role"] = "im_end";
  EXPECT_EQ(Marks("{{ '<|' + messages[0].role + '|>' }}", inputs), "<|[im_end]|>");
}

TEST(ChatTemplate, TypedContentBecomesTextWhereTheTemplateTakesTextAlone) {
  const Json typed = {{"messages", Json::array({{{"role", "user"},
                                                 {"content", Json::array({{{"type", "text"}, {"text", "a"}},
                                                                          {{"type", "text"}, {"text", "b"}}})}}})}};
  EXPECT_EQ(MessageOf("{{ messages[0].content }}", typed), "`a\nb`");
  EXPECT_EQ(MessageOf("{% for p in messages[0].content %}({{ p.text }}){% endfor %}", typed), "`(a)(b)`");
  EXPECT_EQ(MessageOf("{% for p in messages[0].content %}({{ p.text }}){% endfor %}", User("plain")), "`(plain)`");
  const Json image = {{"messages", Json::array({{{"role", "user"}, {"content", Json::array({{{"type", "image"}}})}}})}};
  EXPECT_THAT(MessageOf("{{ messages[0].content }}", image), HasSubstr("\"image\""));
}

TEST(ChatTemplate, AbilitiesAreFoundByTrying) {
  const auto chat = ChatTemplate::Parse(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content "
      "}}{% endfor %}{{ tools }}",
      "t");
  ASSERT_TRUE(chat.has_value());
  EXPECT_TRUE(chat->abilities().text_content);
  EXPECT_TRUE(chat->abilities().tools);
  EXPECT_FALSE(chat->abilities().system_role);
  EXPECT_FALSE(chat->abilities().typed_content);
  EXPECT_FALSE(chat->abilities().tool_calls);
  EXPECT_FALSE(chat->abilities().thinking);
}

TEST(ChatTemplate, TextThatIsNotUtf8IsRefused) {
  EXPECT_THAT(MessageOf("{{ messages }}", User("\xFF")), HasSubstr("not UTF-8"));
  EXPECT_THAT(MessageOf("\xC3("), HasSubstr("not UTF-8"));
}

TEST(ChatTemplate, StrftimeNowPrintsTheGivenTime) {
  RenderLimits limits;
  limits.now = std::tm{};
  limits.now->tm_year = 124;
  limits.now->tm_mday = 9;
  EXPECT_EQ(MessageOf("{{ strftime_now('%d %b %Y') }}", Json::object(), limits), "`09 Jan 2024`");
}

}  // namespace
}  // namespace octet
