// Which of the formats of calls a model's chat template is made for.
#include "serve/api/tool_format.h"

#include <gtest/gtest.h>

namespace octet::serve {
namespace {

TEST(ToolFormat, IsKnownByTheMarksOfTheTemplate) {
  const auto format = [](const std::string& marks) {
    const std::string source =
        "{% for m in messages %}{{ m.content }}{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}{# #}" + marks;
    return ToolFormatOf(*ChatTemplate::Parse(source, "test"));
  };
  EXPECT_EQ(format("<tool_call>"), ToolFormat::kHermes);
  EXPECT_EQ(format("[TOOL_CALLS]"), ToolFormat::kMistral);
  EXPECT_EQ(format("<|python_tag|>"), ToolFormat::kLlama3);
  EXPECT_EQ(format("{\"name\": x, \"parameters\": y}"), ToolFormat::kLlama3);
  EXPECT_EQ(format("<tool_call><function=x>"), ToolFormat::kNone) << "no JSON behind that mark";
  EXPECT_EQ(format(""), ToolFormat::kNone);
  EXPECT_EQ(ToolFormatOf(*ChatTemplate::Parse("{{ messages[0].content }}<tool_call>", "test")), ToolFormat::kNone);
  EXPECT_EQ(ToolFormatNamed("mistral"), ToolFormat::kMistral);
  EXPECT_EQ(ToolFormatNamed("auto"), std::nullopt);
}

}  // namespace
}  // namespace octet::serve
