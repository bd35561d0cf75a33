#include "base/options_reader.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/mapped_file.h"
#include "base/nearest.h"

namespace octet {
namespace {

constexpr size_t kLargestFile = size_t{1} << 20;

// A flag found on the command line with its text, not yet parsed.
struct Given {
  const Option* option;
  std::string text;
  std::string where;  // the flag as written
};

const Option* FindOption(const std::vector<Option>& list, std::string_view name) {
  for (const Option& option : list) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

const Option* FindLetter(const std::vector<Option>& list, char letter) {
  for (const Option& option : list) {
    if (option.letter == letter) return &option;
  }
  return nullptr;
}

// Splits the words of a command line into flags and the rest.
class WordReader {
 public:
  WordReader(const OptionInput& input, const std::vector<Option>& list) : input_(input), list_(list) {}

  Status Read() {
    while (next_ < input_.words.size()) {
      const std::string& word = input_.words[next_++];
      if (word == "--") {
        rest_.insert(rest_.end(), input_.words.begin() + static_cast<ptrdiff_t>(next_), input_.words.end());
        return {};
      }
      if (word.size() < 2 || word[0] != '-') {
        rest_.push_back(word);
      } else {
        OCTET_TRY(ReadFlag(word));
      }
    }
    return {};
  }

  const std::vector<Given>& given() const { return given_; }
  std::vector<std::string>& rest() { return rest_; }

 private:
  Status ReadFlag(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string flag = word.substr(0, equals);
    std::optional<std::string> text;
    if (equals != std::string::npos) text = word.substr(equals + 1);

    const bool negated = flag.starts_with("--no-");
    const Option* option = Named(flag);
    if (option != nullptr)
      return option->is_switch ? Add(option, text.value_or("true"), flag) : ReadValue(option, flag, text);
    const Option* positive = negated ? FindOption(list_, flag.substr(5)) : nullptr;
    if (positive == nullptr || !positive->is_switch) return Unknown(flag);
    if (text) return Fail(ErrorCode::kInvalidArgument, flag, " takes no value; write ", positive->Flag(), "=", *text);
    return Add(positive, "false", flag);
  }

  const Option* Named(std::string_view flag) const {
    if (flag.starts_with("--")) return FindOption(list_, flag.substr(2));
    return flag.size() == 2 ? FindLetter(list_, flag[1]) : nullptr;
  }

  Status ReadValue(const Option* option, const std::string& flag, const std::optional<std::string>& text) {
    if (text) return Add(option, *text, flag);
    const bool missing =
        next_ == input_.words.size() || (input_.words[next_].starts_with("--") && IsFlag(input_.words[next_]));
    if (missing) return Fail(ErrorCode::kInvalidArgument, flag, " needs a value: ", flag, " ", option->placeholder);
    return Add(option, input_.words[next_++], flag);
  }

  bool IsFlag(const std::string& word) const {
    return word == "--" || Named(word.substr(0, word.find('='))) != nullptr;
  }

  Status Add(const Option* option, std::string text, const std::string& where) {
    given_.push_back({option, std::move(text), where});
    return {};
  }

  Status Unknown(const std::string& flag) const {
    std::vector<std::string> names = FlagNames(list_);
    for (const Option& option : list_) {
      if (option.is_switch) names.push_back("--no-" + option.name);
    }
    const std::optional<std::string> nearest = Nearest(flag, names);
    const std::string hint = nearest ? Cat("; did you mean ", *nearest, "?") : std::string(";");
    return Fail(ErrorCode::kInvalidArgument, "unknown option ", flag, hint, " `", input_.help_command, "` lists all");
  }

  const OptionInput& input_;
  const std::vector<Option>& list_;
  size_t next_ = 0;
  std::vector<Given> given_;
  std::vector<std::string> rest_;
};

// The file named by the option `config` in flags, else in the environment.
std::optional<std::string> ConfigFile(const OptionInput& input, const std::vector<Given>& given) {
  std::optional<std::string> file;
  const auto variable = input.environment.find("OCTET_CONFIG");
  if (variable != input.environment.end()) file = variable->second;
  for (const Given& flag : given) {
    if (flag.option->name == "config") file = flag.text;
  }
  return file;
}

// The option's own limits go before those of its type: -1 is outside 0..1024, not outside what 64 bits hold.
Status CheckLimits(const Option& option, std::string_view text, std::string_view where) {
  if (!option.range) return {};
  const std::vector<std::string_view> parts =
      option.split_at_commas ? internal::CommaList(text) : std::vector<std::string_view>{text};
  for (const std::string_view part : parts) {
    double value = 0;
    if (internal::ParseValue(part, where, value)) OCTET_TRY(internal::CheckRange(value, *option.range, part, where));
  }
  return {};
}

Status Assign(const Option& option, void* options, std::string_view text, bool append, std::string_view where) {
  OCTET_TRY(CheckLimits(option, text, where));
  return option.assign(options, text, append, where);
}

Status StoreYaml(const YAML::Node& value, const Option& option, const std::string& where, void* options) {
  if (value.IsScalar()) return Assign(option, options, value.Scalar(), /*append=*/false, where);
  if (!value.IsSequence() || !option.is_list) {
    return Fail(ErrorCode::kInvalidArgument, where, " takes ", option.is_list ? "a list" : "one value");
  }
  bool append = false;
  for (const YAML::Node& element : value) {
    if (!element.IsScalar())
      return Fail(ErrorCode::kInvalidArgument, where, ": a list inside the list; single values are expected");
    OCTET_TRY(Assign(option, options, element.Scalar(), append, where));
    append = true;
  }
  return {};
}

Status StoreYamlMapping(const YAML::Node& root, std::string_view where, const std::vector<Option>& list, void* options,
                        std::set<std::string>& seen) {
  if (!root.IsMap())
    return Fail(ErrorCode::kInvalidArgument, where, ": a mapping of option names to values is expected");
  for (const auto& entry : root) {
    if (!entry.first.IsScalar()) return Fail(ErrorCode::kInvalidArgument, where, ": a key is not a text");
    const std::string& key = entry.first.Scalar();
    if (key == "config") {
      return Fail(ErrorCode::kInvalidArgument, where,
                  ": the key `config`; a file can't name another, put all keys into one file");
    }
    const Option* option = FindOption(list, key);
    if (option == nullptr) {
      return Fail(ErrorCode::kInvalidArgument, where, ": unknown key `", key, "`", DidYouMean(key, KeyNames(list)));
    }
    if (!seen.insert(key).second)
      return Fail(ErrorCode::kInvalidArgument, where, ": the key `", key, "` stands there twice");
    OCTET_TRY(StoreYaml(entry.second, *option, Cat(where, ": `", key, "`"), options));
  }
  return {};
}

bool IsMarker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r');
}

struct YamlOutline {
  size_t second_document = 0;  // the line that it begins on, or 0
  bool has_content = false;    // anything but comments, directives and markers
};

// Markers stand at the start of a line and nothing else can. yaml-cpp's own list of documents has no end for text such
// as `,a`, and its first document is nothing there.
YamlOutline OutlineOf(std::string_view yaml) {
  YamlOutline outline;
  bool begun = false, ended = false;
  for (size_t number = 1; !yaml.empty() && outline.second_document == 0; ++number) {
    const std::string_view line = yaml.substr(0, yaml.find('\n'));
    yaml.remove_prefix(std::min(line.size() + 1, yaml.size()));
    const size_t first = line.find_first_not_of(" \t\r");
    const bool is_start = IsMarker(line, "---");
    if (IsMarker(line, "...")) {
      ended = begun;
    } else if (first != std::string_view::npos && line[first] != '#' && (begun || line[first] != '%')) {
      if (begun && (is_start || ended)) outline.second_document = number;
      outline.has_content = outline.has_content || !is_start;
      begun = true;
    }
  }
  return outline;
}

// Stores the keys and adds their names to `seen`.
Status ReadYaml(std::string_view yaml, std::string_view where, const std::vector<Option>& list, void* options,
                std::set<std::string>& seen) {
  try {
    const YamlOutline outline = OutlineOf(yaml);
    if (outline.second_document != 0) {
      return Fail(ErrorCode::kInvalidArgument, where, ":", outline.second_document,
                  ": a second YAML document begins, one is expected; remove the `---` between them");
    }
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (root.IsNull() && !outline.has_content) return {};
    return StoreYamlMapping(root, where, list, options, seen);
  } catch (const YAML::Exception& error) {
    return Fail(ErrorCode::kInvalidArgument, where, ":", error.mark.line + 1, ": not YAML: ", error.msg);
  }
}

}  // namespace

std::vector<std::string> FlagNames(const std::vector<Option>& list) {
  std::vector<std::string> names;
  for (const Option& option : list) names.push_back(option.Flag());
  return names;
}

std::vector<std::string> KeyNames(const std::vector<Option>& list) {
  std::vector<std::string> names;
  for (const Option& option : list) names.push_back(option.name);
  return names;
}

Status ReadYamlOptions(std::string_view yaml, std::string_view where, const std::vector<Option>& list, void* options) {
  std::set<std::string> seen;
  return ReadYaml(yaml, where, list, options, seen);
}

Result<std::vector<std::string>> ReadOptions(const OptionInput& input, const std::vector<Option>& list, void* options) {
  WordReader words(input, list);
  OCTET_TRY(words.Read());

  std::set<std::string> stored;  // names, for the check of required ones
  if (const std::optional<std::string> file =
          FindOption(list, "config") ? ConfigFile(input, words.given()) : std::nullopt) {
    const std::string yaml = OCTET_TRY(ReadTextFile(*file, kLargestFile));
    OCTET_TRY(ReadYaml(yaml, *file, list, options, stored));
  }
  for (const Option& option : list) {
    const auto variable = input.environment.find(option.Variable());
    if (variable == input.environment.end()) continue;
    OCTET_TRY(Assign(option, options, variable->second, /*append=*/false, variable->first));
    stored.insert(option.name);
  }
  std::set<const Option*> flagged;
  for (const Given& flag : words.given()) {
    const bool append = !flagged.insert(flag.option).second;
    if (append && !flag.option->is_list)
      return Fail(ErrorCode::kInvalidArgument, flag.option->Flag(), " was given twice; it is one value, leave one out");
    OCTET_TRY(Assign(*flag.option, options, flag.text, append, flag.where));
    stored.insert(flag.option->name);
  }
  for (const Option& option : list) {
    if (option.required && !stored.contains(option.name)) {
      return Fail(ErrorCode::kInvalidArgument, option.Flag(), " ", option.placeholder, " is missing; `",
                  input.help_command, "` explains it");
    }
  }
  return std::move(words.rest());
}

}  // namespace octet
