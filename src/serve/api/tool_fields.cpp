#include "serve/api/tool_fields.h"

#include <algorithm>
#include <utility>

#include "base/cat.h"

namespace octet::serve {
namespace {

constexpr size_t kMostTools = 256, kLongestToolName = 64;
// An answer that has to call could else go on with calls for ever.
constexpr size_t kMostForcedCalls = 16;

bool IsToolName(const std::string& name) {
  return !name.empty() && name.size() <= kLongestToolName && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

std::optional<size_t> Find(const std::vector<Tool>& tools, std::string_view name) {
  const auto place = std::find_if(tools.begin(), tools.end(), [&](const Tool& tool) { return tool.name == name; });
  if (place == tools.end()) return std::nullopt;
  return static_cast<size_t>(place - tools.begin());
}

void ReadTool(Fields& fields, const Json& entry, ToolWish& wish) {
  const std::string where = Cat("tools[", wish.tools.size(), "]");
  const Json* type = FindMember(entry, "type");
  const Json* function = FindMember(entry, "function");
  if (type == nullptr || *type != "function" || function == nullptr)
    return fields.Refuse(where, "is no tool of the type `function` with a `function`");
  const Json* name = FindMember(*function, "name");
  Tool tool;
  if (name != nullptr && name->is_string()) tool.name = name->get<std::string>();
  if (!IsToolName(tool.name))
    return fields.Refuse(where + ".function.name",
                         Cat("isn't 1 to ", kLongestToolName, " letters, digits, `_`, `-` and `.`"));
  if (Find(wish.tools, tool.name)) return fields.Refuse(where + ".function.name", "is the name of another tool, too");
  if (const Json* parameters = FindMember(*function, "parameters")) {
    if (!parameters->is_object()) return fields.Refuse(where + ".function.parameters", "is no JSON Schema");
    tool.parameters = *parameters;
  }
  wish.tools.push_back(std::move(tool));
}

void ReadChoice(Fields& fields, ToolWish& wish) {
  const Json* choice = fields.Any("tool_choice");
  if (choice == nullptr) {
    wish.choice = wish.tools.empty() ? ToolWish::Choice::kNone : ToolWish::Choice::kAuto;
    return;
  }
  if (*choice == "none") return;
  if (wish.tools.empty()) return fields.Refuse("tool_choice", "is given without `tools`");
  if (*choice == "auto") {
    wish.choice = ToolWish::Choice::kAuto;
    return;
  }
  wish.choice = ToolWish::Choice::kRequired;
  if (*choice == "required") return;
  const Json* type = FindMember(*choice, "type");
  const Json* function = FindMember(*choice, "function");
  const Json* name = function == nullptr ? nullptr : FindMember(*function, "name");
  if (type == nullptr || *type != "function" || name == nullptr || !name->is_string())
    return fields.Refuse("tool_choice", "is none of `none`, `auto`, `required` and an object that names a function");
  wish.named = Find(wish.tools, name->get_ref<const std::string&>());
  if (!wish.named)
    fields.Refuse("tool_choice", Cat("names `", name->get_ref<const std::string&>().substr(0, kLongestToolName),
                                     "`, which is none of `tools`"));
}

}  // namespace

ToolWish ReadTools(Fields& fields) {
  ToolWish wish;
  if (const Json* list = fields.List("tools", kMostTools)) {
    if (list->empty()) fields.Refuse("tools", "is empty; leave it out");
    for (const Json& entry : *list) {
      ReadTool(fields, entry, wish);
      if (fields.failed()) return wish;
    }
    wish.list = *list;
  }
  ReadChoice(fields, wish);
  wish.parallel = fields.Bool("parallel_tool_calls").value_or(true);
  return wish;
}

ToolCallRules RulesOf(const ToolWish& wish, ToolFormat format) {
  ToolCallRules rules{.format = format};
  for (const Tool& tool : wish.tools) rules.names.push_back(tool.name);
  if (!wish.parallel) rules.most_calls = 1;
  rules.begins_behind_mark = wish.forced() && format != ToolFormat::kLlama3;
  return rules;
}

ApiResult<GrammarSource> ForcedCalls(const ToolWish& wish, ToolFormat format) {
  std::vector<Tool> tools = wish.tools;
  if (wish.named) tools = {wish.tools[*wish.named]};
  for (Tool& tool : tools) {
    if (tool.parameters.is_null()) continue;
    if (!tool.parameters.contains("type")) tool.parameters["type"] = "object";
    if (tool.parameters["type"] != "object")
      return tl::unexpected(WrongField(
          "tools", Cat("the parameters of `", tool.name, "` aren't of the type `object`; a call's arguments are one")));
  }
  const bool one = wish.named.has_value() || !wish.parallel;
  return CallGrammar(format, tools, one ? 1 : kMostForcedCalls);
}

}  // namespace octet::serve
