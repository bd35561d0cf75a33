// Option structs: one list per struct gives flags, environment variables, YAML keys, help, completion and the docs
// table.
//
//   struct ServeOptions {
//     int max_batch = 4;
//     std::string load = "map";
//     std::optional<double> temperature;      // no default: absent unless given
//     std::vector<int> threads;               // --threads 1,2 or repeated
//     template <class Visit> static void Describe(Visit&& visit) {
//       visit(&ServeOptions::max_batch, "max-batch", "requests decoded together; more uses more memory", Between{1,
//       256}); visit(&ServeOptions::load, "load", "weights stay in the mapped file, or are copied", OneOf{{"map",
//       "copy"}}); visit(&ServeOptions::temperature, "temperature", "0 is greedy; higher is more random", Between{0,
//       100}); visit(&ServeOptions::threads, "threads", "threads to measure with", Between{1, 1024});
//     }
//   };
//
// Members: bool, integers, float, double, std::string, std::filesystem::path, and optional or vector of these. A vector
// of texts takes one text per flag, with SplitAtCommas a comma list. A struct inside joins its options:
// visit(&RunOptions::sampling). The order is default < file < environment < flag: options_reader.h.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"

namespace octet {

// What may stand behind an option's help in Describe.
struct Between {  // both ends allowed; for lists, each element
  double low;
  double high;
};
inline constexpr double kNoLimit = std::numeric_limits<double>::infinity();
struct OneOf {
  std::vector<std::string> choices;
};
struct Takes {  // the placeholder in help; the default is N, X, TEXT or FILE by type
  std::string_view placeholder;
};
struct Short {  // -o beside --output
  char letter;
};
struct Required {};
struct SplitAtCommas {};

// One line of a Describe list, free of the struct's type.
struct Option {
  std::string name;          // kebab-case, without dashes
  std::string help;          // what it is, unit or choices, effect of more
  std::string placeholder;   // empty for a switch
  std::string default_text;  // empty where there is none
  char letter = 0;
  bool is_switch = false;
  bool default_on = false;  // of a switch; its help shows --no-NAME then
  bool is_list = false;
  bool split_at_commas = false;
  bool required = false;
  std::vector<std::string> choices;
  std::optional<Between> range;
  // Parses and stores; `append` adds to a list instead of replacing it. The message opens with `where`.
  std::function<Status(void* options, std::string_view text, bool append, std::string_view where)> assign;

  std::string Flag() const { return "--" + name; }
  std::string Variable() const;  // OCTET_MAX_BATCH
};

namespace internal {

Status ParseValue(std::string_view text, std::string_view where, bool& out);
Status ParseValue(std::string_view text, std::string_view where, double& out);
Status ParseInteger(std::string_view text, std::string_view where, int64_t low, uint64_t high, bool& negative,
                    uint64_t& magnitude);
Status CheckRange(double value, const Between& range, std::string_view text, std::string_view where);
Status CheckChoice(std::string_view text, const std::vector<std::string>& choices, std::string_view where);
std::vector<std::string_view> CommaList(std::string_view text);
std::string PrintNumber(double value);

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

template <Integer T>
Status ParseValue(std::string_view text, std::string_view where, T& out) {
  bool negative = false;
  uint64_t magnitude = 0;
  OCTET_TRY(ParseInteger(text, where, static_cast<int64_t>(std::numeric_limits<T>::min()),
                         static_cast<uint64_t>(std::numeric_limits<T>::max()), negative, magnitude));
  out = static_cast<T>(negative ? uint64_t{0} - magnitude : magnitude);
  return {};
}
inline Status ParseValue(std::string_view text, std::string_view where, float& out) {
  double value = 0;
  OCTET_TRY(ParseValue(text, where, value));
  out = static_cast<float>(value);
  return {};
}
inline Status ParseValue(std::string_view text, std::string_view, std::string& out) {
  out = text;
  return {};
}
inline Status ParseValue(std::string_view text, std::string_view, std::filesystem::path& out) {
  out = text;
  return {};
}

// Of a bool, integer, number, text or path, of optional and vector of it: the innermost type.
template <class T>
struct Innermost {
  using type = T;
};
template <class T>
struct Innermost<std::optional<T>> {
  using type = T;
};
template <class T>
struct Innermost<std::vector<T>> {
  using type = T;
};

template <class T>
std::string Print(const T& value) {
  if constexpr (std::same_as<T, bool>)
    return value ? "on" : "off";
  else if constexpr (std::floating_point<T>)
    return PrintNumber(static_cast<double>(value));
  else
    return Cat(value);
}
template <class T>
std::string Print(const std::optional<T>& value) {
  return value ? Print(*value) : std::string();
}
template <class T>
std::string Print(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) text += (text.empty() ? "" : ",") + Print(value);
  return text;
}

template <class T>
Status ParseChecked(std::string_view text, std::string_view where, const Option& option, T& out) {
  if (!option.choices.empty()) OCTET_TRY(CheckChoice(text, option.choices, where));
  OCTET_TRY(ParseValue(text, where, out));
  if constexpr (std::is_arithmetic_v<T>) {
    if (option.range) OCTET_TRY(CheckRange(static_cast<double>(out), *option.range, text, where));
  }
  return {};
}

template <class T>
Status Store(std::string_view text, bool, std::string_view where, const Option& option, T& out) {
  T value{};
  OCTET_TRY(ParseChecked(text, where, option, value));
  out = std::move(value);
  return {};
}
template <class T>
Status Store(std::string_view text, bool, std::string_view where, const Option& option, std::optional<T>& out) {
  T value{};
  OCTET_TRY(ParseChecked(text, where, option, value));
  out = std::move(value);
  return {};
}
template <class T>
Status Store(std::string_view text, bool append, std::string_view where, const Option& option, std::vector<T>& out) {
  std::vector<T> values;
  const std::vector<std::string_view> parts = option.split_at_commas ? CommaList(text) : std::vector{text};
  for (const std::string_view part : parts) OCTET_TRY(ParseChecked(part, where, option, values.emplace_back()));
  if (!append) out.clear();
  out.insert(out.end(), std::make_move_iterator(values.begin()), std::make_move_iterator(values.end()));
  return {};
}

inline void Modify(Option& option, Between range) { option.range = range; }
inline void Modify(Option& option, OneOf one_of) { option.choices = std::move(one_of.choices); }
inline void Modify(Option& option, Takes takes) { option.placeholder = takes.placeholder; }
inline void Modify(Option& option, Short letter) { option.letter = letter.letter; }
inline void Modify(Option& option, Required) { option.required = true; }
inline void Modify(Option& option, SplitAtCommas) { option.split_at_commas = true; }

template <class T>
std::string_view Placeholder() {
  if constexpr (std::same_as<T, bool>)
    return "";
  else if constexpr (std::integral<T>)
    return "N";
  else if constexpr (std::floating_point<T>)
    return "X";
  else if constexpr (std::same_as<T, std::string>)
    return "TEXT";
  else
    return "FILE";
}

template <class T>
Option TypedOption(std::string_view name, std::string_view help, const T& value) {
  using Value = typename Innermost<T>::type;
  Option option;
  option.name = name;
  option.help = help;
  option.placeholder = Placeholder<Value>();
  option.default_text = Print(value);
  option.is_list = std::same_as<T, std::vector<Value>>;
  option.is_switch = std::same_as<Value, bool> && !option.is_list;
  option.default_on = option.is_switch && option.default_text == "on";
  option.split_at_commas = option.is_list && std::is_arithmetic_v<Value>;
  return option;
}

// Collects the lines of a Describe list; `locate` finds the struct inside the outermost one.
template <class Outer, class Options>
struct Collector {
  std::vector<Option>& list;
  std::function<Options&(Outer&)> locate;

  template <class Member>
  void operator()(Member Options::*member) {
    std::function<Member&(Outer&)> inner = [outer = locate, member](Outer& options) -> Member& {
      return outer(options).*member;
    };
    Member::Describe(Collector<Outer, Member>{list, std::move(inner)});
  }

  template <class Member, class... Modifiers>
  void operator()(Member Options::*member, std::string_view name, std::string_view help, Modifiers... modifiers) {
    Outer defaults{};
    Option option = TypedOption(name, help, locate(defaults).*member);
    (Modify(option, modifiers), ...);
    const Option checks = option;
    option.assign = [checks, outer = locate, member](void* options, std::string_view text, bool append,
                                                     std::string_view where) {
      return Store(text, append, where, checks, outer(*static_cast<Outer*>(options)).*member);
    };
    list.push_back(std::move(option));
  }
};

}  // namespace internal

// The lines of Options::Describe in their order.
template <class Options>
std::vector<Option> OptionList() {
  std::vector<Option> list;
  Options::Describe(internal::Collector<Options, Options>{list, [](Options& options) -> Options& { return options; }});
  return list;
}

}  // namespace octet
