#include "serve/api/anthropic_reply.h"

#include <utility>

#include "base/cat.h"
#include "base/json_text.h"

namespace octet::serve {
namespace {

Json TextBlock(std::string_view text) { return {{"type", "text"}, {"text", text}}; }

class AnthropicShape : public ReplyShape {
 public:
  explicit AnthropicShape(AnthropicReplyWish wish) : wish_(std::move(wish)) {}

  Json Whole(std::span<const ChoiceState> answers) override {
    const ChoiceState& answer = answers[0];
    Json json = Message();
    ParsedAnswer parsed{.text = answer.text};
    if (wish_.calls) parsed = ParseAnswer(*wish_.calls, answer.text);
    Json& content = json["content"];
    if (!parsed.text.empty() || parsed.calls.empty()) content.push_back(TextBlock(parsed.text));
    for (const AnswerPiece& call : parsed.calls) content.push_back(ToolUse(call, Input(call)));
    json.update(Stop(answer, !parsed.calls.empty()));
    json["usage"] = Usage(answer);
    return json;
  }

  std::string Delta(const ChoiceDelta& delta) override {
    std::string frames;
    if (delta.first) {
      Json message = Message();
      message["usage"] = {{"input_tokens", wish_.prompt_tokens}, {"output_tokens", delta.tokens.size()}};
      frames += NamedFrame("message_start", {{"type", "message_start"}, {"message", std::move(message)}});
      if (wish_.calls) parser_.emplace(*wish_.calls);
      if (!parser_) frames += BeginBlock(TextBlock(""));
    }
    if (!parser_)
      return delta.text.empty() ? frames : frames + BlockDelta({{"type", "text_delta"}, {"text", delta.text}});
    for (const AnswerPiece& piece : parser_->Push(delta.text)) frames += Piece(piece);
    return frames;
  }

  std::string End(std::span<const ChoiceState> answers) override {
    std::string frames;
    if (parser_) {
      for (const AnswerPiece& piece : parser_->Finish()) frames += Piece(piece);
    }
    if (blocks_ == 0) frames += BeginBlock(TextBlock(""));
    frames += EndBlock();
    const Json stop = Stop(answers[0], parser_ && parser_->calls() > 0);
    frames += NamedFrame("message_delta", {{"type", "message_delta"}, {"delta", stop}, {"usage", Usage(answers[0])}});
    return frames += NamedFrame("message_stop", {{"type", "message_stop"}});
  }

  std::string Failure(const ApiError& error) override { return NamedFrame("error", AnthropicErrorJson(error)); }

  HttpReply Refusal(const ApiError& error) override { return AnthropicError(error); }

 private:
  enum class Open { kNone, kText, kTool };  // of the block that is being sent

  Json Message() const {
    return {{"id", wish_.id},           {"type", "message"},      {"role", "assistant"},     {"model", wish_.model},
            {"content", Json::array()}, {"stop_reason", nullptr}, {"stop_sequence", nullptr}};
  }

  Json ToolUse(const AnswerPiece& call, Json input) const {
    return {{"type", "tool_use"},
            {"id", MakeCallId(wish_.calls->format, "toolu_")},
            {"name", call.name},
            {"input", std::move(input)}};
  }

  // The parser has seen that it is an object.
  static Json Input(const AnswerPiece& call) { return ParseJson(call.arguments, "input").value_or(Json::object()); }

  // A block is open while text comes; a call is told whole.
  std::string Piece(const AnswerPiece& piece) {
    std::string frames;
    if (!piece.is_call()) {
      if (open_ != Open::kText) {
        frames += EndBlock();
        frames += BeginBlock(TextBlock(""));
      }
      return frames += BlockDelta({{"type", "text_delta"}, {"text", piece.text}});
    }
    frames += EndBlock();
    frames += BeginBlock(ToolUse(piece, Json::object()));
    open_ = Open::kTool;
    return frames += BlockDelta({{"type", "input_json_delta"}, {"partial_json", piece.arguments}});
  }

  std::string BeginBlock(const Json& block) {
    open_ = Open::kText;
    return NamedFrame("content_block_start",
                      {{"type", "content_block_start"}, {"index", blocks_++}, {"content_block", block}});
  }
  std::string BlockDelta(const Json& delta) const {
    return NamedFrame("content_block_delta",
                      {{"type", "content_block_delta"}, {"index", blocks_ - 1}, {"delta", delta}});
  }
  std::string EndBlock() {
    if (std::exchange(open_, Open::kNone) == Open::kNone) return {};
    return NamedFrame("content_block_stop", {{"type", "content_block_stop"}, {"index", blocks_ - 1}});
  }

  Json Stop(const ChoiceState& answer, bool calls) const {
    if (answer.finish == FinishReason::kLength) return {{"stop_reason", "max_tokens"}, {"stop_sequence", nullptr}};
    if (answer.stop_string)
      return {{"stop_reason", "stop_sequence"}, {"stop_sequence", wish_.stops[*answer.stop_string]}};
    return {{"stop_reason", calls ? "tool_use" : "end_turn"}, {"stop_sequence", nullptr}};
  }

  // Here a cached token doesn't count as input a second time.
  Json Usage(const ChoiceState& answer) const {
    const size_t cached = answer.usage.timings.cached_tokens;
    return {{"input_tokens", wish_.prompt_tokens - cached},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", cached},
            {"output_tokens", answer.tokens.size()}};
  }

  const AnthropicReplyWish wish_;
  std::optional<ToolCallParser> parser_;
  Open open_ = Open::kNone;
  size_t blocks_ = 0;  // begun
};

}  // namespace

std::unique_ptr<ReplyShape> MakeAnthropicReply(AnthropicReplyWish wish) {
  return std::make_unique<AnthropicShape>(std::move(wish));
}

Json AnthropicErrorJson(const ApiError& error) {
  std::string_view type = error.type;
  if (error.status == 404) type = "not_found_error";
  if (error.status == 413) type = "request_too_large";
  if (error.status == 503) type = "overloaded_error";
  if (error.status == 500) type = "api_error";
  return {{"type", "error"}, {"error", {{"type", type}, {"message", error.message}}}};
}

HttpReply AnthropicError(const ApiError& error) {
  HttpReply reply = ErrorReply(error);
  reply.body = Dump(AnthropicErrorJson(error)) + "\n";
  return reply;
}

}  // namespace octet::serve
