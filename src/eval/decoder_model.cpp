#include "eval/decoder_model.h"

#include <algorithm>

#include "engine/model_files.h"
#include "nn/rope.h"

namespace octet {
namespace {

// Tokens in one forward pass where no logits are wanted.
constexpr size_t kPrefillTokens = 512;

Status CheckFiles(const ModelFiles& files, const DecoderModelOptions& options) {
  if (options.context > files.spec.max_positions) {
    return Fail(ErrorCode::kInvalidArgument, files.path, ": windows of ", options.context,
                " tokens are longer than the model's context of ", files.spec.max_positions,
                "; take a smaller --context");
  }
  if (!files.tokenizer) {
    return Fail(ErrorCode::kNotFound, files.path,
                ": has no tokenizer, so a text can't be cut into tokens; put tokenizer.json there");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DecoderModel>> DecoderModel::Open(const std::filesystem::path& path,
                                                         const DecoderModelOptions& options, ThreadPool& pool) {
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::WantedKernels());
  ModelFiles files = OCTET_TRY(ModelFiles::Open(path, {.compute = options.compute}, pool));
  OCTET_TRY(CheckFiles(files, options));
  Decoder decoder = OCTET_TRY(Decoder::Load(std::move(files.spec), *files.weights, options.cache));
  std::unique_ptr<DecoderModel> model(
      new DecoderModel(std::move(decoder), std::move(*files.tokenizer), *kernels, pool));
  model->execution_.cancel = options.cancel;
  OCTET_TRY(model->SetActivations(options.activations));
  OCTET_TRY(model->Reserve(options.context));
  return model;
}

DecoderModel::DecoderModel(Decoder decoder, Tokenizer tokenizer, const kernels::KernelTable& kernels, ThreadPool& pool)
    : decoder_(std::move(decoder)), tokenizer_(std::move(tokenizer)), execution_(pool, kernels) {}

Status DecoderModel::SetActivations(nn::ActivationMode mode) {
  OCTET_TRY(decoder_.CheckActivations(mode));
  execution_.activations = mode;
  held_ = 0;
  return {};
}

Status DecoderModel::Reserve(size_t context) {
  const nn::KvLayout& layout = decoder_.kv_layout();
  const size_t pages = nn::KvLayout::PagesFor(context);
  if (pages <= pages_.size()) return {};
  cache_ = OCTET_TRY(AlignedBuffer::Allocate(pages * layout.page_bytes()));
  held_ = 0;
  pages_.clear();
  for (size_t page = 0; page < pages; ++page) pages_.push_back(cache_->data() + page * layout.page_bytes());
  return {};
}

size_t DecoderModel::HeldOf(std::span<const int32_t> tokens) const {
  if (!nn::AnglesAreEqual(decoder_.spec().ropes, window_.size(), tokens.size())) return 0;
  const auto held = window_.begin() + static_cast<std::ptrdiff_t>(held_);
  return static_cast<size_t>(std::mismatch(window_.begin(), held, tokens.begin(), tokens.end()).first -
                             window_.begin());
}

Status DecoderModel::Read(std::span<const int32_t> tokens, size_t logits_from) {
  OCTET_CHECK(nn::KvLayout::PagesFor(tokens.size()) <= pages_.size());
  held_ = std::min(HeldOf(tokens), logits_from);
  window_.assign(tokens.begin(), tokens.end());
  while (held_ < logits_from) {
    const size_t count = std::min(kPrefillTokens, logits_from - held_);
    OCTET_TRY(Run(held_, count, count, nullptr));
  }
  return {};
}

Status DecoderModel::Logits(size_t first, size_t count, float* logits) { return Run(first, count, 0, logits); }

Status DecoderModel::Run(size_t first, size_t count, size_t logits_from, float* logits) {
  const Decoder::Run run{.tokens = std::span<const int32_t>(window_).subspan(first, count),
                         .first_position = first,
                         .pages = pages_,
                         .logits_from = logits_from,
                         .prompt_length = window_.size()};
  held_ = std::min(held_, first);  // what a pass that fails has half written
  OCTET_TRY(decoder_.Forward({&run, 1}, execution_, logits));
  held_ = first + count;
  return {};
}

Result<EvaluationText> DecoderModel::Tokenize(std::string_view text, const WindowOptions& options) const {
  EvaluationText tokenised;
  tokenised.ids = tokenizer_.Encode(text, {.add_special = false, .parse_special = false});
  tokenised.bos = tokenizer_.added_bos();
  tokenised.plan = OCTET_TRY(PlanWindows(tokenised.ids.size(), options));
  return tokenised;
}

}  // namespace octet
