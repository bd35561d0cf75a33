#include "base/cat.h"

#include <charconv>

namespace octet::internal {
namespace {

template <class Number>
void AppendNumber(std::string& out, Number number) {
  char digits[48];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end.ptr);
}

}  // namespace

void Append(std::string& out, std::string_view part) { out.append(part); }
void Append(std::string& out, long long part) { AppendNumber(out, part); }
void Append(std::string& out, unsigned long long part) { AppendNumber(out, part); }
void Append(std::string& out, double part) { AppendNumber(out, part); }
void Append(std::string& out, float part) { AppendNumber(out, part); }

}  // namespace octet::internal
