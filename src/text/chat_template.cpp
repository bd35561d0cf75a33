#include "text/chat_template.h"

#include <algorithm>
#include <utility>

#include "text/chat_inputs.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/parser.h"

namespace octet {
namespace {

std::tm LocalTime() {
  const std::time_t seconds = std::time(nullptr);
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

// What a piece takes beside its text: the object, and what the allocator adds.
constexpr size_t kPieceBytes = sizeof(TextPiece) + 32;

// The values are gone by now, so the limit of memory is that of the text and its pieces.
Result<std::vector<TextPiece>> PiecesOf(const jinja::MarkedString& text, size_t memory_bytes, std::string_view where) {
  const size_t bytes = text.memory() + text.size() + text.runs() * kPieceBytes;
  if (bytes > memory_bytes) {
    return Fail(ErrorCode::kInvalidArgument, where, ": ", text.runs(), " pieces, from the template and from data by ",
                "turns, take ", bytes, " bytes, the limit is ", memory_bytes);
  }
  std::vector<TextPiece> pieces;
  pieces.reserve(text.runs());
  text.ForEachRun([&](std::string_view run, bool trusted) { pieces.push_back({std::string(run), trusted}); });
  return pieces;
}

// Adds the steps that were spent to `spent`.
Result<jinja::MarkedString> RenderBody(const jinja::Block& body, const Json& inputs, const RenderLimits& limits,
                                       std::string_view where, uint64_t& spent) {
  const jinja::Limits inner{limits.steps, limits.depth, limits.output_bytes, limits.memory_bytes};
  jinja::Evaluator evaluator(inner, limits.now ? *limits.now : LocalTime());
  const jinja::Inputs variables = OCTET_TRY(ChatVariables(evaluator.budget(), inputs));
  Result<jinja::MarkedString> text = evaluator.Render(body, variables);
  spent += evaluator.budget().spent();
  if (!text) return Prefixed(std::move(text).error(), Cat(where, ":", evaluator.line(), ": "));
  return text;
}

constexpr std::string_view kSystemNeedle = "needle-system", kUserNeedle = "needle-user", kToolNeedle = "needle_tool",
                           kResultNeedle = "needle-result", kArgumentNeedle = "needle-argument";

Json Message(std::string_view role, Json content) { return {{"role", role}, {"content", std::move(content)}}; }

// What a template does with short conversations. All share few steps: published templates take some thousand each, and
// one that loops for ever must not hold up loading for more than a fraction of a second.
constexpr uint64_t kProbeSteps = 400'000;

class Prober {
 public:
  Prober(const jinja::Block& body, std::string_view where) : body_(body), where_(where) {}

  TemplateAbilities Run();

 private:
  // The prompt, empty where the template refuses the conversation.
  std::string Render(Json inputs) {
    inputs["bos_token"] = inputs["eos_token"] = "";
    RenderLimits limits;
    limits.steps = kProbeSteps - std::min(spent_, kProbeSteps);
    limits.memory_bytes = size_t{16} << 20;
    const auto text = RenderBody(body_, inputs, limits, where_, spent_);
    return text ? std::string(text->text()) : std::string();
  }
  bool Reaches(std::string_view needle, Json messages, Json more = Json::object()) {
    more["messages"] = std::move(messages);
    return Render(std::move(more)).find(needle) != std::string::npos;
  }

  const jinja::Block& body_;
  std::string_view where_;
  uint64_t spent_ = 0;
};

Json ToolCalls() {
  const Json function = {{"name", kToolNeedle}, {"arguments", {{"value", kArgumentNeedle}}}};
  return Json::array({{{"type", "function"}, {"id", "call00001"}, {"function", function}}});
}

TemplateAbilities Prober::Run() {
  const Json user = Message("user", std::string(kUserNeedle));
  const Json typed = Message("user", Json::array({{{"type", "text"}, {"text", kUserNeedle}}}));
  TemplateAbilities abilities;
  abilities.text_content = Reaches(kUserNeedle, Json::array({user}));
  const std::string typed_text = Render({{"messages", Json::array({typed})}});
  // A template that knows nothing of parts prints the list as Python or JSON writes it.
  abilities.typed_content = typed_text.find(kUserNeedle) != std::string::npos &&
                            typed_text.find("'type'") == std::string::npos &&
                            typed_text.find("\"type\"") == std::string::npos;
  const Json& question = abilities.text_content ? user : typed;
  abilities.system_role =
      Reaches(kSystemNeedle, Json::array({Message("system", std::string(kSystemNeedle)), question}));

  const Json parameters = {{"type", "object"},
                           {"properties", {{"value", {{"type", "string"}, {"description", "a value"}}}}}};
  const Json function = {{"name", kToolNeedle}, {"description", "a tool"}, {"parameters", parameters}};
  abilities.tools = Reaches(kToolNeedle, Json::array({question}),
                            {{"tools", Json::array({{{"type", "function"}, {"function", function}}})}});

  Json call = Message("assistant", "");
  call["tool_calls"] = ToolCalls();
  Json result = Message("tool", std::string(kResultNeedle));
  result["name"] = kToolNeedle;
  result["tool_call_id"] = "call00001";
  abilities.tool_calls = Reaches(kArgumentNeedle, Json::array({question, call, result}));
  abilities.tool_results = Reaches(kResultNeedle, Json::array({question, call, result}));

  const auto thinks = [&](bool enabled) {
    return Render(
        {{"messages", Json::array({question})}, {"add_generation_prompt", true}, {"enable_thinking", enabled}});
  };
  abilities.thinking = thinks(true) != thinks(false);
  return abilities;
}

}  // namespace

std::string JoinPieces(const std::vector<TextPiece>& pieces) {
  std::string joined;
  for (const TextPiece& piece : pieces) joined += piece.text;
  return joined;
}

struct ChatTemplate::State {
  std::string source;
  std::string where;
  jinja::Block body;
  TemplateAbilities abilities;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const State> state) : state_(std::move(state)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

const TemplateAbilities& ChatTemplate::abilities() const { return state_->abilities; }
const std::string& ChatTemplate::source() const { return state_->source; }

Result<ChatTemplate> ChatTemplate::Parse(std::string source, std::string_view where) {
  auto state = std::make_unique<State>();
  state->source = std::move(source);
  state->where = where;
  state->body = OCTET_TRY(jinja::ParseTemplate(state->source, where));
  state->abilities = Prober(state->body, where).Run();
  return ChatTemplate(std::move(state));
}

Result<std::vector<TextPiece>> ChatTemplate::Render(const Json& inputs, const RenderLimits& limits) const {
  const Json fitted = OCTET_TRY(FitContent(inputs, state_->abilities));
  uint64_t spent = 0;
  auto rendered = RenderBody(state_->body, fitted, limits, state_->where, spent);
  if (!rendered) {
    // A template that passes a limit will pass it again: the caller must change it, not wait.
    Error error = std::move(rendered).error();
    if (error.code == ErrorCode::kExhausted) error.code = ErrorCode::kInvalidArgument;
    return tl::unexpected<Error>(std::move(error));
  }
  return PiecesOf(*rendered, limits.memory_bytes, state_->where);
}

}  // namespace octet
