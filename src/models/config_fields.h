// Fields of a config.json with the defaults of its model type, each checked for type and range as it is read.
//
//   ConfigFields fields(config, defaults, "config.json");
//   size_t layers = OCTET_TRY(fields.Size("num_hidden_layers", 1024));
//
// A field that the file sets to null counts as set: transformers takes null for "none" where leaving it out means a
// default. The model types themselves: models/hf_config.cpp.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace octet {

class ConfigFields {
 public:
  ConfigFields(const Json& config, const Json& defaults, std::string_view where)
      : config_(config), defaults_(defaults), where_(where) {}

  // The file's field, else the default; null where there is neither or it is JSON's null.
  const Json* Find(std::string_view key) const;
  // Only what the file itself says.
  const Json* FindOwn(std::string_view key) const { return FindMember(config_, key); }

  // An integer of 1 .. limit; fails with corrupt, naming the field and the value.
  Result<size_t> Size(std::string_view key, size_t limit) const;
  // As Size, or nothing where the field is null or absent.
  Result<std::optional<size_t>> OptionalSize(std::string_view key, size_t limit) const;
  // A finite number above 0.
  Result<double> Positive(std::string_view key) const;
  // A finite number of 0 or more.
  Result<double> NonNegative(std::string_view key) const;
  // As Positive, or nothing where the field is null or absent.
  Result<std::optional<double>> OptionalPositive(std::string_view key) const;
  // Absent and null are false.
  Result<bool> Flag(std::string_view key) const;
  // Absent and null are "".
  Result<std::string> Text(std::string_view key) const;

  // The whole file.
  const Json& config() const { return config_; }
  const std::string& where() const { return where_; }

 private:
  const Json& config_;
  const Json& defaults_;
  std::string where_;
};

}  // namespace octet
