// The stream of one answer in OpenAI's API, chat or completion, read into a record of its times.
//
//   AnswerReader reader(record);                      // record.sent is set
//   reader.Head(200);
//   reader.Bytes(bytes, now);                         // as they come
//   reader.End("", now);                              // record.failure says whether all went well
//
// An answer that says nothing is a failure, however well it ends, and so is one that breaks off: otherwise a server
// that answers nothing would be the fastest of all.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "serve/load/event_reader.h"
#include "serve/load/load_stats.h"

namespace octet::serve {

class AnswerReader {
 public:
  explicit AnswerReader(LoadRecord& record) : record_(record) {}

  void Head(int status) { status_ = status; }
  void Bytes(std::string_view bytes, double now);
  // `failure` is the transport's, empty where the reply came to its end.
  void End(std::string failure, double now);

 private:
  void Event(std::string_view data, double now);
  void Choice(const Json& choice, double now);
  std::string Refusal() const;

  LoadRecord& record_;
  int status_ = 0;
  EventReader events_;
  std::string body_;  // of a reply that is no stream, up to a limit
  bool finished_ = false, has_usage_ = false;
};

}  // namespace octet::serve
