#include "engine/grammar/string_formats.h"

#include "base/cat.h"

namespace octet::grammar {
namespace {

// Years 0001 to 9999, as Python and most libraries know them; 29 February in leap years.
std::string Date() {
  constexpr std::string_view kYear = "(?:000[1-9]|00[1-9]\\d|0[1-9]\\d\\d|[1-9]\\d{3})";
  constexpr std::string_view kLeapYear =
      "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
  return Cat("(?:", kYear, "-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|",
             "(?:0[13578]|1[02])-31)|", kLeapYear, "-02-29)");
}

std::string Time() {
  constexpr std::string_view kHour = "(?:[01]\\d|2[0-3])";
  return Cat(kHour, ":[0-5]\\d:[0-5]\\d(?:\\.\\d+)?(?:Z|[+-]", kHour, ":[0-5]\\d)");
}

std::string Ipv4() {
  constexpr std::string_view kByte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  return Cat(kByte, "(?:\\.", kByte, "){3}");
}

// Eight groups, the last two of which may be an IPv4 address; one run of groups may be left out as "::".
std::string Ipv6() {
  constexpr std::string_view kGroup = "[0-9A-Fa-f]{1,4}";
  const std::string last = Cat("(?:", kGroup, ":", kGroup, "|", Ipv4(), ")");
  std::string pattern = Cat("(?:(?:", kGroup, ":){6}", last);
  // `before` groups, "::", then `after` groups in all.
  for (int after = 5; after >= 0; --after) {
    const int most_before = 5 - after;
    const std::string before =
        most_before == 0 ? std::string() : Cat("(?:", kGroup, "(?::", kGroup, "){0,", most_before - 1, "})?");
    pattern += Cat("|", before, "::(?:", kGroup, ":){", after, "}", last);
  }
  pattern += Cat("|(?:", kGroup, "(?::", kGroup, "){0,5})?::", kGroup);
  pattern += Cat("|(?:", kGroup, "(?::", kGroup, "){0,6})?::)");
  return pattern;
}

constexpr std::string_view kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

std::string Email() { return Cat("[A-Za-z0-9_+-]+(?:\\.[A-Za-z0-9_+-]+)*@", kLabel, "(?:\\.", kLabel, ")+"); }

std::string Uri() {
  constexpr std::string_view kCharacter = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
  return Cat("[A-Za-z][A-Za-z0-9+.-]*://", kLabel, "(?:\\.", kLabel, ")*(?::\\d{1,5})?(?:/", kCharacter,
             "*)*(?:\\?(?:", kCharacter, "|[/?])*)?(?:#(?:", kCharacter, "|[/?])*)?");
}

}  // namespace

std::string FormatPattern(std::string_view format) {
  if (format == "date") return Date();
  if (format == "time") return Time();
  if (format == "date-time") return Cat(Date(), "T", Time());
  if (format == "uuid") return "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";
  if (format == "ipv4") return Ipv4();
  if (format == "ipv6") return Ipv6();
  if (format == "email") return Email();
  if (format == "uri") return Uri();
  return {};
}

}  // namespace octet::grammar
