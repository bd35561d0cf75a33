// Regular expressions as tokenizer.json writes them, run by PCRE2.
//
//   Regex regex = OCTET_TRY(Regex::Compile("\\p{N}{1,3}", "tokenizer.json"));
//   regex.ForEachMatch(text, [](size_t begin, size_t end) { ... });
//
// The files mean Oniguruma's dialect: \s is Unicode white space, \d a decimal digit, \w a Unicode word character, ^ and
// $ match at lines. Known tokenizer patterns have scanners of their own: text/pattern_scanner.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct pcre2_real_code_8;

namespace octet {

class Regex {
 public:
  static Result<Regex> Compile(std::string_view pattern, std::string_view where);

  // Calls found(begin, end) for each match from left to right; matches don't overlap and may be empty. A pattern that
  // takes more steps than PCRE2's limit ends the search there.
  void ForEachMatch(std::string_view text, const std::function<void(size_t begin, size_t end)>& found) const;

 private:
  std::shared_ptr<const pcre2_real_code_8> code_;
};

// The same expression in PCRE2's dialect.
std::string TranslatePattern(std::string_view oniguruma);

// A pattern that matches the text itself.
std::string EscapePattern(std::string_view text);

}  // namespace octet
