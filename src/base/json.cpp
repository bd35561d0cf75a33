#include "base/json.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/cat.h"

namespace octet {
namespace {

constexpr size_t kMaximumDepth = 128;

tl::unexpected<Error> WrongType(std::string_view where, std::string_view key, std::string_view expected,
                                const Json* found) {
  if (found == nullptr) return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is missing, ", expected, " is expected");
  return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is ", found->type_name(), ", ", expected, " is expected");
}

// Builds the document from the parser's events. The library's own builder looks for each key among those before it, so
// that an object of 100,000 members takes minutes.
class Builder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Add(nullptr) != nullptr; }
  bool boolean(bool value) override { return Add(value) != nullptr; }
  bool number_integer(int64_t value) override { return Add(value) != nullptr; }
  bool number_unsigned(uint64_t value) override { return Add(value) != nullptr; }
  bool number_float(double value, const std::string&) override { return Add(value) != nullptr; }
  bool string(std::string& value) override { return Add(std::move(value)) != nullptr; }
  bool binary(Json::binary_t&) override { return false; }  // not in text
  bool key(std::string& name) override {
    key_ = std::move(name);
    return true;
  }
  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override {
    KeepLast(open_.back()->get_ref<Json::object_t&>());
    return end_array();
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(size_t, const std::string&, const Json::exception& error) override {
    const std::string_view text = error.what();
    const size_t behind = text.starts_with('[') ? text.find("] ") : text.npos;  // its number in the library
    error_ = Cat("not JSON: ", behind == text.npos ? text : text.substr(behind + 2));
    return false;
  }

  Json& root() { return root_; }
  const std::string& error() const { return error_; }

 private:
  Json* Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    auto& members = open_.back()->get_ref<Json::object_t&>();
    members.emplace_back(std::move(key_), std::move(value));
    return &members.back().second;
  }

  bool Open(Json empty) {
    if (open_.size() == kMaximumDepth) {
      error_ = Cat("JSON is nested deeper than ", kMaximumDepth, " levels");
      return false;
    }
    open_.push_back(Add(std::move(empty)));
    return true;
  }

  // Of a key that comes twice the last value counts, in the place of the first.
  static void KeepLast(Json::object_t& members) {
    std::vector<std::string_view> names;
    for (const auto& member : members) names.push_back(member.first);
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) == names.end()) return;
    Json::object_t kept;
    std::map<std::string, size_t, std::less<>> places;
    for (auto& [name, value] : members) {
      const auto [place, is_first] = places.emplace(name, kept.size());
      if (is_first)
        kept.emplace_back(name, std::move(value));
      else
        std::next(kept.begin(), static_cast<std::ptrdiff_t>(place->second))->second = std::move(value);
    }
    members.swap(kept);
  }

  Json root_;
  std::vector<Json*> open_;  // from the root on; a container doesn't move while one inside it is open
  std::string key_;
  std::string error_;
};

}  // namespace

Result<Json> ParseJson(std::string_view text, std::string_view where) {
  Builder builder;
  if (Json::sax_parse(text, &builder)) return std::move(builder.root());
  return Fail(ErrorCode::kCorrupt, where, ": ", builder.error());
}

const Json* FindMember(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<int64_t> GetInteger(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_number_integer()) return WrongType(where, key, "an integer", member);
  if (member->is_number_unsigned() && member->get<uint64_t>() > uint64_t{INT64_MAX}) {
    return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is ", member->get<uint64_t>(), ", beyond 64 signed bits");
  }
  return member->get<int64_t>();
}

Result<double> GetNumber(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_number()) return WrongType(where, key, "a number", member);
  return member->get<double>();
}

Result<bool> GetBool(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_boolean()) return WrongType(where, key, "true or false", member);
  return member->get<bool>();
}

Result<std::string> GetString(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_string()) return WrongType(where, key, "a string", member);
  return member->get<std::string>();
}

}  // namespace octet
