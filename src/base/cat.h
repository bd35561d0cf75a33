// Joining strings and numbers into messages.
//
//   Cat("tensor ", name, " has ", rows, " rows, expected ", 576)
//
// Numbers print in their shortest exact form, bool as true or false, paths as they are.
#pragma once

#include <concepts>
#include <filesystem>
#include <string>
#include <string_view>

namespace octet {
namespace internal {

void Append(std::string& out, std::string_view part);
void Append(std::string& out, long long part);
void Append(std::string& out, unsigned long long part);
void Append(std::string& out, double part);
void Append(std::string& out, float part);

template <class Part>
void AppendAny(std::string& out, const Part& part) {
  if constexpr (std::same_as<Part, std::filesystem::path>) {
    Append(out, std::string_view(part.native()));
  } else if constexpr (std::convertible_to<const Part&, std::string_view>) {
    Append(out, std::string_view(part));
  } else if constexpr (std::same_as<Part, bool>) {
    Append(out, std::string_view(part ? "true" : "false"));
  } else if constexpr (std::same_as<Part, char>) {
    out.push_back(part);
  } else if constexpr (std::signed_integral<Part>) {
    Append(out, static_cast<long long>(part));
  } else if constexpr (std::unsigned_integral<Part>) {
    Append(out, static_cast<unsigned long long>(part));
  } else {
    Append(out, part);
  }
}

}  // namespace internal

template <class... Parts>
std::string Cat(const Parts&... parts) {
  std::string out;
  (internal::AppendAny(out, parts), ...);
  return out;
}

}  // namespace octet
