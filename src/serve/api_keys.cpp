#include "serve/api_keys.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace octet::serve {
namespace {

constexpr size_t kShortestKey = 16, kLongestKey = 512;

std::string_view Trimmed(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  return begin == std::string_view::npos ? "" : line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin);
}

// Takes the word behind a key away; false where there is none.
bool TakeScope(std::string_view& secret) {
  constexpr std::string_view kAdmin = "admin";
  const size_t space = secret.find_last_of(" \t");
  if (space == std::string_view::npos || secret.substr(space + 1) != kAdmin) return false;
  secret = Trimmed(secret.substr(0, space));
  return true;
}

}  // namespace

bool SameSecret(std::string_view shown, std::string_view secret) {
  if (secret.empty()) return false;
  volatile uint8_t difference = shown.size() == secret.size() ? 0 : 1;  // volatile: no loop may end early
  for (size_t i = 0; i < shown.size(); ++i) {
    const auto wrong = static_cast<uint8_t>(shown[i] ^ secret[i % secret.size()]);
    difference = static_cast<uint8_t>(difference | wrong);
  }
  return difference == 0;
}

Result<ApiKeys> ApiKeys::Parse(std::string_view text, std::string_view where) {
  ApiKeys keys;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const size_t colon = line.find(':');
    std::string_view secret = colon == std::string_view::npos ? line : Trimmed(line.substr(colon + 1));
    const bool is_admin = TakeScope(secret);
    const bool printable = std::all_of(secret.begin(), secret.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (secret.size() < kShortestKey || secret.size() > kLongestKey || !printable) {
      return Fail(ErrorCode::kInvalidArgument, where, ":", number, ": a key has ", kShortestKey, " to ", kLongestKey,
                  " printable characters, this one has ", secret.size(), "; `openssl rand -hex 24` makes a good one");
    }
    std::string name = colon == std::string_view::npos || colon == 0 ? Cat("key", keys.keys_.size() + 1)
                                                                     : std::string(Trimmed(line.substr(0, colon)));
    keys.keys_.push_back({std::move(name), std::string(secret), is_admin});
  }
  return keys;
}

const ApiKeys::Key* ApiKeys::FindKey(std::string_view shown) const {
  const Key* found = nullptr;
  for (const Key& key : keys_) {
    if (SameSecret(shown, key.secret)) found = &key;
  }
  return found;
}

const std::string* ApiKeys::Find(std::string_view shown) const {
  const Key* key = FindKey(shown);
  return key == nullptr ? nullptr : &key->name;
}

bool ApiKeys::IsAdmin(std::string_view shown) const {
  const Key* key = FindKey(shown);
  return key != nullptr && key->is_admin;
}

void ApiKeys::Add(ApiKeys more) {
  keys_.insert(keys_.end(), std::make_move_iterator(more.keys_.begin()), std::make_move_iterator(more.keys_.end()));
}

}  // namespace octet::serve
