// One client's connection: requests read one after the other, each handed over and its reply written before the next.
// Internal to http_server.h.
//
// Everything but the calls named so runs on the connection's strand.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "serve/http/answer.h"
#include "serve/http/byte_stream.h"
#include "serve/http/http_server.h"

namespace octet::serve {

// What connections and the server that owns them share.
struct ConnectionScope {
  const HttpOptions& options;
  Handler& handler;
  TlsContext* tls = nullptr;  // null: plain HTTP
  std::atomic<size_t> open{0};
  std::atomic<bool> closing{false};  // no further request is read
  std::atomic<bool> stopped{false};  // no thread runs any more: calls would wait for ever
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = ByteStream::Socket;

  Connection(Socket socket, ConnectionScope& scope);
  ~Connection();

  // Reads requests, or refuses all of them where there are too many connections. Any thread.
  void Start(bool refuse);
  // Closes it unless a request is under way, which then is the last. Any thread.
  void CloseWhenIdle();

 private:
  friend class ConnectionAnswer;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class Phase { kIdle, kHeader, kBody, kHandling, kClosed };

  // Reading: connection.cpp.
  void ShakeHands();
  void AwaitRequest();
  void AwaitBytes();
  void ReadHeader();
  void HeaderRead(boost::system::error_code error);
  void ReadBody();
  void BodyRead(boost::system::error_code error);
  std::optional<HttpReply> TakeHead();
  HttpReply BodyTooLong();
  void ReadFailed(boost::system::error_code error);
  void Refuse(HttpReply reply);
  void SetDeadline(double seconds, void (Connection::*expired)());
  void ReadTooLong();
  void WatchPeer();
  void LookAtPeer(bool readable);

  // Writing: connection_write.cpp. `number` is the request's; what comes for another is dropped.
  void Send(uint64_t number, HttpReply reply);
  void BeginStream(uint64_t number, HttpReply head);
  void Write(uint64_t number, std::string_view piece);
  void End(uint64_t number);
  void Abandon(uint64_t number);
  void WhenGone(uint64_t number, std::function<void()> call);
  bool IsCurrent(uint64_t number) const { return number == number_ && phase_ == Phase::kHandling; }
  std::string Head(const HttpReply& reply, bool streamed);
  void Pump();
  void WriteTooLong();
  void Ping();
  void ReplyDone();
  void Part();
  void Linger();
  void ReadAway();
  void Gone();
  void Close();
  void CountClosed();

  ConnectionScope& scope_;
  ByteStream stream_;
  boost::asio::steady_timer deadline_;
  uint64_t deadline_number_ = 0;  // tells an expiry that came too late
  boost::asio::steady_timer watch_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string peer_;

  Phase phase_ = Phase::kIdle;
  bool timed_out_ = false;
  bool body_unread_ = false;  // the reply comes before the request was read whole
  uint64_t number_ = 0;
  HttpRequest request_;  // without its body once it is handed over
  bool keep_alive_ = false;
  bool is_head_ = false;  // the method: no body goes back
  std::chrono::steady_clock::time_point begun_;

  bool streaming_ = false, chunked_ = false, ended_ = false;
  std::string waiting_, writing_;  // bytes: not given to the system yet, and given
  bool write_under_way_ = false;
  std::function<void()> when_gone_;
  size_t read_away_ = 0;
  Exchange exchange_;
  bool counted_closed_ = false;
};

}  // namespace octet::serve
