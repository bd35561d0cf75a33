// Any bytes as a chat template, rendered over a short conversation with small limits.
#include <cstddef>
#include <cstdint>
#include <string>

#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto chat = octet::ChatTemplate::Parse(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!chat) return 0;
  const octet::Json inputs = {
      {"messages",
       octet::Json::array({{{"role", "system"}, {"content", "s \xC3\xA9"}}, {{"role", "user"}, {"content", "a<b>"}}})},
      {"tools", octet::Json::array({{{"name", "f"}, {"parameters", {{"n", 1.5}, {"z", nullptr}}}}})},
      {"bos_token", "<s>"},
      {"add_generation_prompt", true}};
  octet::RenderLimits limits;
  limits.steps = 100'000;
  limits.output_bytes = 1 << 20;
  limits.memory_bytes = 16 << 20;
  (void)chat->Render(inputs, limits);
  return 0;
}
