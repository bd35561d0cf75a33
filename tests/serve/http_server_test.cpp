// The transport against clients that behave, and those that don't.
#include "serve/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "base/cat.h"
#include "tests/serve/raw_client.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Echoes bodies; /hold waits until it is told, /stream writes pieces, /flood writes without end.
class EchoHandler : public Handler {
 public:
  std::optional<HttpReply> Screen(const HttpRequest& head) override {
    if (head.path == "/refused") return Refusal(head, 401, "no");
    return std::nullopt;
  }
  void Handle(HttpRequest request, std::shared_ptr<Answer> answer) override {
    {
      const std::lock_guard lock(mutex_);
      ++handled_;
    }
    if (request.path == "/stream") {
      answer->BeginStream({.content_type = "text/event-stream", .body = "one"});
      answer->Write("two");
      return answer->End();
    }
    if (request.path == "/drop") return;
    if (request.path == "/hold" || request.path == "/flood") {
      answer->WhenGone([this] {
        const std::lock_guard lock(mutex_);
        ++gone_;
        changed_.notify_all();
      });
      if (request.path == "/flood") {
        answer->BeginStream({.content_type = "text/event-stream"});
        for (int i = 0; i < 4000; ++i) answer->Write(std::string(4096, 'x'));
      }
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(answer));
      changed_.notify_all();
      return;
    }
    answer->Send({.content_type = "text/plain", .body = Cat(request.method, " ", request.path, " ", request.body)});
  }
  HttpReply Refusal(const HttpRequest&, int status, std::string_view message) override {
    return {.status = status, .content_type = "text/plain", .body = std::string(message)};
  }
  void Decorate(const HttpRequest&, HttpReply& reply) override { reply.headers.push_back({"X-Decorated", "yes"}); }
  void Finished(const Exchange& exchange) override {
    const std::lock_guard lock(mutex_);
    statuses_.push_back(exchange.status);
  }

  bool AwaitGone(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return gone_ >= count; });
  }
  std::shared_ptr<Answer> AwaitHeld() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return !held_.empty(); });
    if (held_.empty()) return nullptr;
    std::shared_ptr<Answer> answer = held_.back();
    held_.pop_back();
    return answer;
  }
  void DropHeld() {
    const std::lock_guard lock(mutex_);
    held_.clear();
  }
  int handled() {
    const std::lock_guard lock(mutex_);
    return handled_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int handled_ = 0, gone_ = 0;
  std::vector<std::shared_ptr<Answer>> held_;
  std::vector<int> statuses_;
};

class HttpServerTest : public testing::Test {
 protected:
  void Serve(HttpOptions options = {}) {
    options.port = 0;
    Result<std::unique_ptr<HttpServer>> server = HttpServer::Listen(options, handler_);
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
    server_->Start();
  }
  void TearDown() override {
    handler_.DropHeld();
    if (server_) server_->Stop();
  }
  std::string Ask(std::string_view bytes) {
    RawClient client(server_->port());
    client.Send(bytes);
    return client.ReadAll();
  }

  EchoHandler handler_;
  std::unique_ptr<HttpServer> server_;
};

constexpr std::string_view kEnd = "Host: localhost\r\nConnection: close\r\n\r\n";

TEST_F(HttpServerTest, ARequestIsAnsweredWithItsIdAndTheHeadersOfAll) {
  Serve();
  const std::string reply =
      Ask("POST /a?b=c HTTP/1.1\r\nX-Request-Id: my-1\r\nContent-Length: 3\r\n" + std::string(kEnd) + "abc");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("X-Request-Id: my-1\r\n"));
  EXPECT_THAT(reply, HasSubstr("X-Decorated: yes\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\n\r\nPOST /a abc"));
}

TEST_F(HttpServerTest, AnIdThatWouldSplitALogLineIsReplaced) {
  Serve();
  const std::string reply = Ask("GET / HTTP/1.1\r\nX-Request-Id: a b\"c\r\n" + std::string(kEnd));
  EXPECT_THAT(reply, HasSubstr("X-Request-Id: req-"));
  EXPECT_THAT(reply, Not(HasSubstr("a b")));
}

TEST_F(HttpServerTest, RequestsThatComeTogetherAreAnsweredInTheirOrder) {
  Serve();
  const std::string reply = Ask(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\n" + std::string(kEnd));
  const size_t one = reply.find("GET /1"), two = reply.find("GET /2"), three = reply.find("GET /3");
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
  EXPECT_NE(three, std::string::npos);
}

TEST_F(HttpServerTest, AStreamComesInChunksAndForOldClientsUpToTheEndOfTheConnection) {
  Serve();
  const std::string chunked = Ask("GET /stream HTTP/1.1\r\n" + std::string(kEnd));
  EXPECT_THAT(chunked, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(chunked, HasSubstr("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
  const std::string plain = Ask("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_THAT(plain, Not(HasSubstr("chunked")));
  EXPECT_THAT(plain, HasSubstr("\r\n\r\nonetwo"));
}

TEST_F(HttpServerTest, AHeadRequestGetsNoBody) {
  Serve();
  const std::string reply = Ask("HEAD /a HTTP/1.1\r\n" + std::string(kEnd));
  EXPECT_THAT(reply, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_TRUE(reply.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, AClientThatWaitsForLeaveToSendItsBodyGetsIt) {
  Serve();
  RawClient client(server_->port());
  client.Send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + std::string(kEnd));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue\r\n"));
  client.Send("ok");
  EXPECT_THAT(client.ReadAll(), HasSubstr("POST / ok"));
}

TEST_F(HttpServerTest, ARefusalComesBeforeTheBodyIsRead) {
  Serve();
  RawClient client(server_->port());
  client.Send("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\nno"), StartsWith("HTTP/1.1 401 "));
  EXPECT_EQ(handler_.handled(), 0);
}

TEST_F(HttpServerTest, TooManyAndTooLongHeadersAre431) {
  Serve();
  std::string many = "GET / HTTP/1.1\r\n", ten_thousand = many, one_long = many;
  for (int i = 0; i < 200; ++i) many += Cat("A", i, ": b\r\n");
  for (int i = 0; i < 10000; ++i) ten_thousand += Cat("A", i, ": b\r\n");
  one_long += "A: " + std::string(100000, 'b') + "\r\n";
  EXPECT_THAT(Ask(many + std::string(kEnd)), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask(ten_thousand + std::string(kEnd)), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask(one_long + std::string(kEnd)), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\n" + std::string(kEnd)), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ABodyBeyondTheLimitIs413WhetherItsLengthIsToldOrNot) {
  HttpOptions options;
  options.body_bytes = 1000;
  Serve(options);
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nContent-Length: 1001\r\n" + std::string(kEnd)), StartsWith("HTTP/1.1 413 "));
  std::string chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + std::string(kEnd);
  for (int i = 0; i < 20; ++i) chunks += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_THAT(Ask(chunks + "0\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + std::string(kEnd) + "FFFFFFFFFFFFFFFF\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(handler_.handled(), 0);
}

TEST_F(HttpServerTest, WhatAProxyCouldReadInAnotherWayIsRefused) {
  Serve();
  const std::string end(kEnd);
  for (const char* head :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: -1\r\n", "Content-Length: +5\r\n",
        "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length : 5\r\n", "Host: other\r\n"}) {
    const std::string reply = Ask(Cat("POST / HTTP/1.1\r\n", head, end, "0\r\n\r\n"));
    EXPECT_THAT(reply, testing::AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 413 "))) << head << reply;
  }
  EXPECT_THAT(Ask("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + end + "-5\r\nhello\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  for (const char* target :
       {"ftp://other/", "http://", "http:///path", "http://me@other/", "http", "other", "*", "://a/"})
    EXPECT_THAT(Ask(Cat("GET ", target, " HTTP/1.1\r\n", end)), StartsWith("HTTP/1.1 400 ")) << target;
  EXPECT_THAT(Ask("GET http://other/ HTTP/1.1\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(handler_.handled(), 0);
}

TEST_F(HttpServerTest, AWholeAddressIsAskedForItsPath) {
  Serve();
  const std::pair<const char*, const char*> paths[] = {{"http://other/one/two", "GET /one/two "},
                                                       {"HTTPS://other:8080", "GET / "},
                                                       {"http://other?a=b", "GET / "},
                                                       {"http://other/a?b=http://c/d", "GET /a "},
                                                       {"/a?b=http://c/d", "GET /a "},
                                                       {"/http://c/d", "GET /http://c/d "}};
  for (const auto& [target, path] : paths)
    EXPECT_THAT(Ask(Cat("GET ", target, " HTTP/1.1\r\n", kEnd)), testing::EndsWith(path)) << target;
  EXPECT_THAT(Ask("GET http://other/old HTTP/1.0\r\n\r\n"), testing::EndsWith("GET /old "));
}

TEST_F(HttpServerTest, ARequestThatComesTooSlowlyIs408) {
  HttpOptions options;
  options.header_seconds = 0.2;
  options.body_seconds = 0.2;
  Serve(options);
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost:"), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, AConnectionWithoutRequestsIsClosedInSilence) {
  HttpOptions options;
  options.idle_seconds = 0.2;
  Serve(options);
  RawClient client(server_->port());
  EXPECT_EQ(client.ReadAll(), "");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, OneConnectionTooManyIsTold503) {
  HttpOptions options;
  options.connections = 2;
  Serve(options);
  RawClient first(server_->port()), second(server_->port());
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  first.Send(get);
  second.Send(get);
  EXPECT_THAT(first.ReadUntil("GET / "), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(second.ReadUntil("GET / "), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Ask(get), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpServerTest, AClientThatLeavesIsNoticedAlsoWhenItSentMore) {
  Serve();
  {
    RawClient client(server_->port());
    client.Send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_NE(handler_.AwaitHeld(), nullptr);
  }
  EXPECT_TRUE(handler_.AwaitGone(1));
  {
    RawClient client(server_->port());
    client.Send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::shared_ptr<Answer> held = handler_.AwaitHeld();
    client.Send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    client.Close();
    EXPECT_TRUE(handler_.AwaitGone(2));
  }
}

TEST_F(HttpServerTest, AClientThatDoesNotReadItsStreamIsDropped) {
  Serve();
  RawClient client(server_->port());
  client.Send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(handler_.AwaitGone(1));
}

TEST_F(HttpServerTest, ADroppedAnswerClosesTheConnection) {
  Serve();
  EXPECT_EQ(Ask("GET /drop HTTP/1.1\r\nHost: a\r\n\r\n"), "");
}

TEST_F(HttpServerTest, ASilentStreamIsKeptOpenByComments) {
  HttpOptions options;
  options.ping_seconds = 0.1;
  Serve(options);
  RawClient client(server_->port());
  client.Send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::shared_ptr<Answer> answer = handler_.AwaitHeld();
  ASSERT_NE(answer, nullptr);
  answer->BeginStream({.content_type = "text/event-stream"});
  EXPECT_THAT(client.ReadUntil(": still working\n\n"), HasSubstr(": still working\n\n"));
  answer->End();
  EXPECT_THAT(client.ReadUntil("0\r\n\r\n"), HasSubstr("0\r\n\r\n"));
}

TEST_F(HttpServerTest, StoppingLetsARunningReplyEnd) {
  Serve();
  RawClient client(server_->port());
  client.Send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::shared_ptr<Answer> answer = handler_.AwaitHeld();
  ASSERT_NE(answer, nullptr);
  answer->Send({.body = "whole"});
  server_->Stop(/*seconds=*/20);
  const std::string reply = client.ReadAll();
  EXPECT_TRUE(reply.ends_with("whole")) << reply;
}

TEST(HttpServer, APortThatIsTakenIsNamed) {
  EchoHandler handler;
  const Result<std::unique_ptr<HttpServer>> first = HttpServer::Listen({.port = 0}, handler);
  ASSERT_TRUE(first.has_value());
  HttpOptions options;
  options.port = (*first)->port();
  const Result<std::unique_ptr<HttpServer>> second = HttpServer::Listen(options, handler);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr(Cat("port ", options.port)));
  options.host = "example.org";
  EXPECT_THAT(HttpServer::Listen(options, handler).error().message, HasSubstr("no numeric address"));
}

}  // namespace
}  // namespace octet::serve
