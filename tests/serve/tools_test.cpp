// Calls of tools: what requests may ask, what prompts show, and how each API words what the model calls.
#include <gmock/gmock.h>

#include <algorithm>

#include "serve/api/anthropic.h"
#include "serve/api/chat.h"
#include "serve/api/tool_format.h"
#include "tests/serve/running_server.h"

namespace octet::serve {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Of the kind that Hermes' and Qwen's models have.
constexpr const char* kHermesTemplate = R"({%- if tools %}<|start|>system
Tools:{% for tool in tools %} {{ tool | tojson }}{% endfor %}
Call one by <tool_call>{"name": NAME, "arguments": ARGUMENTS}</tool_call><|end|>
{% endif %}{% for message in messages %}<|start|>{{ message.role }}
{{ message.content or '' }}{% for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>
{%- endfor %}<|end|>
{% endfor %}{% if add_generation_prompt %}<|start|>assistant
{% endif %})";

Json Tools() {
  const Json sum = {{"type", "object"},
                    {"properties", {{"a", {{"enum", {1, 2}}}}, {"b", {{"type", "boolean"}}}}},
                    {"required", {"a", "b"}},
                    {"additionalProperties", false}};
  return Json::array({{{"type", "function"}, {"function", {{"name", "add"}, {"parameters", sum}}}},
                      {{"type", "function"}, {"function", {{"name", "get_time"}}}}});
}

Json ToolMessages() { return Json::array({{{"role", "user"}, {"content", "Hi"}}}); }

bool IsSum(const std::string& arguments) {
  const Json json = Json::parse(arguments, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.size() == 2 && json.contains("a") && (json["a"] == 1 || json["a"] == 2) &&
         json.contains("b") && json["b"].is_boolean();
}

class ToolsTest : public RunningServer {
 protected:
  void SetUp() override {
    Start();
    Open(&template_);
  }

  static Json Body(const Json& more) {
    Json body = {{"messages", ToolMessages()}, {"max_tokens", 200}, {"seed", 1}, {"tools", Tools()}};
    body.update(more);
    return body;
  }
  HttpResult AskTools(const Json& more) { return Post("/v1/chat/completions", Body(more)); }

  ServedModel Model() {
    ServedModel model{.name = "tiny", .tokenizer = engine_->tokenizer(), .chat_template = &template_};
    model.grammars = &engine_->grammars();
    model.tool_format = ToolFormatOf(template_);
    model.vocab = engine_->spec().vocab;
    model.context = engine_->context();
    return model;
  }

  // What a client would be told if the model answered with this text.
  static ChoiceState Answered(const std::string& text) {
    ChoiceState state;
    state.text = text;
    state.tokens.emplace_back().token = 1;
    state.finished = true;
    return state;
  }
  static Json WholeReply(Generation& generation, const std::string& text) {
    return generation.shape->Whole(std::vector<ChoiceState>{Answered(text)});
  }
  // The stream of it, cut into events of some bytes.
  static std::vector<Json> StreamReply(Generation& generation, const std::string& text, size_t bytes) {
    ChoiceState state = Answered("");
    state.finished = false;
    std::string frames = generation.shape->Begin();
    for (size_t at = 0; at < text.size(); at += bytes) {
      const std::string part = text.substr(at, bytes);
      state.text += part;
      state.finished = at + bytes >= text.size();
      frames +=
          generation.shape->Delta({.index = 0, .text = part, .tokens = state.tokens, .first = at == 0, .state = state});
    }
    frames += generation.shape->End(std::vector<ChoiceState>{state});
    std::vector<Json> events;
    for (const std::string& event : Events(frames)) {
      if (event != "[DONE]") events.push_back(Json::parse(event));
    }
    return events;
  }

  const ChatTemplate template_ = *ChatTemplate::Parse(kHermesTemplate, "test");
};

TEST_F(ToolsTest, WhatIsWrongIsNamed) {
  const auto param = [&](const Json& more) {
    const HttpResult reply = AskTools(more);
    EXPECT_EQ(reply.status, 400) << reply.body;
    return reply.At("/error/param").is_string() ? reply.At("/error/param").get<std::string>() : std::string("none");
  };
  const auto tool = [](const Json& function) { return Json::array({{{"type", "function"}, {"function", function}}}); };
  EXPECT_EQ(param({{"tools", Json::array()}}), "tools");
  EXPECT_EQ(param({{"tools", {{{"type", "function"}}}}}), "tools[0]");
  EXPECT_EQ(param({{"tools", {{{"type", "retrieval"}, {"function", {{"name", "a"}}}}}}}), "tools[0]");
  EXPECT_EQ(param({{"tools", tool({{"name", "a b"}})}}), "tools[0].function.name");
  EXPECT_EQ(param({{"tools", tool({{"name", ""}})}}), "tools[0].function.name");
  EXPECT_EQ(param({{"tools", tool({{"name", "a"}, {"parameters", "x"}})}}), "tools[0].function.parameters");
  EXPECT_EQ(param({{"tools", {Tools()[0], Tools()[0]}}}), "tools[1].function.name");
  EXPECT_EQ(param({{"tools", nullptr}, {"tool_choice", "auto"}}), "tool_choice");
  EXPECT_EQ(param({{"tools", nullptr}, {"tool_choice", "required"}}), "tool_choice");
  EXPECT_EQ(param({{"tool_choice", "any"}}), "tool_choice");
  EXPECT_EQ(param({{"tool_choice", {{"type", "function"}, {"function", {{"name", "none"}}}}}}), "tool_choice");
  EXPECT_EQ(param({{"parallel_tool_calls", 1}}), "parallel_tool_calls");
  EXPECT_EQ(param({{"response_format", {{"type", "json_object"}}}}), "response_format");
  EXPECT_EQ(param({{"functions", {{{"name", "a"}}}}}), "functions");
  // Only a choice that forces a call needs the schemas: these fail closed.
  const Json odd = tool({{"name", "a"}, {"parameters", {{"type", "object"}, {"patternProperties", {{"x", true}}}}}});
  const HttpResult closed = AskTools({{"tools", odd}, {"tool_choice", "required"}});
  EXPECT_EQ(closed.status, 400);
  EXPECT_THAT(closed.At("/error/message").get<std::string>(),
              AllOf(HasSubstr("the parameters of `a`"), HasSubstr("#/patternProperties")));
  EXPECT_EQ(AskTools({{"tools", odd}, {"max_tokens", 1}}).status, 200);
  EXPECT_EQ(
      param({{"tools", tool({{"name", "a"}, {"parameters", {{"type", "string"}}}})}, {"tool_choice", "required"}}),
      "tools");
}

TEST_F(ToolsTest, TheTemplateShowsToolsCallsAndResults) {
  const Json messages = Json::array(
      {{{"role", "user"}, {"content", "Hi"}},
       {{"role", "assistant"},
        {"content", nullptr},
        {"tool_calls",
         {{{"id", "c1"}, {"type", "function"}, {"function", {{"name", "add"}, {"arguments", "{\"a\": 1}"}}}}}}},
       {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "three"}}});
  const auto prompt = [&](const Json& more) {
    const HttpResult reply = Post("/apply-template", Body(more));
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.At("/prompt").get<std::string>();
  };
  const std::string shown = prompt({{"messages", messages}});
  EXPECT_THAT(shown, HasSubstr("\"name\": \"get_time\""));
  EXPECT_THAT(shown, HasSubstr("<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1}}</tool_call>"));
  EXPECT_THAT(shown, HasSubstr("<|start|>tool\nthree<|end|>"));
  EXPECT_TRUE(shown.ends_with("<|start|>assistant\n"));
  EXPECT_THAT(prompt({{"tool_choice", "none"}}), Not(HasSubstr("get_time")));
  EXPECT_TRUE(prompt({{"tool_choice", "required"}}).ends_with("<|start|>assistant\n<tool_call>"));
}

TEST_F(ToolsTest, ARequiredCallFitsOneOfTheSchemas) {
  size_t sums = 0;
  for (int seed = 0; seed < 6; ++seed) {
    const HttpResult reply =
        AskTools({{"tool_choice", "required"}, {"seed", seed}, {"temperature", 5}, {"parallel_tool_calls", false}});
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.At("/choices/0/finish_reason"), "tool_calls") << reply.body;
    EXPECT_EQ(reply.At("/choices/0/message/content"), nullptr);
    const Json calls = reply.At("/choices/0/message/tool_calls");
    ASSERT_EQ(calls.size(), 1u) << reply.body;
    EXPECT_EQ(calls[0]["type"], "function");
    EXPECT_TRUE(calls[0]["id"].get<std::string>().starts_with("call_"));
    const std::string arguments = calls[0]["function"]["arguments"];
    if (calls[0]["function"]["name"] == "add") ++sums;
    EXPECT_TRUE(calls[0]["function"]["name"] == "add" ? IsSum(arguments) : Json::parse(arguments) == Json::object())
        << reply.body;
  }
  EXPECT_GT(sums, 0u);
  EXPECT_LT(sums, 6u) << "both tools can be chosen";
}

TEST_F(ToolsTest, ANamedFunctionIsTheOneThatIsCalled) {
  for (const char* name : {"add", "get_time"}) {
    const HttpResult reply = AskTools({{"tool_choice", {{"type", "function"}, {"function", {{"name", name}}}}}});
    ASSERT_EQ(reply.At("/choices/0/message/tool_calls").size(), 1u) << reply.body;
    EXPECT_EQ(reply.At("/choices/0/message/tool_calls/0/function/name"), name);
    EXPECT_EQ(reply.At("/choices/0/finish_reason"), "tool_calls");
  }
}

TEST_F(ToolsTest, SeveralCallsMayCome) {
  const HttpResult reply =
      AskTools({{"tool_choice", "required"}, {"temperature", 3}, {"max_tokens", 400}, {"ignore_eos", true}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json calls = reply.At("/choices/0/message/tool_calls");
  ASSERT_GT(calls.size(), 1u) << reply.body;
  EXPECT_LE(calls.size(), 16u);
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);
}

TEST_F(ToolsTest, AForcedCallThatIsCutIsTextAndNotLost) {
  const HttpResult reply = AskTools({{"tool_choice", "required"}, {"max_tokens", 12}});
  EXPECT_EQ(reply.At("/choices/0/finish_reason"), "length") << reply.body;
  EXPECT_FALSE(reply.At("/choices/0/message").contains("tool_calls"));
  EXPECT_THAT(reply.At("/choices/0/message/content").get<std::string>(), testing::StartsWith("<tool_call>\n{\"name"));
}

TEST_F(ToolsTest, AStreamTellsTheNameFirstAndThenArgumentsAlone) {
  const std::vector<std::string> events =
      Events(AskTools({{"tool_choice", "required"}, {"stream", true}, {"parallel_tool_calls", false}}).body);
  ASSERT_GE(events.size(), 4u);
  std::string arguments;
  size_t named = 0;
  for (const std::string& event : events) {
    if (event == "[DONE]") continue;
    const Json delta = Json::parse(event)["choices"][0]["delta"];
    if (!delta.contains("tool_calls")) continue;
    const Json call = delta["tool_calls"][0];
    EXPECT_EQ(call["index"], 0);
    EXPECT_EQ(call.contains("id"), named == 0) << event;
    EXPECT_EQ(call["function"].contains("name"), named == 0) << event;
    EXPECT_EQ(call.contains("type"), named == 0) << event;
    ++named;
    arguments += call["function"]["arguments"].get<std::string>();
  }
  EXPECT_GE(named, 2u);
  EXPECT_TRUE(Json::parse(arguments, nullptr, false).is_object()) << arguments;
  EXPECT_EQ(Json::parse(events[events.size() - 2])["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(ToolsTest, FreeAnswersHaveTheirCallsTakenOut) {
  const ServedModel model = Model();
  ApiResult<Generation> generation = ReadChat(Body(Json::object()), model, "1");
  ASSERT_TRUE(generation.has_value()) << generation.error().message;
  EXPECT_EQ(generation->grammar, nullptr) << "auto leaves the text free";
  const std::string text =
      "I add.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>\n"
      "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>";
  const Json whole = WholeReply(*generation, text);
  const Json message = whole["choices"][0]["message"];
  EXPECT_EQ(message["content"], "I add.");
  EXPECT_EQ(message["tool_calls"][0]["function"], Json({{"name", "add"}, {"arguments", "{\"a\": 1}"}}));
  EXPECT_EQ(message["tool_calls"][1]["function"]["name"], "get_time");
  EXPECT_EQ(whole["choices"][0]["finish_reason"], "tool_calls");
  EXPECT_EQ(WholeReply(*generation, "Just text.")["choices"][0]["finish_reason"], "stop");
  for (const size_t bytes : {size_t{1}, size_t{7}, text.size()}) {
    Generation again = *ReadChat(Body({{"stream", true}}), model, "1");
    std::string content, finish;
    std::vector<std::string> calls;
    for (const Json& event : StreamReply(again, text, bytes)) {
      const Json& choice = event["choices"][0];
      content += choice["delta"].value("content", "");
      if (choice["finish_reason"].is_string()) finish = choice["finish_reason"];
      if (!choice["delta"].contains("tool_calls")) continue;
      const Json& call = choice["delta"]["tool_calls"][0];
      if (call["index"] == calls.size()) calls.push_back(call["function"]["name"].get<std::string>() + " ");
      calls[call["index"].get<size_t>()] += call["function"]["arguments"].get<std::string>();
    }
    EXPECT_EQ(content, "I add.") << bytes;
    EXPECT_EQ(finish, "tool_calls") << bytes;
    EXPECT_THAT(calls, ElementsAre("add {\"a\": 1}", "get_time {}")) << bytes;
  }
}

TEST_F(ToolsTest, MessagesHaveBlocksOfTextAndToolUse) {
  const ServedModel model = Model();
  const Json tool = {{"name", "add"}, {"description", "Adds."}, {"input_schema", {{"type", "object"}}}};
  const Json body = {{"messages", ToolMessages()}, {"max_tokens", 50}, {"tools", Json::array({tool})}};
  Generation generation = *ReadAnthropicMessage(body, model, "1");
  const std::string text = "I add. <tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1.50}}</tool_call>";
  const Json whole = WholeReply(generation, text);
  ASSERT_EQ(whole["content"].size(), 2u) << whole;
  EXPECT_EQ(whole["content"][0], Json({{"type", "text"}, {"text", "I add."}}));
  EXPECT_EQ(whole["content"][1]["type"], "tool_use");
  EXPECT_EQ(whole["content"][1]["name"], "add");
  EXPECT_EQ(whole["content"][1]["input"], Json({{"a", 1.5}}));
  EXPECT_TRUE(whole["content"][1]["id"].get<std::string>().starts_with("toolu_"));
  EXPECT_EQ(whole["stop_reason"], "tool_use");
  Generation streamed = *ReadAnthropicMessage(body, model, "1");
  std::vector<std::string> told;
  for (const Json& event : StreamReply(streamed, text, 5)) {
    std::string line = event["type"];
    if (event.contains("index")) line += Cat(" ", event["index"].get<size_t>());
    if (event.contains("content_block")) line += Cat(" ", event["content_block"]["type"].get<std::string>());
    if (event.contains("delta") && event["delta"].contains("text"))
      line = told.back() + event["delta"]["text"].get<std::string>(), told.pop_back();
    if (event.contains("delta") && event["delta"].contains("partial_json"))
      line += Cat(" ", event["delta"]["partial_json"].get<std::string>());
    told.push_back(line);
  }
  EXPECT_THAT(told, ElementsAre("message_start", "content_block_start 0 textI add.", "content_block_stop 0",
                                "content_block_start 1 tool_use", "content_block_delta 1 {\"a\": 1.50}",
                                "content_block_stop 1", "message_delta", "message_stop"));
}

TEST_F(ToolsTest, MessagesWithResultsOfToolsBecomeTheSameChat) {
  const ServedModel model = Model();
  const Json schema = {{"type", "object"}, {"properties", {{"a", {{"type", "integer"}}}}}};
  const Json anthropic = {
      {"max_tokens", 200},
      {"temperature", 0},
      {"tools", {{{"name", "add"}, {"input_schema", schema}}}},
      {"tool_choice", {{"type", "any"}, {"disable_parallel_tool_use", true}}},
      {"messages",
       {{{"role", "user"}, {"content", "Hi"}},
        {{"role", "assistant"},
         {"content",
          {{{"type", "text"}, {"text", "I add."}},
           {{"type", "tool_use"}, {"id", "t1"}, {"name", "add"}, {"input", {{"a", 1}}}}}}},
        {{"role", "user"},
         {"content",
          {{{"type", "tool_result"}, {"tool_use_id", "t1"}, {"content", {{{"type", "text"}, {"text", "two"}}}}},
           {{"type", "text"}, {"text", "And now?"}}}}}}}};
  const Json chat = {
      {"tools", {{{"type", "function"}, {"function", {{"name", "add"}, {"parameters", schema}}}}}},
      {"tool_choice", "required"},
      {"messages",
       {{{"role", "user"}, {"content", "Hi"}},
        {{"role", "assistant"},
         {"content", "I add."},
         {"tool_calls",
          {{{"id", "t1"}, {"type", "function"}, {"function", {{"name", "add"}, {"arguments", "{\"a\":1}"}}}}}}},
        {{"role", "tool"}, {"tool_call_id", "t1"}, {"content", "two"}},
        {{"role", "user"}, {"content", "And now?"}}}}};
  const ApiResult<Generation> one = ReadAnthropicMessage(anthropic, model, "1"), other = ReadChat(chat, model, "1");
  ASSERT_TRUE(one.has_value()) << one.error().message;
  ASSERT_TRUE(other.has_value()) << other.error().message;
  EXPECT_EQ(one->prompts, other->prompts);
  EXPECT_NE(one->grammar, nullptr);
  EXPECT_EQ(one->calls->most_calls, 1u);
  const HttpResult forced = Post("/v1/messages", anthropic);
  EXPECT_EQ(forced.At("/content/0/type"), "tool_use") << forced.body;
  EXPECT_EQ(forced.At("/stop_reason"), "tool_use");
  Json wrong = anthropic;
  wrong["messages"][2]["content"][0]["tool_use_id"] = 5;
  EXPECT_THAT(Post("/v1/messages", wrong).body, HasSubstr("messages[2].content[0]"));
  wrong = anthropic;
  wrong["tools"][0]["type"] = "bash_20250124";
  EXPECT_THAT(Post("/v1/messages", wrong).body, HasSubstr("tools[0]"));
  wrong = anthropic;
  wrong["tool_choice"] = {{"type", "tool"}, {"name", "sub"}};
  EXPECT_EQ(Post("/v1/messages", wrong).status, 400);
}

// Mistral's mark is a special token: left out of texts, and the user's text can't spell it.
TEST(ToolMark, ThatIsASpecialTokenOpensForcedCallsAndIsShown) {
  const Tokenizer tokenizer = *Tokenizer::FromJson(R"({
    "added_tokens": [{"id": 3, "content": "[TOOL_CALLS]", "special": true}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "[TOOL_CALLS]": 3}, "merges": []}})",
                                                   Json(nullptr), "test");
  const ChatTemplate shown = *ChatTemplate::Parse(
      "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
      "{% if false %}[TOOL_CALLS]{% endif %}",
      "test");
  ServedModel model{.name = "m", .tokenizer = &tokenizer, .chat_template = &shown};
  model.tool_format = ToolFormatOf(shown);
  model.vocab = 4;
  model.context = 256;
  ASSERT_EQ(model.tool_format, ToolFormat::kMistral);
  const Json messages = Json::array({{{"role", "user"}, {"content", "a[TOOL_CALLS]b"}}});
  EXPECT_FALSE(ReadChat({{"messages", messages}}, model, "1")->options.show_special);
  const ApiResult<Generation> free = ReadChat({{"messages", messages}, {"tools", Tools()}}, model, "1");
  ASSERT_TRUE(free.has_value()) << free.error().message;
  EXPECT_TRUE(free->options.show_special);
  EXPECT_FALSE(free->calls->begins_behind_mark);
  EXPECT_EQ(std::count(free->prompts[0].begin(), free->prompts[0].end(), 3), 0);
  ChatWish wish{.messages = messages};
  wish.tools.list = Tools();
  wish.tools.choice = ToolWish::Choice::kRequired;
  const std::vector<int32_t> forced = *ChatIds(wish, model);
  EXPECT_EQ(forced.back(), 3);
  EXPECT_EQ(std::count(forced.begin(), forced.end(), 3), 1);
  EXPECT_TRUE(RulesOf(wish.tools, ToolFormat::kMistral).begins_behind_mark);
}

// Mistral's own templates refuse any other.
TEST(CallId, OfMistralHasNineLettersOrDigits) {
  const std::string id = MakeCallId(ToolFormat::kMistral, "call_");
  EXPECT_THAT(id, testing::MatchesRegex("[0-9a-z]+"));
  EXPECT_EQ(id.size(), 9u);
  EXPECT_NE(MakeCallId(ToolFormat::kHermes, "call_"), MakeCallId(ToolFormat::kHermes, "call_"));
}

class WithoutToolsTest : public RunningServer {};

TEST_F(WithoutToolsTest, AModelWhoseTemplateShowsNoToolsRefusesThem) {
  Start();
  Open();
  const HttpResult reply = Post("/v1/chat/completions", {{"messages", ToolMessages()}, {"tools", Tools()}});
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.At("/error/param"), "tools");
  EXPECT_THAT(reply.At("/error/message").get<std::string>(), HasSubstr("chat template shows no tools"));
  EXPECT_EQ(Post("/v1/chat/completions",
                 {{"messages", ToolMessages()}, {"tools", Tools()}, {"tool_choice", "none"}, {"max_tokens", 1}})
                .status,
            200);
}

}  // namespace
}  // namespace octet::serve
