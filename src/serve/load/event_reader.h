// Server-sent events out of the bytes of a reply, wherever these are cut.
//
//   EventReader reader;
//   OCTET_TRY(reader.Feed(bytes, [&](std::string_view data) { ... }));    // once an event, in order
//
// Comments and fields other than `data` are passed over. Lines end with LF, CR LF or CR.
// Source: WHATWG HTML, section 9.2.6, "Interpreting an event stream".
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace octet::serve {

class EventReader {
 public:
  static constexpr size_t kMostEventBytes = size_t{16} << 20;

  // `event` gets the data of each event that the bytes complete. Fails with corrupt where one has more than
  // kMostEventBytes.
  Status Feed(std::string_view bytes, const std::function<void(std::string_view data)>& event);

 private:
  void EndLine(const std::function<void(std::string_view data)>& event);

  std::string line_, data_;
  bool has_data_ = false;
  bool after_return_ = false;  // a line feed now belongs to the line end before it
};

}  // namespace octet::serve
