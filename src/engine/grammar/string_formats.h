// The values of JSON Schema's `format` as regular expressions.
#pragma once

#include <string>
#include <string_view>

namespace octet::grammar {

// Empty for a format that isn't known. Each matches valid texts alone; date, time (without leap seconds), date-time,
// uuid, ipv4 and ipv6 all of them, email and uri their common forms (docs/guided_output.md).
std::string FormatPattern(std::string_view format);

// For messages.
inline constexpr std::string_view kFormatNames = "date, time, date-time, uuid, email, uri, ipv4 and ipv6";

}  // namespace octet::grammar
