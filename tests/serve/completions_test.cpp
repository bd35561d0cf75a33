// POST /v1/completions against the engine asked directly.
#include <gmock/gmock.h>

#include <algorithm>

#include "engine/prompt.h"
#include "engine/session.h"
#include "tests/serve/running_server.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;

class Completions : public RunningServer {
 protected:
  void SetUp() override {
    Start();
    Open();
  }

  // What an engine that nobody shares says.
  GenerateResult Alone(std::vector<int32_t> prompt, GenerateOptions options) {
    const Result<std::unique_ptr<Engine>> engine =
        Engine::Open(std::string(OCTET_SOURCE_DIR) + "/tests/golden/models/smollm2", {.threads = 1});
    EngineSession session(**engine);
    Result<GenerateResult> result = session.Generate({.prompt = std::move(prompt), .options = options}, {}, nullptr);
    EXPECT_TRUE(result.has_value());
    return std::move(*result);
  }
};

TEST_F(Completions, AnswerWhatTheEngineAnswersAlone) {
  const HttpResult reply = Post("/v1/completions", {{"model", "tiny"}, {"prompt", "the cat"}, {"temperature", 0}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::vector<int32_t> ids = *TextPrompt(*engine_, "the cat");
  const GenerateResult alone = Alone(ids, {.max_tokens = 16});
  EXPECT_EQ(reply.At("/choices/0/text"), alone.text);
  EXPECT_EQ(reply.At("/choices/0/finish_reason"), FinishReasonName(alone.finish_reason));
  EXPECT_EQ(reply.At("/usage/prompt_tokens"), ids.size());
  EXPECT_EQ(reply.At("/usage/completion_tokens"), alone.tokens.size());
  EXPECT_EQ(reply.At("/object"), "text_completion");
  EXPECT_EQ(reply.At("/choices/0/logprobs"), nullptr);
}

TEST_F(Completions, SeededDrawsAreThoseOfTheEngineAndEachChoiceHasItsOwn) {
  const HttpResult reply = Post("/v1/completions", {{"prompt", {1, 2, 3}}, {"temperature", 5}, {"seed", 7}, {"n", 2}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  GenerateOptions options{.max_tokens = 16};
  options.sampling.temperature = 5;
  options.sampling.seed = 7;
  EXPECT_EQ(reply.At("/choices/0/text"), Alone({1, 2, 3}, options).text);
  EXPECT_EQ(reply.At("/choices/1/index"), 1);
  EXPECT_NE(reply.At("/choices/1/text"), reply.At("/choices/0/text"));
  EXPECT_EQ(reply.At("/usage/prompt_tokens"), 3);
  EXPECT_EQ(reply.At("/seed"), 7);
}

TEST_F(Completions, ListsOfPromptsAreAnsweredInTheirOrder) {
  const HttpResult both =
      Post("/v1/completions", {{"prompt", {{1, 2, 3}, {4, 5}}}, {"temperature", 0}, {"max_tokens", 4}});
  ASSERT_EQ(both.status, 200) << both.body;
  EXPECT_EQ(both.At("/choices/0/text"), Alone({1, 2, 3}, {.max_tokens = 4}).text);
  EXPECT_EQ(both.At("/choices/1/text"), Alone({4, 5}, {.max_tokens = 4}).text);
  const HttpResult texts = Post("/v1/completions", {{"prompt", {"a", "b", "c"}}, {"max_tokens", 1}});
  EXPECT_EQ(texts.At("/choices").size(), 3u) << texts.body;
}

// lm-eval's request for the likelihood of a continuation.
TEST_F(Completions, EchoWithLogprobsScoresEveryTokenOfThePromptAndOneMore) {
  const std::vector<int32_t> prompt = {5, 9, 30, 31, 32, 40, 41, 7};
  const HttpResult reply = Post("/v1/completions", {{"prompt", Json::array({prompt})},
                                                    {"temperature", 0},
                                                    {"max_tokens", 1},
                                                    {"logprobs", 1},
                                                    {"echo", true},
                                                    {"seed", 1234}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json values = reply.At("/choices/0/logprobs/token_logprobs"),
             tops = reply.At("/choices/0/logprobs/top_logprobs");
  ASSERT_EQ(values.size(), prompt.size() + 1);
  ASSERT_EQ(tops.size(), prompt.size() + 1);
  EXPECT_EQ(values[0], nullptr);
  for (size_t i = 1; i < prompt.size(); ++i) {
    // Every token's value from a run up to there.
    GenerateOptions options{.max_tokens = 1};
    options.sampling.logprobs = 277;
    const GenerateResult alone = Alone({prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(i)}, options);
    const auto& all = alone.tokens[0].top;
    const auto it = std::find_if(all.begin(), all.end(), [&](const TokenLogprob& t) { return t.token == prompt[i]; });
    ASSERT_NE(it, all.end());
    EXPECT_EQ(values[i].get<float>(), it->logprob) << i;
    double most = -1e9;
    for (const auto& [text, value] : tops[i].items()) most = std::max(most, value.get<double>());
    EXPECT_EQ(static_cast<float>(most), all[0].logprob) << i;
  }
  double most = -1e9;
  for (const auto& [text, value] : tops.back().items()) most = std::max(most, value.get<double>());
  EXPECT_EQ(values.back().get<double>(), most) << "greedy: the last token is the likeliest, by one rounding";
  EXPECT_EQ(reply.At("/choices/0/logprobs/text_offset").size(), prompt.size() + 1);
}

TEST_F(Completions, OffsetsCountCharactersOfTheEchoedText) {
  const HttpResult reply =
      Post("/v1/completions", {{"prompt", "the cat"}, {"max_tokens", 0}, {"logprobs", 0}, {"echo", true}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.At("/choices/0/text"), "the cat");
  const Json tokens = reply.At("/choices/0/logprobs/tokens"), offsets = reply.At("/choices/0/logprobs/text_offset");
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(offsets[i], text.size());
    text += tokens[i].get<std::string>();
  }
  EXPECT_EQ(text, "the cat");
}

TEST_F(Completions, AStreamSaysTheSameInPieces) {
  const Json body = {{"prompt", {1, 2, 3}}, {"temperature", 0}, {"max_tokens", 24}, {"n", 2}, {"logprobs", 1}};
  const HttpResult whole = Post("/v1/completions", body);
  Json streamed = body;
  streamed["stream"] = true;
  streamed["stream_options"] = {{"include_usage", true}};
  const HttpResult stream = Post("/v1/completions", streamed);
  ASSERT_EQ(stream.status, 200) << stream.body;
  EXPECT_TRUE(stream.Has("Content-Type: text/event-stream; charset=utf-8")) << stream.head;
  std::vector<std::string> events = Events(stream.body);
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events.back(), "[DONE]");
  events.pop_back();
  EXPECT_EQ(Json::parse(events.back())["usage"], whole.At("/usage"));
  EXPECT_EQ(Json::parse(events.back())["choices"], Json::array());
  events.pop_back();
  std::string texts[2];
  Json tokens[2] = {Json::array(), Json::array()}, offsets[2] = {Json::array(), Json::array()};
  for (const std::string& event : events) {
    const Json json = Json::parse(event);
    EXPECT_EQ(json["usage"], nullptr);
    const Json& choice = json["choices"][0];
    const size_t index = choice["index"];
    texts[index] += choice["text"].get<std::string>();
    for (const Json& token : choice["logprobs"]["tokens"]) tokens[index].push_back(token);
    for (const Json& offset : choice["logprobs"]["text_offset"]) offsets[index].push_back(offset);
  }
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(texts[i], whole.json["choices"][i]["text"]);
    EXPECT_EQ(tokens[i], whole.json["choices"][i]["logprobs"]["tokens"]);
    EXPECT_EQ(offsets[i], whole.json["choices"][i]["logprobs"]["text_offset"]);
  }
}

TEST_F(Completions, AStopTextEndsTheAnswerBeforeOrBehindIt) {
  const Json body = {{"prompt", {1, 2, 3}}, {"temperature", 0}, {"max_tokens", 40}, {"ignore_eos", true}};
  const std::string whole = Post("/v1/completions", body).At("/choices/0/text");
  ASSERT_GT(whole.size(), 6u);
  const std::string stop = whole.substr(3, 2);
  Json stopped = body;
  stopped["stop"] = {stop};
  const std::string before = Post("/v1/completions", stopped).At("/choices/0/text");
  EXPECT_EQ(before, whole.substr(0, whole.find(stop)));
  stopped["include_stop_str_in_output"] = true;
  EXPECT_EQ(Post("/v1/completions", stopped).At("/choices/0/text"), before + stop);
}

TEST_F(Completions, TheReasonOfAStopIsTold) {
  const Json body = {{"prompt", {1, 2, 3}}, {"temperature", 0}, {"max_tokens", 40}, {"ignore_eos", true}};
  const HttpResult free = Post("/v1/completions", body);
  EXPECT_EQ(free.At("/choices/0/finish_reason"), "length");
  EXPECT_TRUE(free.json["choices"][0].contains("stop_reason"));
  EXPECT_EQ(free.At("/choices/0/stop_reason"), nullptr);
  const std::string text = free.At("/choices/0/text").get<std::string>().substr(3, 2);
  Json by_text = body, by_token = body, by_none = body;
  by_text["stop"] = {"no such text", text};
  const HttpResult stopped = Post("/v1/completions", by_text);
  EXPECT_EQ(stopped.At("/choices/0/finish_reason"), "stop");
  EXPECT_EQ(stopped.At("/choices/0/stop_reason"), text);

  const int32_t token = Alone({1, 2, 3}, {.max_tokens = 4, .ignore_eos = true}).tokens[1].token;
  by_token["stop_token_ids"] = {token};
  EXPECT_EQ(Post("/v1/completions", by_token).At("/choices/0/stop_reason"), token);
  by_none["ignore_eos"] = false;
  by_none["logit_bias"] = {{std::to_string(*engine_->tokenizer()->eos()), 100}};
  const HttpResult end = Post("/v1/completions", by_none);
  EXPECT_EQ(end.At("/choices/0/finish_reason"), "stop");
  EXPECT_EQ(end.At("/choices/0/stop_reason"), nullptr);

  by_token["stream"] = true;
  std::vector<std::string> events = Events(Post("/v1/completions", by_token).body);
  EXPECT_EQ(Json::parse(events[events.size() - 2])["choices"][0]["stop_reason"], token);
}

TEST_F(Completions, AClientThatLeavesEndsItsRequest) {
  SlowEngine(*loop_);
  {
    RawClient client(server_->port());
    const std::string body = R"({"prompt":[1,2,3],"max_tokens":480,"ignore_eos":true,"n":8,"stream":true})";
    client.Send(
        Cat("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    EXPECT_THAT(client.ReadUntil("data: "), HasSubstr("data: "));
  }
  const auto cancelled = [&] { return loop_->stats().finished[static_cast<size_t>(FinishReason::kCancelled)]; };
  for (int i = 0; i < 2000 && cancelled() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(cancelled(), 8u);
}

TEST_F(Completions, WhatCannotBeHonouredIsNamed) {
  const auto param = [&](Json more) {
    Json body = {{"prompt", "a"}};
    body.update(more);
    const HttpResult reply = Post("/v1/completions", body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_EQ(reply.At("/error/type"), "invalid_request_error");
    return reply.At("/error/param").is_string() ? reply.At("/error/param").get<std::string>() : std::string("none");
  };
  EXPECT_EQ(param({{"temperature", "hot"}}), "temperature");
  EXPECT_EQ(param({{"temperature", -1}}), "temperature");
  EXPECT_EQ(param({{"n", 0}}), "n");
  EXPECT_EQ(param({{"n", 9223372036854775808ULL}}), "n");
  EXPECT_EQ(param({{"max_tokens", -1}}), "max_tokens");
  EXPECT_EQ(param({{"max_tokens", 1e300}}), "max_tokens");
  EXPECT_EQ(param({{"top_p", 0}}), "top_p");
  EXPECT_EQ(param({{"logit_bias", {{"277", 1}}}}), "logit_bias");
  EXPECT_EQ(param({{"logit_bias", {{"1", 101}}}}), "logit_bias");
  EXPECT_EQ(param({{"stop", 5}}), "stop");
  EXPECT_EQ(param({{"suffix", "x"}}), "suffix");
  EXPECT_EQ(param({{"stream_options", {{"include_usage", true}}}}), "stream_options");
  EXPECT_EQ(param({{"prompt", {1, 277}}}), "prompt[1]");
  EXPECT_EQ(param({{"prompt", {{1}, {2, -1}}}}), "prompt[1][1]");
  EXPECT_EQ(param({{"prompt", nullptr}}), "prompt");
  EXPECT_EQ(param({{"prompt", Json::array()}}), "prompt");
  EXPECT_EQ(param({{"priority", 1}}), "priority");
  EXPECT_EQ(param({{"allowed_token_ids", Json::array()}}), "allowed_token_ids");
  EXPECT_EQ(param({{"min_tokens", 17}}), "min_tokens");  // 16 are the most where nothing is said
  EXPECT_EQ(param({{"min_tokens", 3}, {"max_tokens", 2}}), "min_tokens");
  EXPECT_EQ(param({{"best_of", 3}}), "best_of");
}

TEST_F(Completions, APromptTheContextHasNoRoomForIsRefusedWithBothNumbers) {
  const HttpResult reply = Post("/v1/completions", {{"prompt", std::vector<int>(512, 1)}});
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.At("/error/code"), "context_length_exceeded");
  EXPECT_THAT(reply.At("/error/message").get<std::string>(), HasSubstr("512 tokens, the context of 512"));
}

TEST_F(Completions, NullIsAsIfAFieldWereNotThereAndUnknownOnesAreTold) {
  const HttpResult reply = Post("/v1/completions", {{"prompt", "a"},
                                                    {"stop", nullptr},
                                                    {"logprobs", nullptr},
                                                    {"max_tokens", nullptr},
                                                    {"frobnicate", 3},
                                                    {"b\r\nc", 1}});
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_TRUE(reply.Has("X-Octet-Ignored-Fields: frobnicate, b??c")) << reply.head;
}

}  // namespace
}  // namespace octet::serve
