// What stands between the transport and those who answer: a handler gets requests, an answer takes replies.
//
//   void Handle(HttpRequest request, std::shared_ptr<Answer> answer) override {
//     answer->Send({.body = "{}\n"});                                  // at once, or later from any thread; or
//     answer->BeginStream({.content_type = "text/event-stream"});      // a body of unknown length
//     answer->Write("data: {}\n\n");
//     answer->End();
//   }
//
// Dropping an answer without Send or End closes the connection.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "serve/http/http_message.h"

namespace octet::serve {

// One request's way back to its client. All calls may come from any thread; their order is kept.
class Answer {
 public:
  virtual ~Answer() = default;

  virtual void Send(HttpReply reply) = 0;

  // The head of a body that comes in pieces; `head.body` is its first piece. While nothing is written for some seconds,
  // comments of server-sent events keep the connection from looking idle.
  virtual void BeginStream(HttpReply head) = 0;
  virtual void Write(std::string piece) = 0;
  virtual void End() = 0;

  // Calls once, on the connection's thread, when the client is gone before the reply was whole: it closed the
  // connection, or read so slowly that too much waits for it.
  virtual void WhenGone(std::function<void()> call) = 0;

  // Runs the call on the connection's thread, in order with others.
  virtual void Post(std::function<void()> call) = 0;

  // Members that the request's line in the log gets beside what the transport knows.
  virtual void AddToLog(Json members) = 0;
};

// What the log says of a request that is over.
struct Exchange {
  const HttpRequest* request = nullptr;  // without its body
  int status = 0;                        // 0: the client left before any was sent
  size_t reply_bytes = 0;
  double seconds = 0;  // from the first byte of the request to the last of the reply
  bool gone = false;   // the client left before the reply was whole
  Json more = Json::object();
};

class Handler {
 public:
  virtual ~Handler() = default;

  // Sees a request without its body; a reply refuses it before the body is read. Any of the transport's threads.
  virtual std::optional<HttpReply> Screen(const HttpRequest& head) = 0;
  virtual void Handle(HttpRequest request, std::shared_ptr<Answer> answer) = 0;

  // The reply to what is no request that could be handled: bad syntax, a limit, a time-out. Of `head` there is what had
  // been read by then.
  virtual HttpReply Refusal(const HttpRequest& head, int status, std::string_view message) = 0;
  // Headers that every reply to this request has.
  virtual void Decorate(const HttpRequest& request, HttpReply& reply) = 0;
  virtual void Finished(const Exchange& exchange) = 0;
};

}  // namespace octet::serve
