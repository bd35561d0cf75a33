// The answer to one request of a connection: every call goes to the connection's strand. Internal to connection.h.
#pragma once

#include <memory>
#include <string>

#include "serve/http/answer.h"
#include "serve/http/connection.h"

namespace octet::serve {

class ConnectionAnswer : public Answer {
 public:
  ConnectionAnswer(std::shared_ptr<Connection> connection, uint64_t number)
      : connection_(std::move(connection)), number_(number) {}
  ~ConnectionAnswer() override;

  void Send(HttpReply reply) override;
  void BeginStream(HttpReply head) override;
  void Write(std::string piece) override;
  void End() override;
  void WhenGone(std::function<void()> call) override;
  void Post(std::function<void()> call) override;
  void AddToLog(Json members) override;

 private:
  std::shared_ptr<Connection> connection_;
  uint64_t number_;
};

}  // namespace octet::serve
