// The keys that clients show, compared so that the time taken tells nothing of them.
//
//   ApiKeys keys = OCTET_TRY(ApiKeys::Parse(text, "keys.txt"));
//   if (const std::string* name = keys.Find(bearer)) ...
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace octet::serve {

class ApiKeys {
 public:
  // A key a line, or NAME:KEY, and ` admin` behind it where it may change the server for all; empty lines and those
  // that begin with # are passed over. Keys have 16 to 512 printable characters. Fails naming the line, never the key.
  static Result<ApiKeys> Parse(std::string_view text, std::string_view where);

  // The name of the key that the client showed, `key1` and on where the file gives none; null for one that isn't there.
  // The time depends on the length of what was shown, and on the number of keys.
  const std::string* Find(std::string_view shown) const;
  // Whether the key is one that may change the server for all. In the same time.
  bool IsAdmin(std::string_view shown) const;
  // The keys of both.
  void Add(ApiKeys more);
  bool empty() const { return keys_.empty(); }

 private:
  struct Key {
    std::string name;
    std::string secret;
    bool is_admin = false;
  };
  const Key* FindKey(std::string_view shown) const;

  std::vector<Key> keys_;
};

// Whether both are the same bytes, in a time that depends on the length of `shown` alone.
bool SameSecret(std::string_view shown, std::string_view secret);

}  // namespace octet::serve
