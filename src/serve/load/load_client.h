// Requests over HTTP/1.1, many at a time on one thread, each on a connection of its own.
//
//   boost::asio::io_context io;
//   LoadClient client = OCTET_TRY(LoadClient::Connect(io, url, {.key = key}));
//   client.Ask({.path = "/models", .method = "GET"}, {.end = [&](std::string failure) { ... }});
//   io.run();
//
// Without TLS and redirects.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"

namespace octet::serve {

// Where an OpenAI API stands: http://127.0.0.1:8080, or with a path that all others are put behind.
struct ServerUrl {
  std::string host;
  std::string port = "80";
  std::string path = "/v1";  // without a slash at its end
};
// Of `http://HOST[:PORT][/PATH]`; no path means /v1. Fails with invalid_argument, quoting the text, and with
// unsupported for https.
Result<ServerUrl> ParseServerUrl(std::string_view text);

struct ClientRequest {
  std::string path;  // behind the URL's
  std::string method = "POST";
  std::string body = {};  // JSON
};

// What a reply brings, on the thread that runs the io_context. Any may be empty.
struct ReplyEvents {
  std::function<void(int status)> head = {};
  std::function<void(std::string_view bytes)> bytes = {};
  std::function<void(std::string failure)> end = {};  // once; the text is empty where the reply came whole
};

struct ClientOptions {
  std::string key = {};  // sent as a bearer token; empty: none
  double seconds = 600;  // for a whole exchange
};

class LoadClient {
 public:
  // Looks the host up. Fails with not_found where it has no address.
  static Result<LoadClient> Connect(boost::asio::io_context& io, ServerUrl url, ClientOptions options);

  void Ask(ClientRequest request, ReplyEvents events) const;

  // Asks and waits, running the io_context until nothing is under way; the JSON of a reply with status 200. Fails with
  // not_found where no reply came, and with unsupported for another status or no JSON, naming the address; with
  // cancelled on request.
  Result<Json> AskAndWait(ClientRequest request, const CancelFlag& cancel) const;

 private:
  LoadClient(boost::asio::io_context& io, ServerUrl url, ClientOptions options)
      : io_(&io), url_(std::move(url)), options_(std::move(options)) {}
  std::string AddressOf(const ClientRequest& request) const;

  boost::asio::io_context* io_;
  ServerUrl url_;
  ClientOptions options_;
  std::vector<boost::asio::ip::tcp::endpoint> endpoints_;
};

}  // namespace octet::serve
