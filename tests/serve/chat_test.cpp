// The chat APIs: OpenAI's two and Anthropic's.
#include <gmock/gmock.h>

#include "engine/prompt.h"
#include "engine/session.h"
#include "tests/serve/running_server.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;

class Chat : public RunningServer {
 protected:
  void SetUp() override {
    Start();
    Open();
  }
  static Json Hello() { return Json::array({{{"role", "user"}, {"content", "Hello"}}}); }

  std::string Alone(std::vector<int32_t> prompt, size_t most) {
    const Result<std::unique_ptr<Engine>> engine =
        Engine::Open(std::string(OCTET_SOURCE_DIR) + "/tests/golden/models/smollm2", {.threads = 1});
    EngineSession session(**engine);
    return session.Generate({.prompt = std::move(prompt), .options = {.max_tokens = most}}, {}, nullptr)->text;
  }
};

TEST_F(Chat, AnswersByTheModelsTemplate) {
  const HttpResult reply = Post("/v1/chat/completions", {{"model", "other"},
                                                         {"messages", Hello()},
                                                         {"temperature", 0},
                                                         {"max_completion_tokens", 12},
                                                         {"max_tokens", 3}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::vector<ChatMessage> messages = {{"user", "Hello"}};
  const std::vector<int32_t> ids = *ChatPrompt(*engine_, messages);
  EXPECT_EQ(reply.At("/choices/0/message/content"), Alone(ids, 12));
  EXPECT_EQ(reply.At("/choices/0/message/role"), "assistant");
  EXPECT_EQ(reply.At("/usage/prompt_tokens"), ids.size());
  EXPECT_EQ(reply.At("/model"), "other");
  EXPECT_EQ(reply.At("/object"), "chat.completion");
}

TEST_F(Chat, TheTextThatStoppedAnAnswerIsTold) {
  Json body = {{"messages", Hello()}, {"temperature", 0}, {"max_tokens", 12}};
  const std::string whole = Post("/v1/chat/completions", body).At("/choices/0/message/content");
  ASSERT_GT(whole.size(), 5u);
  const std::string stop = whole.substr(3, 2);
  body["stop"] = stop;
  EXPECT_EQ(Post("/v1/chat/completions", body).At("/choices/0/stop_reason"), stop);
  body["stream"] = true;
  const std::vector<std::string> events = Events(Post("/v1/chat/completions", body).body);
  EXPECT_EQ(Json::parse(events[events.size() - 2])["choices"][0]["stop_reason"], stop);
}

TEST_F(Chat, PartsOfTextAreOneText) {
  Json parts = Hello();
  parts[0]["content"] = Json::array({{{"type", "text"}, {"text", "Hel"}}, {{"type", "text"}, {"text", "lo"}}});
  const Json more = {{"temperature", 0}, {"max_tokens", 8}};
  Json whole = {{"messages", Hello()}}, split = {{"messages", parts}};
  whole.update(more);
  split.update(more);
  const HttpResult one = Post("/v1/chat/completions", whole), two = Post("/v1/chat/completions", split);
  ASSERT_EQ(two.status, 200) << two.body;
  EXPECT_EQ(one.At("/choices/0/message/content"), two.At("/choices/0/message/content"));
}

TEST_F(Chat, AStreamBeginsWithTheRoleAndEndsWithReasonUsageAndDone) {
  const Json body = {{"messages", Hello()}, {"temperature", 0}, {"max_tokens", 20}};
  const std::string whole = Post("/v1/chat/completions", body).At("/choices/0/message/content");
  Json streamed = body;
  streamed["stream"] = true;
  streamed["stream_options"] = {{"include_usage", true}};
  const HttpResult stream = Post("/v1/chat/completions", streamed);
  ASSERT_EQ(stream.status, 200) << stream.body;
  const std::vector<std::string> events = Events(stream.body);
  ASSERT_GE(events.size(), 5u);
  const Json first = Json::parse(events[0]);
  EXPECT_EQ(first["object"], "chat.completion.chunk");
  EXPECT_EQ(first["choices"][0]["delta"], Json({{"role", "assistant"}, {"content", ""}}));
  std::string text;
  for (size_t i = 1; i + 3 < events.size(); ++i)
    text += Json::parse(events[i])["choices"][0]["delta"].value("content", "");
  EXPECT_EQ(text, whole);
  const Json finish = Json::parse(events[events.size() - 3]), usage = Json::parse(events[events.size() - 2]);
  EXPECT_EQ(finish["choices"][0]["delta"], Json::object());
  EXPECT_TRUE(finish["choices"][0]["finish_reason"] == "length" || finish["choices"][0]["finish_reason"] == "stop");
  EXPECT_EQ(usage["choices"], Json::array());
  EXPECT_GT(usage["usage"]["completion_tokens"], 0);
  EXPECT_EQ(events.back(), "[DONE]");
}

TEST_F(Chat, LogprobsHaveBytesAndTheLikeliest) {
  const HttpResult reply =
      Post("/v1/chat/completions",
           {{"messages", Hello()}, {"temperature", 0}, {"max_tokens", 3}, {"logprobs", true}, {"top_logprobs", 2}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json content = reply.At("/choices/0/logprobs/content");
  ASSERT_EQ(content.size(), reply.At("/usage/completion_tokens"));
  EXPECT_EQ(content[0]["top_logprobs"].size(), 2u);
  EXPECT_EQ(content[0]["logprob"], content[0]["top_logprobs"][0]["logprob"]) << "greedy";
  EXPECT_TRUE(content[0]["bytes"].is_array());
  const HttpResult alone = Post("/v1/chat/completions", {{"messages", Hello()}, {"top_logprobs", 2}});
  EXPECT_EQ(alone.At("/error/param"), "top_logprobs");
}

TEST_F(Chat, AnAnswerThatWasBegunIsGoneOnWith) {
  Json messages = Hello();
  messages.push_back({{"role", "assistant"}, {"content", "Hi the"}});
  const HttpResult shown = Post("/apply-template", {{"messages", messages}, {"continue_final_message", true}});
  ASSERT_EQ(shown.status, 200) << shown.body;
  EXPECT_TRUE(shown.At("/prompt").get<std::string>().ends_with("Hi the")) << shown.body;
  const HttpResult both = Post(
      "/apply-template", {{"messages", messages}, {"continue_final_message", true}, {"add_generation_prompt", true}});
  EXPECT_EQ(both.At("/error/param"), "continue_final_message");
}

TEST_F(Chat, WhatCannotBeHonouredIsNamed) {
  const auto param = [&](Json more) {
    Json body = {{"messages", Hello()}};
    body.update(more);
    const HttpResult reply = Post("/v1/chat/completions", body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    return reply.At("/error/param").is_string() ? reply.At("/error/param").get<std::string>() : std::string("none");
  };
  EXPECT_EQ(param({{"messages", nullptr}}), "messages");
  EXPECT_EQ(param({{"messages", Json::array()}}), "messages");
  EXPECT_EQ(param({{"messages", {{{"role", "king"}, {"content", "a"}}}}}), "messages[0].role");
  EXPECT_EQ(param({{"messages", {{{"role", "user"}, {"content", 5}}}}}), "messages[0].content");
  EXPECT_EQ(param({{"messages", {{{"role", "user"}}}}}), "messages[0].content");
  EXPECT_EQ(
      param(
          {{"messages",
            {{{"role", "user"}, {"content", {{{"type", "image_url"}, {"image_url", {{"url", "http://a/b.png"}}}}}}}}}}),
      "messages[0].content[0]");
  EXPECT_EQ(param({{"tools", Json::array()}}), "tools");
  EXPECT_EQ(param({{"min_tokens", 3}, {"max_completion_tokens", 2}}), "min_tokens");
  EXPECT_EQ(param({{"tool_choice", "auto"}}), "tool_choice");
  EXPECT_EQ(param({{"chat_template", "{{ 1 }}"}}), "chat_template");
  EXPECT_EQ(param({{"chat_template_kwargs", {{"messages", 1}}}}), "chat_template_kwargs");
}

TEST_F(Chat, SpecialTokensOfAUserStayText) {
  const HttpResult plain = Post("/tokenize", {{"messages", {{{"role", "user"}, {"content", "x<|im_end|>y"}}}}});
  ASSERT_EQ(plain.status, 200) << plain.body;
  const HttpResult none = Post("/tokenize", {{"messages", {{{"role", "user"}, {"content", "xy"}}}}});
  const int32_t end = *engine_->tokenizer()->TokenId("<|im_end|>");
  const auto count = [&](const HttpResult& reply) {
    size_t ends = 0;
    for (const Json& id : reply.At("/tokens")) ends += id == end ? 1 : 0;
    return ends;
  };
  EXPECT_EQ(count(plain), count(none));
}

TEST_F(Chat, ResponsesSayTheSameInTheirOwnShape) {
  const std::string whole =
      Post("/v1/chat/completions", {{"messages", Hello()}, {"temperature", 0}, {"max_tokens", 10}})
          .At("/choices/0/message/content");
  const Json body = {{"model", "tiny"}, {"input", "Hello"}, {"temperature", 0}, {"max_output_tokens", 10}};
  const HttpResult reply = Post("/v1/responses", body);
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.At("/object"), "response");
  EXPECT_EQ(reply.At("/output/0/content/0/text"), whole);
  EXPECT_EQ(reply.At("/usage/output_tokens"), 10);
  EXPECT_EQ(reply.At("/status"), "incomplete");
  EXPECT_EQ(reply.At("/incomplete_details/reason"), "max_output_tokens");
  Json streamed = body;
  streamed["stream"] = true;
  const HttpResult stream = Post("/v1/responses", streamed);
  std::string text;
  size_t number = 0;
  for (const std::string& event : Events(stream.body)) {
    const Json json = Json::parse(event);
    EXPECT_EQ(json["sequence_number"], number++);
    if (json["type"] == "response.output_text.delta") text += json["delta"].get<std::string>();
  }
  EXPECT_EQ(text, whole);
  EXPECT_THAT(stream.body, HasSubstr("event: response.incomplete\n"));
  EXPECT_EQ(Post("/v1/responses", {{"input", "a"}, {"previous_response_id", "resp_1"}}).At("/error/param"),
            "previous_response_id");
  EXPECT_EQ(Post("/v1/responses", {{"input", {{{"type", "function_call"}}}}}).At("/error/param"), "input[0]");
}

TEST_F(Chat, MessagesSayTheSameInAnthropicsShape) {
  const std::string whole =
      Post("/v1/chat/completions", {{"messages", Hello()}, {"temperature", 0}, {"max_tokens", 10}})
          .At("/choices/0/message/content");
  const Json body = {{"model", "tiny"}, {"messages", Hello()}, {"temperature", 0}, {"max_tokens", 10}};
  const HttpResult reply = Post("/v1/messages", body);
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.At("/type"), "message");
  EXPECT_EQ(reply.At("/content/0/text"), whole);
  EXPECT_EQ(reply.At("/stop_reason"), "max_tokens");
  EXPECT_EQ(reply.At("/usage/output_tokens"), 10);
  Json streamed = body;
  streamed["stream"] = true;
  const std::string events = Post("/v1/messages", streamed).body;
  size_t at = 0;
  for (const char* name : {"message_start", "content_block_start", "content_block_delta", "content_block_stop",
                           "message_delta", "message_stop"}) {
    const size_t next = events.find(Cat("event: ", name, "\n"), at);
    EXPECT_NE(next, std::string::npos) << name;
    at = std::max(at, next == std::string::npos ? 0 : next);
  }
  const HttpResult count = Post("/v1/messages/count_tokens", {{"messages", Hello()}, {"system", "Be brief."}});
  EXPECT_GT(count.At("/input_tokens"), 5) << count.body;
  // To know of a prompt that it is too long is what it is asked for.
  Json many = {{{"role", "user"}, {"content", ""}}};
  for (int i = 0; i < 600; ++i) many[0]["content"] = many[0]["content"].get<std::string>() + " cat";
  EXPECT_GT(Post("/v1/messages/count_tokens", {{"messages", many}}).At("/input_tokens"), 600);
  EXPECT_EQ(Post("/v1/messages", {{"messages", many}, {"max_tokens", 1}}).status, 400);
  const HttpResult wrong = Post("/v1/messages", {{"messages", Hello()}});
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.At("/type"), "error");
  EXPECT_EQ(wrong.At("/error/type"), "invalid_request_error");
}

}  // namespace
}  // namespace octet::serve
