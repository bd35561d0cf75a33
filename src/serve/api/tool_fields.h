// tools, tool_choice and parallel_tool_calls of a request: which functions a model may call, and whether it has to.
//
//   ToolWish wish = ReadTools(fields);
//   if (wish.offered()) inputs["tools"] = wish.list;
//   if (wish.forced()) source = ForcedCalls(wish, format);
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/grammar/grammar_source.h"
#include "serve/api/fields.h"
#include "serve/api/tool_call_parser.h"
#include "serve/api/tool_format.h"

namespace octet::serve {

struct ToolWish {
  enum class Choice { kNone, kAuto, kRequired };

  Json list = Json::array();  // as it was given, for the template
  std::vector<Tool> tools = {};
  Choice choice = Choice::kNone;
  std::optional<size_t> named = {};  // the one of `tools` that has to be called
  bool parallel = true;              // several calls in one answer

  // The model is shown the tools; with the choice `none` it isn't, so that it doesn't call them.
  bool offered() const { return choice != Choice::kNone; }
  bool forced() const { return choice == Choice::kRequired; }
};

// Refuses an empty list, what is no function with a name of its own, a choice without tools, and a name that isn't
// there. Without tools nothing is offered.
ToolWish ReadTools(Fields& fields);

// What finds the calls in an answer. Requires wish.offered().
ToolCallRules RulesOf(const ToolWish& wish, ToolFormat format);

// The grammar of an answer that has to call. Fails where a tool's parameters aren't an object's schema. Requires
// wish.forced() and a format.
ApiResult<GrammarSource> ForcedCalls(const ToolWish& wish, ToolFormat format);

}  // namespace octet::serve
