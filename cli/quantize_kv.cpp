#include "cli/quantize_kv.h"

#include <fmt/format.h>

#include "base/counted.h"
#include "quantize/kv_scales.h"

namespace octet::cli {
namespace {

// "layer 23, key head 1: 0.8312 off, keys to 412.3, values to 2.1", one line each.
std::string OutlierLines(const KvCheck& check) {
  std::string text;
  for (const size_t layer : check.Bf16Layers()) {
    const std::vector<KvHeadCheck>& heads = check.layers[layer].heads;
    for (size_t head = 0; head < heads.size(); ++head) {
      if (!heads[head].is_outlier()) continue;
      text += fmt::format("  layer {}, key head {}: attention {:.4f} off, keys up to {:.4g}, values up to {:.4g}\n",
                          layer, head, heads[head].error(), heads[head].key_amax, heads[head].value_amax);
    }
  }
  return text;
}

std::string Joined(const std::vector<size_t>& numbers) {
  std::string text;
  for (const size_t number : numbers) text += fmt::format("{}{}", text.empty() ? "" : ",", number);
  return text;
}

double WorstRounded(const KvCheck& check) {
  double worst = 0;
  for (const KvLayerCheck& layer : check.layers) {
    if (!layer.stays_bf16()) worst = std::max(worst, layer.error());
  }
  return worst;
}

}  // namespace

Status CheckKvFlags(const KvFlags& flags, const std::filesystem::path& calibrate, Dialect dialect) {
  if (flags.scales && !flags.rounds()) {
    return Fail(ErrorCode::kInvalidArgument, "--kv-scales is of --kv fp8 and int8; leave it out, or give one of them");
  }
  if (!flags.rounds()) return {};
  if (calibrate.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "--kv ", *flags.format,
                " needs a text like those that the model will see, for its scales and its outliers: --calibrate FILE");
  }
  return CheckKvLayout(ToKvRounding(flags), dialect);
}

KvRounding ToKvRounding(const KvFlags& flags) {
  return {.format = *flags.format == "int8" ? kernels::CacheFormat::kInt8 : kernels::CacheFormat::kE4M3,
          .per_head = flags.scales == "head"};
}

std::string KvText(const QuantizeReport& report) {
  if (!report.kv) return {};
  const KvCheck& check = *report.kv;
  const std::vector<size_t> kept = check.Bf16Layers();
  const std::string_view name = KvName(check.rounding.format);
  std::string text = fmt::format("cache: {} in {} of {}, attention at most {:.4f} off, measured on {}\n", name,
                                 check.layers.size() - kept.size(), Counted(check.layers.size(), "layer"),
                                 WorstRounded(check), Counted(check.tokens, "token"));
  if (kept.empty()) return text;
  text += fmt::format("layers that stay bf16, with heads beyond {} or without a range:\n{}", kMostKvError,
                      OutlierLines(check));
  if (!check.rounds_any()) return text + "the result says nothing of the cache\n";
  return text + fmt::format(
                    "other readers round these too unless they are told: vLLM by --kv-cache-dtype-skip-layers "
                    "{}\n",
                    Joined(kept));
}

}  // namespace octet::cli
