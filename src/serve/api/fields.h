// Reads the fields of a request's JSON: of the right type and range, or the request is refused naming the field.
//
//   Fields fields(body);
//   const double temperature = fields.Number("temperature", 0, 100).value_or(1);
//   const bool stream = fields.Bool("stream").value_or(false);
//   fields.Ignore({"user", "metadata"});
//   if (fields.failed()) return tl::unexpected(fields.error());
//   Tell(fields.unknown());
//
// Every field may be null, which is as if it weren't there. The first thing wrong is kept, so that it is asked for
// once, after all reads. A field that nothing read is unknown: it is no error, and its name is told to the client.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api/api_error.h"

namespace octet::serve {

class Fields {
 public:
  // `path` opens the names of fields in errors, as in "messages[0]."; the object must outlive this.
  explicit Fields(const Json& object, std::string path = {});

  // Absent where the field is missing, null or wrong.
  std::optional<bool> Bool(std::string_view name);
  std::optional<int64_t> Integer(std::string_view name, int64_t low, int64_t high);
  std::optional<double> Number(std::string_view name, double low, double high);
  std::optional<std::string> Text(std::string_view name, size_t most_bytes = SIZE_MAX);
  // Null where the field is missing, null or wrong; the value is the object's own.
  const Json* Any(std::string_view name);
  const Json* Object(std::string_view name);
  const Json* List(std::string_view name, size_t most = SIZE_MAX);

  // Fields that change nothing here.
  void Ignore(std::initializer_list<std::string_view> names);
  // Fields that would change the answer and can't be honoured: refused unless they are off, that is null, false, 0 or
  // empty.
  void RefuseUnlessOff(std::initializer_list<std::string_view> names, std::string_view why);

  // Keeps an error about a field, unless there is one already.
  void Refuse(std::string_view name, std::string_view why);
  void Refuse(ApiError error);

  bool failed() const { return error_.has_value(); }
  // Requires failed().
  const ApiError& error() const { return *error_; }
  // Names of fields that were not asked for, in their order.
  std::vector<std::string> unknown() const;

 private:
  std::string Where(std::string_view name) const { return path_ + std::string(name); }

  const Json& object_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
  std::optional<ApiError> error_;
};

// A list of whole numbers from 0 up to below `vocab`. Fails naming the entry.
ApiResult<std::vector<int32_t>> TokenIds(const Json& list, size_t vocab, std::string_view where);

// The JSON of a request's body: an object, at most 64 levels deep.
ApiResult<Json> ParseBody(std::string_view body);

}  // namespace octet::serve
