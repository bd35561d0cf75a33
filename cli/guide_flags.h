// The flags that say what an answer must look like, for every verb that generates.
//
//   struct RunOptions { GuideFlags guide; ... visit(&RunOptions::guide); };
//   std::optional<GrammarSource> guide = OCTET_TRY(ReadGuide(options.guide));
//   if (guide) request.grammar = OCTET_TRY(engine->grammars().Compile(*guide));
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "engine/grammar/grammar_source.h"

namespace octet::cli {

struct GuideFlags {
  bool json_object = false;
  std::filesystem::path json_schema;
  std::optional<std::string> regex;
  std::filesystem::path grammar;
  std::vector<std::string> choice;

  template <class Visit>
  static void Describe(Visit&& visit) {
    using F = GuideFlags;
    visit(&F::json_object, "json-object", "the answer is a JSON object");
    visit(&F::json_schema, "json-schema", "file with a JSON Schema; the answer is JSON that is valid by it");
    visit(&F::regex, "regex", "regular expression; the whole answer matches it", Takes{"PATTERN"});
    visit(&F::grammar, "grammar", "file with rules in GBNF; the answer is what its rule `root` makes");
    visit(&F::choice, "choice", "the answer is this text or that of another --choice; may be repeated");
  }
};

// Absent where none is given. Reads the files and compiles the grammar once, so that what is wrong with it is said
// before a model is opened. Fails with invalid_argument where more than one kind is given.
Result<std::optional<GrammarSource>> ReadGuide(const GuideFlags& flags);

}  // namespace octet::cli
