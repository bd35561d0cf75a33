// Routes, access and operation of a running server.
#include "serve/service.h"

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "tests/serve/running_server.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kKey = "0123456789abcdef0123";

class ServiceTest : public RunningServer {};

TEST_F(ServiceTest, SaysThatTheModelIsLoadingUntilItIsThere) {
  Start();
  EXPECT_EQ(Get("/health").status, 503);
  EXPECT_EQ(Get("/health").At("/error/message"), "Loading model");
  EXPECT_EQ(Get("/ready").At("/status"), "loading");
  const HttpResult early = Post("/v1/completions", {{"prompt", "a"}});
  EXPECT_EQ(early.status, 503);
  EXPECT_TRUE(early.Has("Retry-After: 1")) << early.head;
  Open();
  EXPECT_EQ(Get("/health").body, "{\"status\":\"ok\"}\n");
  EXPECT_EQ(Get("/ready").status, 200);
}

TEST_F(ServiceTest, ListsTheModelByAllItsNames) {
  Start();
  Open();
  const HttpResult list = Get("/v1/models");
  EXPECT_EQ(list.At("/object"), "list");
  EXPECT_EQ(list.At("/data/0/id"), "tiny");
  EXPECT_EQ(list.At("/data/0/max_model_len"), 512);
  EXPECT_EQ(list.At("/data/1/id"), "other");
  EXPECT_EQ(Get("/v1/models/other").At("/id"), "other");
  EXPECT_EQ(Get("/v1/models/oth%65r").At("/id"), "other");
  EXPECT_EQ(Get("/v1/models/other%2").status, 404);
  EXPECT_EQ(Get("/v1/models/none").status, 404);
  const HttpResult none = Post("/v1/completions", {{"model", "none"}, {"prompt", "a"}});
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.At("/error/code"), "model_not_found");
}

TEST_F(ServiceTest, UnknownPathsAndMethodsAreTold) {
  Start();
  Open();
  EXPECT_EQ(Get("/v1/nothing").status, 404);
  EXPECT_EQ(Get("/../../etc/passwd").status, 404);
  EXPECT_EQ(Get("/v1/models/../../etc/passwd").status, 404);
  EXPECT_EQ(Get("/%2e%2e/etc/passwd").status, 404);
  const HttpResult wrong = Get("/v1/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_TRUE(wrong.Has("Allow: POST")) << wrong.head;
}

TEST_F(ServiceTest, OnlyHealthIsAnsweredWithoutAKey) {
  ServiceOptions options;
  options.keys = *ApiKeys::Parse(Cat("alice:", kKey, "\n"), "keys");
  Start(std::move(options));
  Open();
  EXPECT_EQ(Get("/health").status, 200);
  EXPECT_EQ(Get("/ready").status, 200);
  for (const char* path : {"/v1/models", "/metrics", "/tokenizer_info", "/version", "/load", "/nothing"}) {
    const HttpResult reply = Get(path);
    EXPECT_EQ(reply.status, 401) << path;
    EXPECT_EQ(reply.At("/error/code"), "invalid_api_key") << path;
  }
  EXPECT_EQ(Post("/v1/completions", {{"prompt", "a"}}).status, 401);
  EXPECT_EQ(Post("/tokenize", {{"prompt", "a"}}, "Authorization: Bearer wrong\r\n").status, 401);
  EXPECT_EQ(Post("/tokenize", {{"prompt", "a"}}, Cat("Authorization: Bearer ", kKey, "\r\n")).status, 200);
  EXPECT_EQ(Post("/tokenize", {{"prompt", "a"}}, Cat("X-Api-Key: ", kKey, "\r\n")).status, 200);
}

TEST_F(ServiceTest, APageOfAnotherSiteMayNotAsk) {
  Start();
  Open();
  const std::string json = "Content-Type: application/json\r\n";
  EXPECT_EQ(Ask("POST", "/tokenize", json + "Origin: https://evil.example\r\n", R"({"prompt":"a"})").status, 403);
  EXPECT_EQ(Ask("POST", "/tokenize", json + "Origin: http://localhost\r\n", R"({"prompt":"a"})").status, 200);
  EXPECT_EQ(Ask("POST", "/tokenize", "Content-Type: text/plain\r\n", R"({"prompt":"a"})").status, 415);
  EXPECT_THAT(Ask("GET", "/v1/models", "Origin: https://evil.example\r\n").head, Not(HasSubstr("Access-Control")));
  RawClient rebound(server_->port());
  rebound.Send("GET /v1/models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(Parse(rebound.ReadAll()).status, 403);
  // The target's host counts, not the header's.
  EXPECT_EQ(Ask("GET", "http://evil.example/v1/models").status, 403);
  EXPECT_EQ(Ask("GET", "http://localhost/v1/models").status, 200);
}

TEST_F(ServiceTest, ANamedOriginMayAsk) {
  ServiceOptions options;
  options.cors_origins = {"https://good.example"};
  Start(std::move(options));
  Open();
  const std::string origin = "Origin: https://good.example\r\n";
  const HttpResult preflight = Ask("OPTIONS", "/v1/chat/completions", origin);
  EXPECT_EQ(preflight.status, 200);
  EXPECT_TRUE(preflight.Has("Access-Control-Allow-Origin: https://good.example")) << preflight.head;
  EXPECT_TRUE(Ask("POST", "/tokenize", origin + "Content-Type: application/json\r\n", R"({"prompt":"a"})")
                  .Has("Access-Control-Allow-Origin: https://good.example"));
  EXPECT_EQ(Ask("OPTIONS", "/v1/models", "Origin: https://evil.example\r\n").status, 403);
  // Clients for browsers send headers of their own, which the browser asks about before.
  const std::string asked = "authorization, anthropic-version, x-stainless-os";
  EXPECT_TRUE(Ask("OPTIONS", "/v1/messages", Cat(origin, "Access-Control-Request-Headers: ", asked, "\r\n"))
                  .Has(Cat("Access-Control-Allow-Headers: ", asked)));
  for (const char* odd : {"a: b", "a\tb", "x\xff"}) {
    const HttpResult reply =
        Ask("OPTIONS", "/v1/messages", Cat(origin, "Access-Control-Request-Headers: ", odd, "\r\n"));
    EXPECT_THAT(reply.head, HasSubstr("Access-Control-Allow-Headers: Authorization, Content-Type, ")) << odd;
  }
  EXPECT_THAT(preflight.head, HasSubstr("X-Request-Timeout"));
}

TEST_F(ServiceTest, RefusalsOfMessagesHaveAnthropicsShapeWhateverTheyAreFor) {
  http_.body_bytes = 100;
  ServiceOptions options;
  options.keys = *ApiKeys::Parse(kKey, "keys");
  Start(std::move(options));
  const std::string key = Cat("X-Api-Key: ", kKey, "\r\n");
  const auto type = [](const HttpResult& reply) { return reply.At("/type") == "error" ? reply.At("/error/type") : ""; };
  EXPECT_EQ(type(Post("/v1/messages", {{"model", "tiny"}}, key)), "overloaded_error");  // the model isn't there yet
  Open();
  EXPECT_EQ(type(Post("/v1/messages", {{"model", "tiny"}})), "authentication_error");
  EXPECT_EQ(type(Post("/v1/messages", {{"model", std::string(200, 'm')}}, key)), "request_too_large");
  EXPECT_EQ(type(Post("/v1/messages", {{"model", "none"}}, key)), "not_found_error");
  EXPECT_EQ(type(Ask("GET", "/v1/messages", key)), "invalid_request_error");
  EXPECT_EQ(type(Post("/v1/messages", {{"model", "tiny"}}, key + "Origin: http://evil.example\r\n")),
            "permission_error");
  EXPECT_EQ(Post("/v1/completions", {{"model", "tiny"}}).At("/error/code"), "invalid_api_key");
}

// How quickly a prompt is read would tell of others' requests.
TEST_F(ServiceTest, KeysShareNoPrefixes) {
  ServiceOptions options;
  const std::string other = "fedcba98765432100000";
  options.keys = *ApiKeys::Parse(Cat("alice:", kKey, "\nbob:", other, "\n"), "keys");
  Start(std::move(options));
  Open();
  std::vector<int> prompt;
  for (int i = 0; i < 80; ++i) prompt.push_back(i % 50 + 1);
  const auto cached = [&](const std::string& key) {
    const HttpResult reply =
        Post("/v1/completions", {{"prompt", prompt}, {"max_tokens", 1}}, Cat("X-Api-Key: ", key, "\r\n"));
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.At("/usage/prompt_tokens_details/cached_tokens");
  };
  EXPECT_EQ(cached(kKey), 0);
  EXPECT_GT(cached(kKey), 0);
  EXPECT_EQ(cached(other), 0);
  EXPECT_GT(cached(other), 0);
}

TEST_F(ServiceTest, AnthropicsMessagesCountCachedTokensApartAndThinkNot) {
  Start();
  Open();
  Json body = {
      {"model", "tiny"},
      {"max_tokens", 1},
      {"messages", {{{"role", "user"}, {"content", std::string(60, 'a') + " and so on, and so on, and so on"}}}}};
  const auto count = [](const HttpResult& reply, const char* name) {
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.At(Cat("/usage/", name)).get<int>();
  };
  const int prompt = count(Post("/v1/messages", body), "input_tokens");
  const HttpResult again = Post("/v1/messages", body);
  const int cached = count(again, "cache_read_input_tokens");
  EXPECT_GT(cached, 0);
  EXPECT_EQ(count(again, "input_tokens") + cached, prompt);
  body["thinking"] = {{"type", "enabled"}, {"budget_tokens", 1024}};
  EXPECT_THAT(Post("/v1/messages", body).body, HasSubstr("thinking"));
  body["thinking"] = {{"type", "disabled"}};
  EXPECT_EQ(Post("/v1/messages", body).status, 200);
}

TEST_F(ServiceTest, ATimeThatIsNoneIsRefused) {
  Start();
  Open();
  for (const char* wrong : {"0", "-1", "1s", "nan", "1e6", "later"}) {
    const HttpResult reply = Post("/tokenize", {{"prompt", "a"}}, Cat("X-Request-Timeout: ", wrong, "\r\n"));
    EXPECT_EQ(reply.status, 400) << wrong;
    EXPECT_THAT(reply.body, HasSubstr(Cat("X-Request-Timeout is `", wrong, "`"))) << wrong;
  }
  EXPECT_EQ(Post("/tokenize", {{"prompt", "a"}}, "X-Request-Timeout: 2.5\r\n").status, 200);
}

TEST_F(ServiceTest, WhatIsNoHttpHasAnIdAndIsLoggedWithItsClient) {
  Start();
  Open();
  RawClient client(server_->port());
  client.Send("\x16\x03\x01 no HTTP\r\n\r\n");
  const HttpResult reply = Parse(client.ReadAll());
  EXPECT_EQ(reply.status, 400);
  ASSERT_EQ(log().size(), 1u);
  EXPECT_EQ(log()[0]["client"], "127.0.0.1");
  EXPECT_THAT(reply.head, HasSubstr(Cat("X-Request-Id: ", log()[0]["request_id"].get<std::string>(), "\r\n")));
  EXPECT_THAT(log()[0]["request_id"].get<std::string>(), testing::StartsWith("req-"));
}

TEST_F(ServiceTest, TokensGoBothWaysInBothSpellings) {
  Start();
  Open();
  const HttpResult there = Post("/tokenize", {{"prompt", "the cat"}, {"return_token_strs", true}});
  ASSERT_EQ(there.status, 200) << there.body;
  EXPECT_EQ(there.At("/count"), there.At("/tokens").size());
  EXPECT_EQ(there.At("/token_strs").size(), there.At("/tokens").size());
  const HttpResult back = Post("/detokenize", {{"tokens", there.At("/tokens")}});
  EXPECT_EQ(back.At("/prompt"), "the cat");
  EXPECT_EQ(back.At("/content"), "the cat");
  const HttpResult pieces = Post("/tokenize", {{"content", "the cat"}, {"with_pieces", true}});
  EXPECT_TRUE(pieces.At("/tokens/0/piece").is_string()) << pieces.body;
  EXPECT_EQ(Post("/tokenize", Json::object()).At("/error/param"), "prompt");
  EXPECT_EQ(Post("/detokenize", {{"tokens", {9999}}}).At("/error/param"), "tokens[0]");
  EXPECT_EQ(Get("/tokenizer_info").At("/eos_token"), engine_->tokenizer()->TokenText(*engine_->tokenizer()->eos()));
}

TEST_F(ServiceTest, MetricsHaveVllmsNames) {
  Start();
  Open();
  Post("/v1/completions", {{"prompt", {1, 2, 3}}, {"max_tokens", 5}, {"ignore_eos", true}});
  // The engine's figures are told behind its step, which may be after the answer has gone.
  const char* generated = "vllm:generation_tokens_total{model_name=\"tiny\",engine=\"0\"} 5";
  std::string text = Get("/metrics").body;
  for (int i = 0; i < 1000 && text.find(generated) == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    text = Get("/metrics").body;
  }
  for (const char* name : {"vllm:num_requests_running",
                           "vllm:num_requests_waiting",
                           "vllm:kv_cache_usage_perc",
                           "vllm:prefix_cache_queries_total",
                           "vllm:prefix_cache_hits_total",
                           "vllm:num_preemptions_total",
                           "vllm:e2e_request_latency_seconds_bucket",
                           "vllm:time_to_first_token_seconds_bucket",
                           "vllm:inter_token_latency_seconds_count",
                           "vllm:request_queue_time_seconds_sum",
                           "vllm:iteration_tokens_total_bucket",
                           "vllm:spec_decode_num_drafts_total",
                           "vllm:spec_decode_num_draft_tokens_total",
                           "vllm:spec_decode_num_accepted_tokens_total",
                           "vllm:request_inference_time_seconds_bucket",
                           "vllm:request_params_max_tokens_bucket",
                           "vllm:request_max_num_generation_tokens_bucket",
                           "octet_http_requests_total",
                           "process_resident_memory_bytes",
                           "process_cpu_seconds_total",
                           "process_start_time_seconds",
                           "process_open_fds",
                           "process_max_fds",
                           "process_virtual_memory_bytes"})
    EXPECT_THAT(text, HasSubstr(Cat("\n", name, "{")));
  EXPECT_THAT(text, HasSubstr(generated));
  EXPECT_THAT(text, HasSubstr("vllm:prompt_tokens_total{model_name=\"tiny\",engine=\"0\"} 3"));
  EXPECT_THAT(text, HasSubstr("vllm:request_params_max_tokens_sum{model_name=\"tiny\",engine=\"0\"} 5"));
  EXPECT_THAT(text, HasSubstr(Cat("vllm:cache_config_info{model_name=\"tiny\",engine=\"0\",block_size=\"32\",",
                                  "num_gpu_blocks=\"", loop_->stats().pages, "\",enable_prefix_caching=\"True\"} 1")));
  EXPECT_THAT(text, HasSubstr("path=\"/v1/completions\",status=\"200\"} 1"));
}

TEST_F(ServiceTest, EveryRequestIsLoggedWithItsIdAndWhatItTook) {
  Start();
  Open();
  Post("/v1/completions", {{"prompt", {1, 2, 3}}, {"max_tokens", 5}, {"ignore_eos", true}}, "X-Request-Id: mine\r\n");
  ASSERT_EQ(log().size(), 1u);
  const Json line = log()[0];
  EXPECT_EQ(line["request_id"], "mine");
  EXPECT_EQ(line["path"], "/v1/completions");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["prompt_tokens"], 3);
  EXPECT_EQ(line["generated_tokens"], 5);
  EXPECT_EQ(line["finish_reason"], "length");
}

TEST_F(ServiceTest, WhileDrainingAcceptedRequestsEndAndNewOnesGet503) {
  Start();
  Open();
  RawClient client(server_->port());
  const std::string body = R"({"prompt":[1,2,3],"max_tokens":200,"ignore_eos":true,"stream":true})";
  client.Send(
      Cat("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  client.ReadUntil("data: ");
  service_->Drain();
  EXPECT_EQ(Get("/ready").status, 503);
  EXPECT_EQ(Post("/v1/completions", {{"prompt", "a"}}).status, 503);
  EXPECT_TRUE(loop_->Drain());
  EXPECT_THAT(client.ReadUntil("[DONE]"), HasSubstr("[DONE]"));
}

TEST_F(ServiceTest, WhatADrainDoesntWaitForIsToldToItsClients) {
  Start();
  Open();
  SlowEngine(*loop_);
  const auto ask = [](RawClient& client, const std::string& more) {
    const std::string body = R"({"prompt":[1,2,3],"max_tokens":500,"n":8,"ignore_eos":true)" + more + "}";
    client.Send(
        Cat("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  };
  RawClient streamed(server_->port()), whole(server_->port()), queued(server_->port());
  ask(streamed, R"(,"stream":true)");
  streamed.ReadUntil("data: ");
  for (RawClient* client : {&whole, &queued}) ask(*client, {});
  for (int i = 0; i < 2000 && loop_->stats().requests < 4; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  service_->Drain();
  EXPECT_FALSE(service_->models().Drain(std::chrono::steady_clock::now()));
  service_->models().CancelAll();
  EXPECT_TRUE(service_->models().Drain(std::chrono::steady_clock::now() + std::chrono::seconds(20)));
  const std::string rest = streamed.ReadUntil("[DONE]");
  EXPECT_THAT(rest, HasSubstr("the server ended before the answer was whole"));
  EXPECT_THAT(rest, HasSubstr("[DONE]"));
  for (RawClient* client : {&whole, &queued}) {
    const HttpResult reply = Parse(client->ReadUntil("}}\n"));
    EXPECT_EQ(reply.status, 503);
    EXPECT_TRUE(reply.Has("Retry-After: 1"));
  }
}

TEST_F(ServiceTest, ABodyThatIsNoRequestIsRefused) {
  Start();
  Open();
  const std::string json = "Content-Type: application/json\r\n";
  const auto status = [&](const std::string& body) { return Ask("POST", "/v1/completions", json, body).status; };
  EXPECT_EQ(status(""), 400);
  EXPECT_EQ(status("[]"), 400);
  EXPECT_EQ(status("{\"prompt\":\"a\"} x"), 400);
  EXPECT_EQ(status("{\"prompt\":\"\xff\"}"), 400);
  EXPECT_EQ(status("{\"prompt\":\"\\ud800\"}"), 400);
  EXPECT_EQ(status("{\"prompt\":" + std::string(100, '[') + std::string(100, ']') + "}"), 400);
  EXPECT_EQ(status("{\"prompt\":" + std::string(100000, '[')), 400);
  EXPECT_EQ(status(R"({"prompt":"a","n":9223372036854775808})"), 400);
  EXPECT_EQ(status(R"({"prompt":"a","max_tokens":1e999})"), 400);
  EXPECT_EQ(status(R"({"prompt":"a","max_tokens":1})"), 200);
}

TEST_F(ServiceTest, StrictFieldsAreRefused) {
  ServiceOptions options;
  options.strict_fields = true;
  Start(std::move(options));
  Open();
  EXPECT_EQ(Post("/v1/completions", {{"prompt", "a"}, {"frobnicate", 3}}).At("/error/param"), "frobnicate");
}

TEST_F(ServiceTest, ARequestWhoseTimeIsOverIs504) {
  ServiceOptions options;
  options.request_seconds = 1e-6;
  Start(std::move(options));
  Open();
  const HttpResult reply = Post("/v1/completions", {{"prompt", {1, 2}}, {"max_tokens", 400}, {"ignore_eos", true}});
  EXPECT_EQ(reply.status, 504) << reply.body;
  EXPECT_EQ(reply.At("/error/type"), "timeout_error");
}

TEST(ApiKeys, AreFoundByNameAndNeverBecauseOfABeginning) {
  const ApiKeys keys = *ApiKeys::Parse("# team\n\nalice: 0123456789abcdef\nfedcba9876543210\r\n", "keys");
  EXPECT_EQ(*keys.Find("0123456789abcdef"), "alice");
  EXPECT_EQ(*keys.Find("fedcba9876543210"), "key2");
  for (const char* wrong :
       {"", "0123456789abcde", "0123456789abcdef0", "0123456789abcdef0123456789abcdef", "0123456789abcdeF"})
    EXPECT_EQ(keys.Find(wrong), nullptr) << wrong;
  EXPECT_FALSE(SameSecret("", ""));
  const auto error = ApiKeys::Parse("ok:0123456789abcdef\nshort\n", "keys.txt").error();
  EXPECT_THAT(error.message, HasSubstr("keys.txt:2: a key has 16 to 512"));
  EXPECT_THAT(error.message, Not(HasSubstr("short")));
}

}  // namespace
}  // namespace octet::serve
