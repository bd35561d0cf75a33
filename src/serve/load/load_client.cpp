#include "serve/load/load_client.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <memory>
#include <utility>

#include "base/cat.h"

namespace octet::serve {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kMostReplyBytes = 16 << 20;  // of a reply that is waited for
constexpr std::chrono::milliseconds kLookWhileWaiting{20};

// One request and its reply. Lives as long as an operation of its own is under way.
class ClientExchange : public std::enable_shared_from_this<ClientExchange> {
 public:
  ClientExchange(asio::io_context& io, http::request<http::string_body> request, ReplyEvents events)
      : socket_(io), deadline_(io), request_(std::move(request)), events_(std::move(events)) {
    parser_.body_limit(boost::none);  // a stream has no length that could be known
  }

  void Start(const std::vector<tcp::endpoint>& endpoints, double seconds) {
    seconds_ = seconds;
    deadline_.expires_after(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds)));
    deadline_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->End(Cat("no end after ", self->seconds_, " s"));
    });
    asio::async_connect(socket_, endpoints, [self = shared_from_this()](error_code error, const tcp::endpoint&) {
      if (error) return self->End(Cat("can't connect: ", error.message()));
      self->Write();
    });
  }

 private:
  void Write() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    http::async_write(socket_, request_, [self = shared_from_this()](error_code error, size_t) {
      // A server that refuses before it has read all still sends a reply.
      if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset)
        return self->End(Cat("sending failed: ", error.message()));
      self->ReadHead();
    });
  }

  void ReadHead() {
    http::async_read_header(socket_, buffer_, parser_, [self = shared_from_this()](error_code error, size_t) {
      if (error) return self->End(Cat("no reply: ", error.message()));
      if (self->events_.head) self->events_.head(self->parser_.get().result_int());
      self->ReadSome();
    });
  }

  void ReadSome() {
    if (ended_) return;
    if (parser_.is_done()) return End({});
    auto& body = parser_.get().body();
    body.data = piece_.data();
    body.size = piece_.size();
    http::async_read_some(socket_, buffer_, parser_, [self = shared_from_this()](error_code error, size_t) {
      if (self->ended_) return;
      const size_t got = self->piece_.size() - self->parser_.get().body().size;
      if (got > 0 && self->events_.bytes) self->events_.bytes({self->piece_.data(), got});
      if (error && error != http::error::need_buffer) return self->End(Cat("the reply broke off: ", error.message()));
      self->ReadSome();
    });
  }

  void End(std::string failure) {
    if (std::exchange(ended_, true)) return;
    deadline_.cancel();
    error_code ignored;
    socket_.close(ignored);
    if (events_.end) events_.end(std::move(failure));
    events_ = {};
  }

  tcp::socket socket_;
  asio::steady_timer deadline_;
  http::request<http::string_body> request_;
  ReplyEvents events_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> parser_;
  std::array<char, 16384> piece_;
  double seconds_ = 0;
  bool ended_ = false;
};

bool IsPort(std::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Result<ServerUrl> ParseServerUrl(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (text.starts_with("https://"))
    return Fail(ErrorCode::kUnsupported, "`", text,
                "`: this client has no TLS; give the http:// address that stands behind the proxy");
  if (!text.starts_with(kScheme))
    return Fail(ErrorCode::kInvalidArgument, "`", text, "` is no address of a server, as in http://127.0.0.1:8080");
  std::string_view rest = text.substr(kScheme.size());
  ServerUrl url;
  const size_t slash = rest.find('/');
  std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!path.empty()) url.path = path;
  rest = rest.substr(0, slash);
  const size_t behind_host = rest.starts_with('[') ? rest.find(']') : 0;  // an IPv6 address has colons of its own
  const size_t colon = behind_host == std::string_view::npos ? behind_host : rest.find(':', behind_host);
  url.host = rest.substr(0, colon);
  if (colon != std::string_view::npos) url.port = rest.substr(colon + 1);
  const bool plain = text.find_first_of(" \t\r\n?#@") == std::string_view::npos;
  if (url.host.empty() || !IsPort(url.port) || !plain || behind_host == std::string_view::npos)
    return Fail(ErrorCode::kInvalidArgument, "`", text, "` is no address of a server, as in http://127.0.0.1:8080");
  return url;
}

Result<LoadClient> LoadClient::Connect(asio::io_context& io, ServerUrl url, ClientOptions options) {
  tcp::resolver resolver(io);
  error_code error;
  std::string host = url.host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  const auto found = resolver.resolve(host, url.port, error);
  if (error) return Fail(ErrorCode::kNotFound, "no address for ", url.host, ": ", error.message());
  LoadClient client(io, std::move(url), std::move(options));
  for (const auto& entry : found) client.endpoints_.push_back(entry.endpoint());
  return client;
}

void LoadClient::Ask(ClientRequest request, ReplyEvents events) const {
  http::request<http::string_body> message(http::string_to_verb(request.method), url_.path + request.path, 11);
  message.set(http::field::host, Cat(url_.host, ":", url_.port));
  message.set(http::field::accept, "text/event-stream, application/json");
  message.set(http::field::connection, "close");
  if (!options_.key.empty()) message.set(http::field::authorization, "Bearer " + options_.key);
  if (!request.body.empty()) message.set(http::field::content_type, "application/json");
  message.body() = std::move(request.body);
  message.prepare_payload();
  std::make_shared<ClientExchange>(*io_, std::move(message), std::move(events))->Start(endpoints_, options_.seconds);
}

std::string LoadClient::AddressOf(const ClientRequest& request) const {
  return Cat(request.method, " http://", url_.host, ":", url_.port, url_.path, request.path);
}

Result<Json> LoadClient::AskAndWait(ClientRequest request, const CancelFlag& cancel) const {
  const std::string where = AddressOf(request);
  int status = 0;
  std::string body, failure;
  Ask(std::move(request), {.head = [&](int code) { status = code; },
                           .bytes =
                               [&](std::string_view bytes) {
                                 if (body.size() < kMostReplyBytes) body += bytes;
                               },
                           .end = [&](std::string text) { failure = std::move(text); }});
  io_->restart();
  while (io_->run_for(kLookWhileWaiting) > 0 || !io_->stopped()) OCTET_TRY(cancel.Check());
  if (!failure.empty()) return Fail(ErrorCode::kNotFound, where, ": ", failure);
  Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (status == 200 && !json.is_discarded()) return json;
  return Fail(ErrorCode::kUnsupported, where, ": HTTP ", status, ", ", body.substr(0, 300));
}

}  // namespace octet::serve
