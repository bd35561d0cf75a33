#include "quantize/calibration_text.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/counted.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "engine/prompt.h"
#include "formats/json_lines.h"
#include "models/hf_config.h"
#include "text/chat_template.h"
#include "text/find_template.h"
#include "text/open_tokenizer.h"

namespace octet {
namespace {

constexpr size_t kUsualContext = 512;
constexpr size_t kMostTextBytes = size_t{256} << 20;  // tokens of such a text take another gigabyte

// UTF-8 without NUL, which no text has: it is another kind of file.
Status CheckText(std::string_view text, std::string_view what) {
  const size_t nul = text.find('\0');
  if (nul != std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument, what, ": byte ", nul, " is NUL, so this is no text");
  }
  return CheckUtf8(text, what);
}

Result<size_t> WindowLength(const Checkpoint& checkpoint, size_t wanted) {
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  if (wanted == 0) return std::min(kUsualContext, spec.max_positions);
  if (wanted <= spec.max_positions) return wanted;
  return Fail(ErrorCode::kInvalidArgument, checkpoint.path, ": windows of ", wanted,
              " tokens are longer than the model's context of ", spec.max_positions);
}

// Turns samples into tokens.
class SampleEncoder {
 public:
  static Result<SampleEncoder> Open(const Checkpoint& checkpoint) {
    SampleEncoder encoder(OCTET_TRY(OpenTokenizer(checkpoint.path)));
    ChatTemplateSources sources = OCTET_TRY(ReadChatTemplates(checkpoint));
    if (!sources.text.empty())
      encoder.template_ = OCTET_TRY(ChatTemplate::Parse(std::move(sources.text), sources.where));
    return encoder;
  }

  const Tokenizer& tokenizer() const { return tokenizer_; }

  // `where` is the file and the number of the line.
  Result<std::vector<int32_t>> Encode(const Json& sample, const std::string& where) const {
    if (!sample.is_object()) return NoSample(where);
    if (const Json* messages = FindMember(sample, "messages")) return EncodeMessages(sample, *messages, where);
    const Json* text = FindMember(sample, "text");
    if (text == nullptr || !text->is_string()) return NoSample(where);
    const std::string& content = text->get_ref<const std::string&>();
    OCTET_TRY(CheckText(content, where));
    return tokenizer_.Encode(content, {.add_special = true, .parse_special = false});
  }

 private:
  explicit SampleEncoder(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}

  static tl::unexpected<Error> NoSample(const std::string& where) {
    return Fail(ErrorCode::kInvalidArgument, where,
                R"(: is no sample; a line is {"text": "..."} or {"messages": [{"role": "user", "content": "..."}]})");
  }

  Result<std::vector<int32_t>> EncodeMessages(const Json& sample, const Json& messages,
                                              const std::string& where) const {
    if (!template_) {
      return Fail(ErrorCode::kInvalidArgument, where,
                  ": has messages, and the model has no chat template to put them together by; give lines with `text`");
    }
    if (!messages.is_array() || messages.empty()) return NoSample(where);
    for (const Json& message : messages) {
      const Json* role = message.is_object() ? FindMember(message, "role") : nullptr;
      if (role == nullptr || !role->is_string()) return NoSample(where);
    }
    Json inputs = {{"messages", messages}, {"add_generation_prompt", false}};
    if (const Json* tools = FindMember(sample, "tools")) inputs["tools"] = *tools;
    if (tokenizer_.bos()) inputs["bos_token"] = tokenizer_.TokenText(*tokenizer_.bos());
    if (tokenizer_.eos()) inputs["eos_token"] = tokenizer_.TokenText(*tokenizer_.eos());
    const Result<std::vector<TextPiece>> pieces = template_->Render(inputs);
    if (!pieces) return Prefixed(pieces.error(), Cat(where, ": "));
    return tokenizer_.EncodeMarked(*pieces, /*add_special=*/false, template_->source());
  }

  Tokenizer tokenizer_;
  std::optional<ChatTemplate> template_;
};

// Tokens of the lines from the first on, until there are `wanted` or the file ends.
Result<std::vector<int32_t>> EncodeLines(const SampleEncoder& encoder, const std::filesystem::path& path,
                                         size_t wanted) {
  JsonLines lines = OCTET_TRY(JsonLines::Open(path));
  std::vector<int32_t> ids;
  while (ids.size() < wanted) {
    const std::optional<Json> sample = OCTET_TRY(lines.Next());
    if (!sample) break;
    const std::vector<int32_t> tokens = OCTET_TRY(encoder.Encode(*sample, lines.where()));
    ids.insert(ids.end(), tokens.begin(), tokens.end());
  }
  return ids;
}

Result<CalibrationText> CutWindows(std::span<const int32_t> ids, std::optional<int32_t> bos, std::string_view name,
                                   size_t context, size_t windows) {
  if (ids.size() < context) {
    return Fail(ErrorCode::kInvalidArgument, name, ": has ", Counted(ids.size(), "token"), ", a window takes ", context,
                "; give a longer text");
  }
  CalibrationText text;
  for (size_t first = 0; first + context <= ids.size() && text.size() < windows; first += context) {
    const std::span<const int32_t> window = ids.subspan(first, context);
    text.emplace_back(window.begin(), window.end());
    if (bos) text.back().front() = *bos;
  }
  return text;
}

bool IsJsonLines(const std::filesystem::path& file) {
  return file.extension() == ".jsonl" || file.extension() == ".ndjson";
}

}  // namespace

size_t TokensOf(const CalibrationText& text) {
  size_t tokens = 0;
  for (const std::vector<int32_t>& window : text) tokens += window.size();
  return tokens;
}

SplitText HoldOut(const CalibrationText& windows) {
  constexpr size_t kMostHeldOut = 16;
  OCTET_CHECK(!windows.empty());
  const size_t held_out = std::clamp(windows.size() / 4, size_t{1}, kMostHeldOut);
  const auto end = windows.end() - static_cast<std::ptrdiff_t>(held_out);
  if (end == windows.begin()) return {.calibrated = windows, .held_out = windows};
  return {.calibrated = {windows.begin(), end}, .held_out = {end, windows.end()}};
}

Result<CalibrationText> ReadCalibrationText(const Checkpoint& checkpoint, const std::filesystem::path& file,
                                            const CalibrationOptions& options) {
  if (!IsJsonLines(file)) {
    const std::string content = OCTET_TRY(ReadTextFile(file, kMostTextBytes));
    return CutCalibrationText(checkpoint, content, file.native(), options);
  }
  const size_t context = OCTET_TRY(WindowLength(checkpoint, options.context));
  const SampleEncoder encoder = OCTET_TRY(SampleEncoder::Open(checkpoint));
  const std::vector<int32_t> ids = OCTET_TRY(EncodeLines(encoder, file, context * options.windows));
  return CutWindows(ids, encoder.tokenizer().added_bos(), file.native(), context, options.windows);
}

Result<CalibrationText> CutCalibrationText(const Checkpoint& checkpoint, std::string_view content,
                                           std::string_view name, const CalibrationOptions& options) {
  OCTET_TRY(CheckText(content, name));
  const size_t context = OCTET_TRY(WindowLength(checkpoint, options.context));
  const Tokenizer tokenizer = OCTET_TRY(OpenTokenizer(checkpoint.path));
  const std::vector<int32_t> ids = tokenizer.Encode(content, {.add_special = false, .parse_special = false});
  return CutWindows(ids, tokenizer.added_bos(), name, context, options.windows);
}

}  // namespace octet
