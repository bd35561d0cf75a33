// The whole server against requests that mean harm and load beyond its limits: an error each, and it goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/engine/schedule/gate.h"
#include "tests/serve/running_server.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;

class Hostile : public RunningServer {
 protected:
  // What anybody else sees meanwhile.
  void ExpectAlive() {
    EXPECT_EQ(Get("/health").status, 200);
    EXPECT_EQ(Post("/v1/completions", {{"prompt", {1, 2}}, {"max_tokens", 1}}).status, 200);
  }
  HttpResult PostText(const std::string& path, const std::string& body) {
    return Ask("POST", path, "Content-Type: application/json\r\n", body);
  }
  void ExpectRefused(const std::string& path, const std::string& body, int status = 400) {
    const HttpResult result = PostText(path, body);
    EXPECT_EQ(result.status, status) << body.substr(0, 100);
    EXPECT_TRUE(result.At("/error/message").is_string()) << result.body;
    ExpectAlive();
  }
};

TEST_F(Hostile, NestedJsonIsRefusedWhateverItsDepth) {
  Start();
  Open();
  for (const size_t depth : {100u, 10000u, 1000000u}) {
    ExpectRefused("/v1/chat/completions", "{\"messages\": " + std::string(depth, '[') + std::string(depth, ']') + "}");
    ExpectRefused("/v1/completions", "{\"a\": " + std::string(depth, '['));
    std::string objects = "{\"response_format\": ";
    for (size_t i = 0; i < depth / 10; ++i) objects += "{\"a\":";
    ExpectRefused("/v1/chat/completions", objects + "1" + std::string(depth / 10, '}') + "}");
  }
}

TEST_F(Hostile, NumbersBeyondEveryRangeAreRefused) {
  Start();
  Open();
  const char* numbers[] = {"9223372036854775808",
                           "18446744073709551616",
                           "-9223372036854775809",
                           "-1",
                           "1e400",
                           "-1e400",
                           "4294967296",
                           "1.5",
                           "NaN",
                           "Infinity",
                           "0x7f",
                           "99999999999999999999999999999999"};
  for (const std::string number : numbers) {
    ExpectRefused("/v1/completions", "{\"prompt\": [" + number + "], \"max_tokens\": 1}");
    ExpectRefused("/v1/completions", "{\"prompt\": [1], \"max_tokens\": 1, \"n\": " + number + "}");
    ExpectRefused("/detokenize", "{\"tokens\": [" + number + "]}");
    ExpectRefused("/v1/completions", "{\"prompt\": [1], \"max_tokens\": 1, \"stop_token_ids\": [" + number + "]}");
    if (number == "4294967296") continue;  // an answer of at most so many tokens is none too long: the context ends it
    ExpectRefused("/v1/completions", "{\"prompt\": [1], \"max_tokens\": " + number + "}");
  }
  for (const std::string id : {"9223372036854775808", "-1", "99999", "1e3", "", "1 "})
    ExpectRefused("/v1/completions", "{\"prompt\": [1], \"max_tokens\": 1, \"logit_bias\": {\"" + id + "\": 1}}");
}

TEST_F(Hostile, BytesThatAreNoTextAreRefused) {
  Start();
  Open();
  const std::string texts[] = {"\xff\xfe", "\xc0\xaf",           "\xed\xa0\x80", "\xf4\x90\x80\x80",
                               "\xe2\x82", std::string(1, '\0'), "\x1b[2J"};
  for (const std::string& text : texts)
    ExpectRefused("/v1/completions", "{\"prompt\": \"a" + text + "\", \"max_tokens\": 1}");
  ExpectRefused("/v1/completions", "{\"prompt\": \"\\ud800\", \"max_tokens\": 1}");  // half of a pair
  ExpectRefused("/v1/completions", "\xef\xbb\xbf\xef\xbb\xbf{}");
  // In a header it is a client's own business, but no line of the log may break.
  RawClient client(server_->port());
  client.Send("GET /health?\xff HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: \xff\xfe\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), testing::StartsWith("HTTP/1.1 "));
  ExpectAlive();
  for (const Json& line : log()) EXPECT_NO_THROW(line.dump());
}

TEST_F(Hostile, ClientsThatDripTheirRequestsHoldNobodyUp) {
  http_.header_seconds = 0.5;
  Start();
  Open();
  std::atomic<int> timed_out{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 60; ++i) {
    threads.emplace_back([this, &timed_out] {
      RawClient client(server_->port());
      client.Send("POST /v1/completions HTTP/1.1\r\nX: ");
      for (int byte = 0; byte < 100 && client.Send("a"); ++byte) {
        const std::string reply = client.ReadUntil({}, 0.05);
        if (reply.empty()) continue;
        timed_out += reply.starts_with("HTTP/1.1 408 ") ? 1 : 0;
        break;
      }
    });
  }
  ExpectAlive();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(timed_out, 60);
  ExpectAlive();
}

TEST_F(Hostile, MoreThanTheQueueHoldsIsToldWhenToComeAgainAndEveryoneIsAnswered) {
  Start({}, {.max_running = 2, .max_waiting = 4});
  Open();
  Gate gate;
  ASSERT_TRUE(loop_->Submit({.request = {.prompt = {1}, .options = {.max_tokens = 1}}}, gate.ear()).has_value());
  gate.WaitUntilReached();  // nobody leaves the queue before all have come
  constexpr int kClients = 40;
  std::atomic<int> answered{0}, refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([this, i, &answered, &refused] {
      const Json body = {{"prompt", {1 + i, 2, 3}}, {"max_tokens", 60}, {"ignore_eos", true}, {"stream", i % 2 == 0}};
      const HttpResult result = Post("/v1/completions", body);
      const bool whole = i % 2 != 0 || result.body.ends_with("data: [DONE]\n\n");
      if (result.status == 200 && whole) ++answered;
      if (result.status == 503 && result.At("/error/code") == "queue_full" &&
          result.head.find("Retry-After: ") != std::string::npos)
        ++refused;
    });
  }
  for (int i = 0; i < 10000 && refused < kClients - 4; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(refused, kClients - 4);
  gate.Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 4);
  ExpectAlive();
}

TEST_F(Hostile, HundredsOfStreamsAtOnceAllEnd) {
  Start({}, {.max_running = 32, .max_waiting = 600});
  Open();
  constexpr int kStreams = 300;
  const std::string body = R"({"prompt": [1, 2, 3], "max_tokens": 16, "ignore_eos": true, "stream": true})";
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < kStreams; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    clients.back()->Send(
        Cat("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
            "application/json\r\nContent-Length: ",
            body.size(), "\r\n\r\n", body));
  }
  for (int i = 0; i < kStreams; i += 7) clients[static_cast<size_t>(i)]->Close();  // some leave
  for (int i = 0; i < kStreams; ++i) {
    if (i % 7 == 0) continue;
    EXPECT_THAT(clients[static_cast<size_t>(i)]->ReadAll(), HasSubstr("data: [DONE]\n\n")) << i;
  }
  EXPECT_EQ(loop_->stats().running + loop_->stats().waiting, 0u);
  clients.clear();
  ExpectAlive();
}

}  // namespace
}  // namespace octet::serve
