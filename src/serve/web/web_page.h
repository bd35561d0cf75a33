// The chat in the browser: one file in the program, which fetches nothing and runs nothing but its own script.
#pragma once

#include <string>
#include <string_view>

#include "serve/http/http_message.h"

namespace octet::serve {

// The content of page.html, in a file that src/CMakeLists.txt makes.
extern const std::string_view kPageText;

// The policy that lets a browser run this page's <script> and apply its <style>, named by their SHA-256, and nothing
// else: no script from elsewhere, none in attributes, no frame around the page, requests to its own server alone.
// Requires a page with one of each.
std::string ContentPolicyOf(std::string_view page);

// The reply to GET /.
HttpReply WebPage();

}  // namespace octet::serve
