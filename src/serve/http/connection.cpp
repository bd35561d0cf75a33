#include "serve/http/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "base/cat.h"
#include "serve/http/connection_answer.h"

namespace octet::serve {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

// How often a client is looked at that sent more before its reply was there: its leaving can't be read then.
constexpr std::chrono::milliseconds kLook{200};
constexpr size_t kFirstRead = 4096;

std::string AddressOf(const Connection::Socket& socket) {
  error_code error;
  const auto peer = socket.remote_endpoint(error);
  return error ? std::string() : peer.address().to_string(error);
}

std::string Text(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Connection::Connection(Socket socket, ConnectionScope& scope)
    : scope_(scope),
      stream_(std::move(socket), scope.tls),
      deadline_(stream_.get_executor()),
      watch_(stream_.get_executor()),
      buffer_(scope.options.header_bytes + (64 << 10)),
      peer_(AddressOf(stream_.socket())) {
  ++scope_.open;
}

Connection::~Connection() { CountClosed(); }

// Once: an answer that somebody still holds keeps the object, but no connection.
void Connection::CountClosed() {
  if (!std::exchange(counted_closed_, true)) --scope_.open;
}

void Connection::Start(bool refuse) {
  asio::dispatch(stream_.get_executor(), [self = shared_from_this(), refuse] {
    if (self->stream_.is_encrypted()) return refuse ? self->Close() : self->ShakeHands();
    if (!refuse) return self->AwaitRequest();
    self->phase_ = Phase::kHeader;
    self->request_.peer = self->peer_;
    self->Refuse(self->scope_.handler.Refusal(
        self->request_, 503, Cat("all ", self->scope_.options.connections, " connections are taken; try again later")));
  });
}

void Connection::CloseWhenIdle() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (self->phase_ != Phase::kHandling) self->Close();
  });
}

void Connection::SetDeadline(double seconds, void (Connection::*expired)()) {
  const uint64_t number = ++deadline_number_;
  if (seconds <= 0) {
    deadline_.cancel();
    return;
  }
  deadline_.expires_after(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds)));
  deadline_.async_wait([self = shared_from_this(), number, expired](error_code error) {
    if (!error && number == self->deadline_number_) (self.get()->*expired)();
  });
}

// Under the time that headers have: who connects and sends nothing is no client.
void Connection::ShakeHands() {
  phase_ = Phase::kHeader;
  SetDeadline(scope_.options.header_seconds, &Connection::Close);
  stream_.Handshake([self = shared_from_this()](error_code error) {
    if (error || self->phase_ != Phase::kHeader) return self->Close();
    self->AwaitRequest();
  });
}

void Connection::AwaitRequest() {
  if (scope_.closing) return Close();
  phase_ = Phase::kIdle;
  timed_out_ = body_unread_ = keep_alive_ = is_head_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(scope_.options.header_bytes));
  parser_->body_limit(boost::none);  // set once the head is known, so that a refusal knows what it refuses
  request_ = {};
  request_.id = "req-" + RandomId();  // also of what turns out to be no request
  request_.peer = peer_;
  if (buffer_.size() > 0) return ReadHeader();  // the client didn't wait for the last reply
  SetDeadline(scope_.options.idle_seconds, &Connection::ReadTooLong);
  AwaitBytes();
}

// Plain, an idle connection holds no memory for what may come. Encrypted, the bytes may be here and decrypted already,
// so that a look at the socket could wait for ever.
void Connection::AwaitBytes() {
  if (stream_.is_encrypted()) {
    stream_.async_read_some(buffer_.prepare(kFirstRead), [self = shared_from_this()](error_code error, size_t bytes) {
      if (error || self->phase_ != Phase::kIdle) return self->Close();
      self->buffer_.commit(bytes);
      self->ReadHeader();
    });
    return;
  }
  stream_.socket().async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
    if (error || self->phase_ != Phase::kIdle) return self->Close();
    self->ReadHeader();
  });
}

void Connection::ReadHeader() {
  phase_ = Phase::kHeader;
  begun_ = std::chrono::steady_clock::now();
  SetDeadline(scope_.options.header_seconds, &Connection::ReadTooLong);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](error_code error, size_t) { self->HeaderRead(error); });
}

void Connection::HeaderRead(error_code error) {
  if (phase_ == Phase::kClosed) return;
  if (error) return ReadFailed(error);
  if (std::optional<HttpReply> refusal = TakeHead()) return Refuse(std::move(*refusal));
  if (std::optional<HttpReply> refusal = scope_.handler.Screen(request_)) return Refuse(std::move(*refusal));
  parser_->body_limit(scope_.options.body_bytes);
  if (const auto length = parser_->content_length(); length && *length > scope_.options.body_bytes)
    return Refuse(BodyTooLong());
  SetDeadline(scope_.options.body_seconds, &Connection::ReadTooLong);
  phase_ = Phase::kBody;
  if (!SameWord(request_.Header("Expect"), "100-continue") || parser_->is_done()) return ReadBody();
  auto go_on = std::make_shared<std::string>("HTTP/1.1 100 Continue\r\n\r\n");
  asio::async_write(stream_, asio::buffer(*go_on), [self = shared_from_this(), go_on](error_code failed, size_t) {
    if (failed || self->phase_ != Phase::kBody) return self->Close();
    self->ReadBody();
  });
}

// What a proxy could read in another way than this server is refused, so that no request hides in another's body.
std::optional<HttpReply> Connection::TakeHead() {
  const auto& head = parser_->get();
  request_.method = Text(head.method_string());
  size_t hosts = 0, encodings = 0;
  for (const auto& field : head) {
    request_.headers.push_back({Text(field.name_string()), Text(field.value())});
    hosts += field.name() == http::field::host ? 1 : 0;
    encodings += field.name() == http::field::transfer_encoding ? 1 : 0;
  }
  const bool has_path = TakeTarget(Text(head.target()), request_);
  if (const std::string_view id = request_.Header("X-Request-Id"); IsRequestId(id)) request_.id = id;
  is_head_ = request_.method == "HEAD";
  keep_alive_ = parser_->keep_alive();

  Handler& handler = scope_.handler;
  if (request_.headers.size() > scope_.options.header_count)
    return handler.Refusal(
        request_, 431,
        Cat("the request has ", request_.headers.size(), " headers, the server takes ", scope_.options.header_count));
  if (!has_path) return handler.Refusal(request_, 400, "the request's target is no path");
  if (head.version() >= 11 && hosts != 1)
    return handler.Refusal(request_, 400, Cat("the request has ", hosts, " Host headers, one is expected"));
  if (encodings > 0 &&
      (encodings > 1 || head.version() < 11 || !SameWord(request_.Header("Transfer-Encoding"), "chunked")))
    return handler.Refusal(request_, 400, "the one Transfer-Encoding that is taken is `chunked`, once, with HTTP/1.1");
  return std::nullopt;
}

void Connection::ReadBody() {
  if (parser_->is_done()) return BodyRead({});
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](error_code error, size_t) { self->BodyRead(error); });
}

void Connection::BodyRead(error_code error) {
  if (phase_ == Phase::kClosed) return;
  if (error) return ReadFailed(error);
  SetDeadline(0, nullptr);
  phase_ = Phase::kHandling;
  HttpRequest whole = request_;
  whole.body = std::move(parser_->get().body());
  auto answer = std::make_shared<ConnectionAnswer>(shared_from_this(), ++number_);
  WatchPeer();
  scope_.handler.Handle(std::move(whole), std::move(answer));
}

HttpReply Connection::BodyTooLong() {
  return scope_.handler.Refusal(request_, 413,
                                Cat("the request's body is longer than ", scope_.options.body_bytes, " bytes"));
}

void Connection::ReadFailed(error_code error) {
  const HttpOptions& options = scope_.options;
  Handler& handler = scope_.handler;
  if (timed_out_) {
    const bool head = phase_ == Phase::kHeader;
    return Refuse(handler.Refusal(request_, 408,
                                  Cat("the request's ", head ? "headers" : "body", " took more than ",
                                      head ? options.header_seconds : options.body_seconds, " seconds")));
  }
  if (error == http::error::header_limit || (error == http::error::buffer_overflow && phase_ == Phase::kHeader))
    return Refuse(
        handler.Refusal(request_, 431, Cat("the request's headers are longer than ", options.header_bytes, " bytes")));
  if (error == http::error::body_limit) return Refuse(BodyTooLong());
  const bool left = error == http::error::end_of_stream || error == http::error::partial_message ||
                    error.category() != http::make_error_code(http::error::end_of_stream).category();
  if (left) return Close();
  Refuse(handler.Refusal(request_, 400, Cat("the request is no HTTP: ", error.message())));
}

// A reply to a request that isn't read to its end, which ends the connection.
void Connection::Refuse(HttpReply reply) {
  phase_ = Phase::kHandling;
  keep_alive_ = false;
  body_unread_ = true;
  Send(++number_, std::move(reply));
}

void Connection::ReadTooLong() {
  if (phase_ == Phase::kIdle) return Close();
  timed_out_ = true;
  error_code ignored;
  stream_.socket().cancel(ignored);  // the read ends with an error
}

// Notices that the client leaves while its reply is made.
void Connection::WatchPeer() {
  stream_.socket().async_wait(Socket::wait_read, [self = shared_from_this(), number = number_](error_code error) {
    if (!error && self->IsCurrent(number)) self->LookAtPeer(/*readable=*/true);
  });
}

void Connection::LookAtPeer(bool readable) {
  char byte = 0;
  const ssize_t there = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (there == 0 || (there < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) return Gone();
  pollfd look = {stream_.socket().native_handle(), POLLRDHUP, 0};
  if (there > 0 && ::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) return Gone();
  if (there < 0 && readable) return WatchPeer();
  // The next request is here already and stays unread; behind it a close shows only to who looks.
  watch_.expires_after(kLook);
  watch_.async_wait([self = shared_from_this(), number = number_](error_code error) {
    if (!error && self->IsCurrent(number)) self->LookAtPeer(/*readable=*/false);
  });
}

}  // namespace octet::serve
