#include "quantize/kv_check.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "models/hf_config.h"
#include "numeric/bf16.h"
#include "numeric/fp8.h"
#include "numeric/int8.h"
#include "quantize/calibration_pass.h"
#include "quantize/damaged_weights.h"
#include "quantize/row_encoding.h"

namespace octet {
namespace {

using kernels::CacheFormat;

// The least BF16 that brings amax into the codes' range: readers of checkpoints keep scales in BF16, and none may clip.
float StaticScale(float amax, CacheFormat format) {
  const float scale = amax / kernels::CacheCodeLimit(format);
  if (!std::isnormal(scale)) return 1;
  Bf16 rounded = ToBf16(scale);
  if (ToFloat(rounded) < scale) ++rounded.bits;
  return ToFloat(rounded);
}

float RoundedBy(float x, float scale, CacheFormat format) {
  return (format == CacheFormat::kE4M3 ? ToFloat(ToE4M3(x / scale)) : ToFloat(ToInt8(x / scale))) * scale;
}

// Rows [count, width] by one scale, or, for scale 0, each by its own as the cache does.
std::vector<float> RoundedRows(const float* rows, size_t count, size_t width, float scale, CacheFormat format) {
  std::vector<float> rounded(count * width);
  for (size_t row = 0; row < count; ++row) {
    float own = scale;
    if (scale == 0) {
      float amax = 0;
      for (size_t i = 0; i < width; ++i) amax = std::max(amax, std::fabs(rows[row * width + i]));
      own = amax / kernels::CacheCodeLimit(format);
      if (!std::isnormal(own)) own = 1;
    }
    for (size_t i = 0; i < width; ++i) rounded[row * width + i] = RoundedBy(rows[row * width + i], own, format);
  }
  return rounded;
}

// Keys and values of one head.
struct HeadRows {
  std::vector<float> keys;    // [key_dim, tokens]: scores of many positions at once
  std::vector<float> values;  // [tokens, value_dim]
};

HeadRows Transposed(const std::vector<float>& keys, std::vector<float> values, size_t tokens) {
  const size_t width = keys.size() / tokens;
  HeadRows head{.keys = std::vector<float>(keys.size()), .values = std::move(values)};
  for (size_t token = 0; token < tokens; ++token) {
    for (size_t i = 0; i < width; ++i) head.keys[i * tokens + token] = keys[token * width + i];
  }
  return head;
}

// Attention's weights over positions first .. last, and its output.
struct Attended {
  std::vector<float> weights, out;
};

Attended AttendOne(const AttnSpec& attn, const float* query, const HeadRows& head, size_t first, size_t last) {
  const size_t tokens = head.values.size() / attn.value_dim, count = last - first + 1;
  Attended result{.weights = std::vector<float>(count), .out = std::vector<float>(attn.value_dim)};
  std::vector<float>& weights = result.weights;
  for (size_t i = 0; i < attn.key_dim; ++i) {
    const float* keys = &head.keys[i * tokens + first];
    for (size_t at = 0; at < count; ++at) weights[at] += query[i] * keys[at];
  }
  for (float& weight : weights) {
    weight *= attn.scale;
    if (attn.softcap != 0) weight = attn.softcap * std::tanh(weight / attn.softcap);
  }
  const float greatest = *std::max_element(weights.begin(), weights.end());
  for (float& weight : weights) weight = std::exp(weight - greatest);
  const float total = std::accumulate(weights.begin(), weights.end(), 0.0F);
  for (size_t at = 0; at < count; ++at) {
    weights[at] /= total;
    const float* value = &head.values[(first + at) * attn.value_dim];
    for (size_t i = 0; i < attn.value_dim; ++i) result.out[i] += weights[at] * value[i];
  }
  return result;
}

// Of weights that rounding made 0, the least normal number is assumed.
double WeightDivergence(const std::vector<float>& p, const std::vector<float>& q) {
  constexpr float kLeast = std::numeric_limits<float>::min();
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] > kLeast) sum += p[i] * std::log(double{p[i]} / std::max(q[i], kLeast));
  }
  return sum;
}

// Where checkpoints keep a layer's attention: what its output matrix is a part of.
std::string AttentionModule(const std::vector<WeightSlot>& slots, size_t layer) {
  const std::string name = LayerSlot(layer, "attn.out");
  const auto out = std::ranges::find(slots, name, &WeightSlot::name);
  OCTET_CHECK(out != slots.end());
  return out->tensor.substr(0, out->tensor.rfind(".o_proj"));
}

// NaN where a number isn't finite, and once it is NaN.
void RaiseTo(float& amax, const float* x, size_t count) {
  const std::span<const float> values(x, count);
  const bool is_finite = FirstNotFinite(values) == count && !std::isnan(amax);
  amax = is_finite ? std::max(amax, LargestMagnitude(values)) : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace

// Squared errors by the cache's own scales [0] and by the static ones [1].
struct KvCollector::Sums {
  double signal = 0, errors[2] = {}, divergence[2] = {};
  size_t queries = 0;

  void Add(const Sums& other) {
    signal += other.signal;
    queries += other.queries;
    for (size_t i = 0; i < 2; ++i) errors[i] += other.errors[i];
    for (size_t i = 0; i < 2; ++i) divergence[i] += other.divergence[i];
  }
};

KvCollector::KvCollector(const ModelSpec& spec, const KvRounding& rounding, ThreadPool& pool)
    : spec_(spec), rounding_(rounding), pool_(pool) {}

void KvCollector::OnHeads(size_t layer, const float* qkv, size_t rows) {
  const AttnSpec& attn = spec_.layers[layer].attn;
  layer_ = layer;
  key_amax_.resize(attn.kv_heads);
  value_amax_.resize(attn.kv_heads);
  const size_t keys = attn.heads * attn.key_dim, values = keys + attn.kv_heads * attn.key_dim;
  const size_t stride = values + attn.kv_heads * attn.value_dim;
  pool_.ForEachShare(attn.kv_heads, [&](size_t begin, size_t end) {
    for (size_t head = begin; head < end; ++head) {
      for (size_t row = 0; row < rows; ++row) {
        RaiseTo(key_amax_[head], qkv + row * stride + keys + head * attn.key_dim, attn.key_dim);
        RaiseTo(value_amax_[head], qkv + row * stride + values + head * attn.value_dim, attn.value_dim);
      }
    }
  });
  if (samples_.empty() || sampled_ + rows <= kKvSampledTokens) Keep(attn, qkv, rows);
}

void KvCollector::Keep(const AttnSpec& attn, const float* qkv, size_t rows) {
  const size_t keys = attn.heads * attn.key_dim, values = keys + attn.kv_heads * attn.key_dim;
  const size_t stride = values + attn.kv_heads * attn.value_dim, queries = std::min(rows, kKvSampledQueries);
  Sample sample{.positions = {}, .queries = {}, .keys = {}, .values = {}, .tokens = rows};
  for (size_t i = 0; i < queries; ++i) {
    sample.positions.push_back((i + 1) * rows / queries - 1);
    const float* row = qkv + sample.positions.back() * stride;
    sample.queries.insert(sample.queries.end(), row, row + keys);
  }
  for (size_t head = 0; head < attn.kv_heads; ++head) {
    for (size_t row = 0; row < rows; ++row) {
      const float *key = qkv + row * stride + keys + head * attn.key_dim,
                  *value = qkv + row * stride + values + head * attn.value_dim;
      sample.keys.insert(sample.keys.end(), key, key + attn.key_dim);
      sample.values.insert(sample.values.end(), value, value + attn.value_dim);
    }
  }
  sampled_ += rows;
  samples_.push_back(std::move(sample));
}

KvCollector::Sums KvCollector::Measure(const AttnSpec& attn, const KvLayerCheck& layer, const Sample& sample,
                                       size_t head) const {
  const size_t tokens = sample.tokens, at = rounding_.per_head ? head : 0, group = attn.heads / attn.kv_heads;
  const float* keys = &sample.keys[head * tokens * attn.key_dim];
  const float* values = &sample.values[head * tokens * attn.value_dim];
  const auto rounded = [&](float key_scale, float value_scale) {
    return Transposed(RoundedRows(keys, tokens, attn.key_dim, key_scale, rounding_.format),
                      RoundedRows(values, tokens, attn.value_dim, value_scale, rounding_.format), tokens);
  };
  const HeadRows exact =
      Transposed({keys, keys + tokens * attn.key_dim}, {values, values + tokens * attn.value_dim}, tokens);
  const HeadRows variants[] = {rounded(0, 0), rounded(layer.key_scales[at], layer.value_scales[at])};
  const std::vector<float> zeros(attn.value_dim);
  Sums sums;
  for (size_t i = 0; i < sample.positions.size(); ++i) {
    const size_t last = sample.positions[i];
    const size_t first = attn.window == 0 || last < attn.window ? 0 : last - attn.window + 1;
    for (size_t query_head = head * group; query_head < (head + 1) * group; ++query_head, ++sums.queries) {
      const float* query = &sample.queries[(i * attn.heads + query_head) * attn.key_dim];
      const Attended want = AttendOne(attn, query, exact, first, last);
      sums.signal += SquaredDistance(want.out, zeros);
      for (size_t variant = 0; variant < 2; ++variant) {
        const Attended got = AttendOne(attn, query, variants[variant], first, last);
        sums.errors[variant] += SquaredDistance(got.out, want.out);
        sums.divergence[variant] += WeightDivergence(want.weights, got.weights);
      }
    }
  }
  return sums;
}

Result<KvLayerCheck> KvCollector::Ranges() const {
  KvLayerCheck layer;
  for (size_t head = 0; head < key_amax_.size(); ++head) {
    layer.heads.push_back({.key_amax = key_amax_[head], .value_amax = value_amax_[head]});
    if (std::isfinite(key_amax_[head]) && std::isfinite(value_amax_[head])) continue;
    return Fail(ErrorCode::kCorrupt, "layer ", layer_, ", key head ", head, ": ",
                std::isfinite(key_amax_[head]) ? "a value" : "a key",
                " is no finite number on the calibration text; the weights are damaged or overflow");
  }
  const auto scales = [&](const std::vector<float>& amax) {
    std::vector<float> of_heads;
    for (const float each : amax) of_heads.push_back(StaticScale(each, rounding_.format));
    if (!rounding_.per_head) of_heads.assign(1, StaticScale(std::ranges::max(amax), rounding_.format));
    return of_heads;
  };
  layer.key_scales = scales(key_amax_);
  layer.value_scales = scales(value_amax_);
  return layer;
}

void KvCollector::MeasureErrors(const AttnSpec& attn, KvLayerCheck& layer) const {
  std::vector<Sums> parts(samples_.size() * attn.kv_heads);
  pool_.ForEachShare(parts.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      parts[i] = Measure(attn, layer, samples_[i / attn.kv_heads], i % attn.kv_heads);
  });
  std::vector<Sums> sums(attn.kv_heads);
  for (size_t i = 0; i < parts.size(); ++i) sums[i % attn.kv_heads].Add(parts[i]);
  double signal = 0;
  for (const Sums& head : sums) signal += head.signal / static_cast<double>(attn.kv_heads);
  for (size_t head = 0; head < attn.kv_heads && signal > 0; ++head) {
    KvHeadCheck& check = layer.heads[head];
    check.dynamic_error = std::sqrt(sums[head].errors[0] / signal);
    check.static_error = std::sqrt(sums[head].errors[1] / signal);
    check.attention_kl =
        std::max(sums[head].divergence[0], sums[head].divergence[1]) / static_cast<double>(sums[head].queries);
  }
}

Result<KvLayerCheck> KvCollector::Take() {
  KvLayerCheck layer = OCTET_TRY(Ranges());
  MeasureErrors(spec_.layers[layer_].attn, layer);
  samples_.clear();
  key_amax_.clear();
  value_amax_.clear();
  sampled_ = 0;
  return layer;
}

Result<KvCheck> CheckKv(const Checkpoint& checkpoint, const CalibrationText& windows, const KvRounding& rounding,
                        const QuantizeRun& run, ComputeType compute) {
  OCTET_CHECK(kernels::HasCacheScales(rounding.format));
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  const std::vector<WeightSlot> slots = WeightSlots(spec);
  KvCollector collector(spec, rounding, run.pool);
  CalibrationPass pass =
      OCTET_TRY(CalibrationPass::Start(checkpoint, windows, {.heads = &collector, .compute = compute}, run));
  KvCheck check{.rounding = rounding, .tokens = TokensOf(windows), .layers = {}};
  run.progress.Begin("cache", TokensOf(windows) * pass.layers(), "tokens");
  for (size_t layer = 0; layer < pass.layers(); ++layer) {
    const Result<LayerInputs> inputs = pass.Measure([&](size_t tokens) { run.progress.Advance(tokens); });
    // Keys that aren't finite make what comes behind them so, too: the first to say it names the head.
    const bool is_known = inputs || inputs.error().code == ErrorCode::kCorrupt;
    Result<KvLayerCheck> measured = is_known && collector.has_seen_any() ? collector.Take() : KvLayerCheck();
    if (!measured || !inputs) {
      const Error& error = measured ? inputs.error() : measured.error();
      return Prefixed(NameDamagedWeight(*checkpoint.tensors, spec, layer, error, run), Cat(checkpoint.path, ": "));
    }
    measured->module = AttentionModule(slots, layer);
    check.layers.push_back(std::move(*measured));
    OCTET_TRY(pass.Advance());
  }
  run.progress.End();
  return check;
}

}  // namespace octet
