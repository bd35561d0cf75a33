// A request and a reply of HTTP, free of the library that reads and writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octet::serve {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;  // "POST"
  std::string path;    // as it was sent, up to the query: "/v1/models"
  std::string query;   // behind the question mark, as it was sent
  std::vector<HttpHeader> headers;
  std::string body;
  std::string id;    // the client's X-Request-Id, or one made here
  std::string peer;  // the client's address

  // The value of the first header of that name, whatever its case; empty where there is none.
  std::string_view Header(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers = {};
  std::string body = {};
};

// Takes path and query from a request line's target, behind the headers: "/v1/models?a=b", or the whole address as
// proxies send it, whose host then stands in the Host header's place (RFC 9112 3.2.2). False where it is neither.
bool TakeTarget(std::string_view target, HttpRequest& request);

// Equal but for the case of ASCII letters.
bool SameWord(std::string_view a, std::string_view b);

// Whether an id that a client gave can be sent back and logged: 1 to 128 letters, digits and . _ : - /
bool IsRequestId(std::string_view text);
// 24 hexadecimal digits, drawn anew for each call.
std::string RandomId();

}  // namespace octet::serve
