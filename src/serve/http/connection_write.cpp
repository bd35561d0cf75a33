// The writing half of connection.h.
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>
#include <sstream>
#include <utility>

#include "base/cat.h"
#include "serve/http/connection.h"
#include "serve/http/connection_answer.h"

namespace octet::serve {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

// After a refusal so much of the rest of a request is read away, that the client sees the reply and not a reset.
constexpr size_t kMostReadAway = size_t{64} << 20;
constexpr double kLingerSeconds = 2;
constexpr std::string_view kPing = ": still working\n\n";

std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

// A piece of a body in chunks, as HTTP/1.1 frames it.
void AppendChunk(std::string& out, std::string_view piece) {
  const http::chunk_body<asio::const_buffer> chunk(asio::const_buffer(piece.data(), piece.size()));
  for (const asio::const_buffer part : chunk) out.append(static_cast<const char*>(part.data()), part.size());
}

void AppendLastChunk(std::string& out) {
  const http::chunk_last<> last;
  for (const asio::const_buffer part : last) out.append(static_cast<const char*>(part.data()), part.size());
}

}  // namespace

ConnectionAnswer::~ConnectionAnswer() {
  Post([connection = connection_, number = number_] { connection->Abandon(number); });
}
void ConnectionAnswer::Post(std::function<void()> call) {
  if (!connection_->scope_.stopped) asio::post(connection_->stream_.get_executor(), std::move(call));
}
void ConnectionAnswer::Send(HttpReply reply) {
  Post([connection = connection_, number = number_, reply = std::move(reply)]() mutable {
    connection->Send(number, std::move(reply));
  });
}
void ConnectionAnswer::BeginStream(HttpReply head) {
  Post([connection = connection_, number = number_, head = std::move(head)]() mutable {
    connection->BeginStream(number, std::move(head));
  });
}
void ConnectionAnswer::Write(std::string piece) {
  Post([connection = connection_, number = number_, piece = std::move(piece)] { connection->Write(number, piece); });
}
void ConnectionAnswer::End() {
  Post([connection = connection_, number = number_] { connection->End(number); });
}
void ConnectionAnswer::WhenGone(std::function<void()> call) {
  Post([connection = connection_, number = number_, call = std::move(call)]() mutable {
    connection->WhenGone(number, std::move(call));
  });
}
void ConnectionAnswer::AddToLog(Json members) {
  Post([connection = connection_, number = number_, members = std::move(members)] {
    if (connection->IsCurrent(number)) connection->exchange_.more.update(members);
  });
}

void Connection::WhenGone(uint64_t number, std::function<void()> call) {
  if (phase_ == Phase::kClosed && number == number_ && !ended_) return call();
  if (IsCurrent(number) && !ended_) when_gone_ = std::move(call);
}

std::string Connection::Head(const HttpReply& reply, bool streamed) {
  HttpReply decorated = reply;
  scope_.handler.Decorate(request_, decorated);
  http::response<http::empty_body> head;
  head.result(static_cast<unsigned>(reply.status));
  head.set(http::field::date, HttpDate());
  head.set(http::field::content_type, reply.content_type);
  for (const HttpHeader& header : decorated.headers) head.set(header.name, header.value);
  if (!request_.id.empty()) head.set("X-Request-Id", request_.id);
  if (chunked_) head.set(http::field::transfer_encoding, "chunked");
  if (!streamed) head.content_length(reply.body.size());
  if (scope_.closing || (streamed && !chunked_)) keep_alive_ = false;
  head.keep_alive(keep_alive_);
  std::ostringstream text;
  text << head.base();
  return std::move(text).str();
}

void Connection::Send(uint64_t number, HttpReply reply) {
  if (!IsCurrent(number) || streaming_ || ended_) return;
  exchange_.status = reply.status;
  ended_ = true;
  waiting_ = Head(reply, /*streamed=*/false);
  if (!is_head_) waiting_ += reply.body;
  Pump();
}

void Connection::BeginStream(uint64_t number, HttpReply head) {
  if (!IsCurrent(number) || streaming_ || ended_) return;
  exchange_.status = head.status;
  streaming_ = true;
  chunked_ = parser_->get().version() >= 11;
  waiting_ = Head(head, /*streamed=*/true);
  if (!head.body.empty()) return Write(number, head.body);
  Pump();
}

void Connection::Write(uint64_t number, std::string_view piece) {
  if (!IsCurrent(number) || !streaming_ || ended_ || piece.empty()) return;
  if (waiting_.size() > scope_.options.unread_bytes) return Gone();
  if (chunked_)
    AppendChunk(waiting_, piece);
  else
    waiting_ += piece;
  Pump();
}

void Connection::End(uint64_t number) {
  if (!IsCurrent(number) || !streaming_ || ended_) return;
  ended_ = true;
  if (chunked_) AppendLastChunk(waiting_);
  Pump();
}

// Nobody will answer any more: an answer was dropped.
void Connection::Abandon(uint64_t number) {
  if (IsCurrent(number) && !ended_) Gone();
}

void Connection::Pump() {
  if (write_under_way_) return;
  if (waiting_.empty()) {
    if (ended_) return ReplyDone();
    return SetDeadline(scope_.options.ping_seconds, &Connection::Ping);
  }
  writing_.clear();
  writing_.swap(waiting_);
  write_under_way_ = true;
  SetDeadline(scope_.options.write_seconds, &Connection::WriteTooLong);
  asio::async_write(stream_, asio::buffer(writing_), [self = shared_from_this()](error_code error, size_t bytes) {
    self->write_under_way_ = false;
    self->exchange_.reply_bytes += bytes;
    if (self->phase_ == Phase::kClosed) return;
    self->writing_.clear();
    if (error) return self->Gone();
    self->Pump();
  });
}

void Connection::WriteTooLong() { Gone(); }

void Connection::Ping() {
  if (phase_ == Phase::kHandling && streaming_ && !ended_) Write(number_, kPing);
}

void Connection::ReplyDone() {
  SetDeadline(0, nullptr);
  watch_.cancel();
  when_gone_ = nullptr;
  exchange_.request = &request_;
  exchange_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  scope_.handler.Finished(exchange_);
  exchange_ = {};
  streaming_ = chunked_ = ended_ = false;
  if (body_unread_) return Linger();
  if (!keep_alive_) return Part();
  error_code ignored;
  stream_.socket().cancel(ignored);  // the watch for the client's leaving
  AwaitRequest();
}

// An encrypted reply that ends without a word may be taken for one that was cut off.
void Connection::Part() {
  if (!stream_.is_encrypted()) return Close();
  phase_ = Phase::kClosed;
  SetDeadline(kLingerSeconds, &Connection::Close);
  stream_.Shutdown([self = shared_from_this()](error_code) { self->Close(); });
}

void Connection::Linger() {
  phase_ = Phase::kClosed;
  error_code ignored;
  if (!stream_.is_encrypted()) stream_.socket().shutdown(Socket::shutdown_send, ignored);
  SetDeadline(kLingerSeconds, &Connection::Close);
  buffer_.clear();
  ReadAway();
}

void Connection::ReadAway() {
  stream_.socket().async_read_some(buffer_.prepare(16 << 10),
                                   [self = shared_from_this()](error_code error, size_t bytes) {
                                     self->read_away_ += bytes;
                                     if (error || self->read_away_ > kMostReadAway) return self->Close();
                                     self->ReadAway();
                                   });
}

void Connection::Gone() {
  if (phase_ != Phase::kHandling) return Close();
  exchange_.request = &request_;
  exchange_.gone = true;
  exchange_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  scope_.handler.Finished(exchange_);
  Close();
  if (when_gone_) std::exchange(when_gone_, nullptr)();
}

void Connection::Close() {
  phase_ = Phase::kClosed;
  SetDeadline(0, nullptr);
  watch_.cancel();
  error_code ignored;
  stream_.socket().close(ignored);
  CountClosed();
}

}  // namespace octet::serve
