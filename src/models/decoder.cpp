#include "models/decoder.h"

#include <utility>

#include "models/adapter.h"
#include "models/decoder_parts.h"
#include "numeric/bf16.h"

namespace octet {
namespace {

bool IsF32(const PackedMatrix& matrix) { return matrix.format == kernels::WeightFormat::kF32; }

// The matrices that a step multiplies with.
template <class Visit>
void ForEachMatrix(const Decoder::Parts& parts, Visit&& visit) {
  for (const LayerWeights& layer : parts.layers) {
    for (const PackedMatrix& matrix : layer.qkv) visit(matrix);
    visit(layer.out);
    for (const PackedMatrix& matrix : layer.gate_up) visit(matrix);
    visit(layer.down);
  }
  visit(parts.head);
}

void Summarise(Decoder::Parts& parts) {
  ForEachMatrix(parts, [&](const PackedMatrix& matrix) {
    parts.bytes_per_token += matrix.panels.size() + matrix.column_scales.size_bytes();
    parts.activations.Add(matrix);
  });
}

Status CheckRun(const Decoder::Run& run, size_t index, const ModelSpec& spec) {
  for (const int32_t token : run.tokens) {
    if (token < 0 || static_cast<size_t>(token) >= spec.vocab) {
      return Fail(ErrorCode::kInvalidArgument, "run ", index, ": token id ", token, " is outside the vocabulary of ",
                  spec.vocab);
    }
  }
  if (run.logits_from > run.tokens.size()) {
    return Fail(ErrorCode::kInvalidArgument, "run ", index, ": logits from token ", run.logits_from, " of ",
                run.tokens.size());
  }
  const size_t end = run.first_position + run.tokens.size();
  if (end < run.first_position || run.pages.size() < nn::KvLayout::PagesFor(end)) {
    return Fail(ErrorCode::kInvalidArgument, "run ", index, ": ", run.pages.size(), " cache pages for positions up to ",
                end, ", which need ", nn::KvLayout::PagesFor(end));
  }
  if (run.adapter != nullptr && run.adapter->layers() != spec.layers.size()) {
    return Fail(ErrorCode::kInvalidArgument, "run ", index, ": its adapter is for ", run.adapter->layers(),
                " layers, the model has ", spec.layers.size());
  }
  return {};
}

}  // namespace

float EmbedScale(const ModelSpec& spec, kernels::WeightFormat embedding) {
  return embedding == kernels::WeightFormat::kF32 ? spec.embed_scale : ToFloat(ToBf16(spec.embed_scale));
}

kernels::CacheFormat DefaultCache(std::span<const LayerWeights> layers) {
  for (const LayerWeights& layer : layers) {
    bool all = IsF32(layer.out) && IsF32(layer.down);
    for (const PackedMatrix& matrix : layer.qkv) all = all && IsF32(matrix);
    for (const PackedMatrix& matrix : layer.gate_up) all = all && IsF32(matrix);
    if (!all) return kernels::CacheFormat::kBf16;
  }
  return kernels::CacheFormat::kF32;
}

Decoder::Decoder(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

const ModelSpec& Decoder::spec() const { return parts_->spec; }
const nn::KvLayout& Decoder::kv_layout() const { return parts_->layout; }
uint64_t Decoder::bytes_per_token() const { return parts_->bytes_per_token; }

Result<Decoder> Decoder::Load(ModelSpec spec, WeightProvider& weights, std::optional<kernels::CacheFormat> cache) {
  if (spec.encoder) {
    return Fail(ErrorCode::kUnsupported, "the model is an encoder (`", spec.family,
                "`), which reads text and writes none; `octet embed` runs it");
  }
  auto parts = std::make_unique<Parts>();
  for (const nn::RopeSpec& rope : spec.ropes) parts->ropes.push_back(OCTET_TRY(nn::RopeTable::Make(rope)));
  parts->embedding = OCTET_TRY(LoadMatrix(weights, "embedding", spec.vocab, spec.hidden));
  spec.embed_scale = EmbedScale(spec, parts->embedding.format);
  for (size_t index = 0; index < spec.layers.size(); ++index) {
    parts->layers.push_back(OCTET_TRY(LoadLayer(spec, index, weights)));
  }
  parts->final_norm = OCTET_TRY(LoadNorm(spec.final_norm, spec.hidden, weights, "final_norm"));
  parts->head = spec.tied ? parts->embedding : OCTET_TRY(LoadMatrix(weights, "head", spec.vocab, spec.hidden));
  parts->layout = OCTET_TRY(CacheLayout(spec.layers, cache, DefaultCache(parts->layers)));
  Summarise(*parts);
  parts->spec = std::move(spec);
  return Decoder(std::move(parts));
}

Status Decoder::CheckActivations(nn::ActivationMode mode) const { return parts_->activations.Check(mode); }

Status Decoder::Forward(std::span<const Run> runs, nn::ExecutionContext& context, float* logits,
                        Observer* observer) const {
  for (size_t index = 0; index < runs.size(); ++index) OCTET_TRY(CheckRun(runs[index], index, parts_->spec));
  OCTET_TRY(context.workspace.Reset());
  ForwardPass pass(*parts_, runs, context, observer);
  OCTET_TRY(pass.Begin());
  pass.Embed();
  for (size_t index = 0; index < parts_->layers.size(); ++index) {
    if (context.cancel != nullptr) OCTET_TRY(context.cancel->Check());
    OCTET_TRY(pass.Layer(index));
  }
  return pass.Head(logits);
}

}  // namespace octet
