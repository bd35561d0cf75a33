#include "eval/decoder_model.h"

#include <algorithm>
#include <cstdlib>

#include "formats/checkpoint.h"
#include "models/hf_config.h"
#include "text/open_tokenizer.h"

namespace octet {
namespace {

// Tokens in one forward pass where no logits are wanted.
constexpr size_t kPrefillTokens = 512;

Status CheckContext(const ModelSpec& spec, size_t context, const std::filesystem::path& path) {
  if (context <= spec.max_positions) return {};
  return Fail(ErrorCode::kInvalidArgument, path, ": windows of ", context, " tokens are longer than the model's context of ",
              spec.max_positions, "; take a smaller --context");
}

// BOS where a text's ids begin with it by themselves.
std::optional<int32_t> AddedBos(const Tokenizer& tokenizer) {
  const std::vector<int32_t> ids = tokenizer.Encode("a", {.add_special = true, .parse_special = false});
  if (ids.empty() || !tokenizer.bos() || ids.front() != *tokenizer.bos()) return std::nullopt;
  return tokenizer.bos();
}

}  // namespace

Result<std::unique_ptr<DecoderModel>> DecoderModel::Open(const std::filesystem::path& path, const DecoderModelOptions& options,
                                                         ThreadPool& pool) {
  const char* wish = std::getenv("OCTET_CPU");
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::SelectKernels(wish == nullptr ? "" : wish));
  const Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(path));
  ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, path.native()));
  OCTET_TRY(CheckContext(spec, options.context, path));
  Tokenizer tokenizer = OCTET_TRY(OpenTokenizer(path));
  CheckpointWeights weights = OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, options.compute, pool));
  Decoder decoder = OCTET_TRY(Decoder::Load(std::move(spec), weights));
  std::unique_ptr<DecoderModel> model(new DecoderModel(std::move(decoder), std::move(tokenizer), *kernels, pool));
  model->execution_.activations = options.activations;
  OCTET_TRY(model->AllocatePages(options.context));
  return model;
}

DecoderModel::DecoderModel(Decoder decoder, Tokenizer tokenizer, const kernels::KernelTable& kernels,
                           ThreadPool& pool)
    : decoder_(std::move(decoder)), tokenizer_(std::move(tokenizer)), execution_(pool, kernels) {}

Status DecoderModel::AllocatePages(size_t context) {
  const nn::KvLayout& layout = decoder_.kv_layout();
  const size_t pages = nn::KvLayout::PagesFor(context);
  cache_ = OCTET_TRY(AlignedBuffer::Allocate(pages * layout.page_bytes()));
  for (size_t page = 0; page < pages; ++page) pages_.push_back(cache_->data() + page * layout.page_bytes());
  return {};
}

Status DecoderModel::Read(std::span<const int32_t> tokens, size_t logits_from) {
  OCTET_CHECK(nn::KvLayout::PagesFor(tokens.size()) <= pages_.size());
  window_.assign(tokens.begin(), tokens.end());
  for (size_t first = 0; first < logits_from; first += kPrefillTokens) {
    const size_t count = std::min(kPrefillTokens, logits_from - first);
    OCTET_TRY(Run(first, count, count, nullptr));
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
  return decoder_.Forward({&run, 1}, execution_, logits);
}

Result<EvaluationText> DecoderModel::Tokenize(std::string_view text, const WindowOptions& options) const {
  EvaluationText tokenised;
  tokenised.ids = tokenizer_.Encode(text, {.add_special = false, .parse_special = false});
  tokenised.bos = AddedBos(tokenizer_);
  tokenised.plan = OCTET_TRY(PlanWindows(tokenised.ids.size(), options));
  return tokenised;
}

}  // namespace octet
