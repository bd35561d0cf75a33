// Where JSON ends inside other text, and where its members stand in it.
//
//   JsonExtent extent;
//   while (at < text.size() && !extent.Push(text[at++])) {}             // behind the bracket that closes the first
//   for (const RawValue& member : RawValues(R"({"a": 1.50})")) ...      // key `"a"`, text `1.50`
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace octet::serve {

// Counts brackets outside of texts. Whether what is between them is JSON is for a parser to say.
class JsonExtent {
 public:
  // The next byte, the first one being { or [. True with the bracket that closes it.
  bool Push(char byte);

 private:
  size_t open_ = 0;
  bool in_text_ = false, escaped_ = false;
};

struct RawValue {
  std::string_view key;   // with its quotes, as it is written; empty in a list
  std::string_view text;  // of the value
};

// What stands in an object or a list, as it is written there. Requires JSON without white space around it.
std::vector<RawValue> RawValues(std::string_view json);

}  // namespace octet::serve
