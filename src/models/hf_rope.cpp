#include "models/hf_rope.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/counted.h"

namespace octet {
namespace {

using nn::RopeKind;
using nn::RopeSpec;

constexpr size_t kMaxPositions = size_t{1} << 31;

struct NamedKind {
  std::string_view name;
  RopeKind kind;
};
constexpr std::array<NamedKind, 6> kKinds = {{{"default", RopeKind::kDefault},
                                              {"linear", RopeKind::kLinear},
                                              {"dynamic", RopeKind::kDynamic},
                                              {"llama3", RopeKind::kLlama3},
                                              {"yarn", RopeKind::kYarn},
                                              {"longrope", RopeKind::kLongrope}}};

constexpr std::array<std::string_view, 16> kKnownParameters = {"rope_type",       "type",
                                                               "rope_theta",      "partial_rotary_factor",
                                                               "factor",          "original_max_position_embeddings",
                                                               "beta_fast",       "beta_slow",
                                                               "truncate",        "attention_factor",
                                                               "short_factor",    "long_factor",
                                                               "mscale",          "mscale_all_dim",
                                                               "low_freq_factor", "high_freq_factor"};

Result<RopeKind> ReadKind(const ConfigFields& rope, bool su_is_longrope) {
  std::string name = OCTET_TRY(rope.Text("rope_type"));
  if (name.empty()) name = OCTET_TRY(rope.Text("type"));
  if (name.empty()) return RopeKind::kDefault;
  if (su_is_longrope && (name == "su" || name == "yarn")) return RopeKind::kLongrope;
  std::string known;
  for (const NamedKind& kind : kKinds) {
    if (kind.name == name) return kind.kind;
    known += known.empty() ? "" : ", ";
    known += kind.name;
  }
  return Fail(ErrorCode::kUnsupported, rope.where(), ": rope type `", name, "` is not known; known are ", known);
}

Status CheckParameters(const Json& parameters, std::string_view where) {
  for (const auto& [key, value] : parameters.items()) {
    if (value.is_null() || std::find(kKnownParameters.begin(), kKnownParameters.end(), key) != kKnownParameters.end())
      continue;
    return Fail(ErrorCode::kUnsupported, where, ": rope parameter `", key,
                "` is not known and may change what is computed");
  }
  return {};
}

Result<std::vector<double>> ReadFactors(const ConfigFields& rope, std::string_view key, size_t expected) {
  const Json* list = rope.Find(key);
  if (list == nullptr || !list->is_array()) {
    return Fail(ErrorCode::kCorrupt, rope.where(), ": `", key, "` is missing, a list of ", Counted(expected, "number"),
                " is expected");
  }
  if (list->size() != expected) {
    return Fail(ErrorCode::kCorrupt, rope.where(), ": `", key, "` has ", Counted(list->size(), "number"), ", expected ",
                expected, ", half of the rotated width");
  }
  std::vector<double> factors;
  for (const Json& value : *list) {
    if (!value.is_number())
      return Fail(ErrorCode::kCorrupt, rope.where(), ": `", key, "` holds something that isn't a number");
    factors.push_back(value.get<double>());
  }
  return factors;
}

// m(f) of Peng et al. 2023, section 3.4, with a weight on the logarithm.
double YarnMagnitude(double factor, double weight) { return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1; }

Status ReadYarn(const ConfigFields& rope, RopeSpec& spec) {
  spec.beta_fast = OCTET_TRY(rope.OptionalPositive("beta_fast")).value_or(32);
  spec.beta_slow = OCTET_TRY(rope.OptionalPositive("beta_slow")).value_or(1);
  spec.truncate = rope.Find("truncate") == nullptr || OCTET_TRY(rope.Flag("truncate"));
  const auto is_zero = [&](std::string_view key) {
    const Json* value = rope.Find(key);
    return value == nullptr || (value->is_number() && value->get<double>() == 0);
  };
  if (const auto factor = OCTET_TRY(rope.OptionalPositive("attention_factor"))) {
    spec.attention_factor = *factor;
  } else if (!is_zero("mscale") && !is_zero("mscale_all_dim")) {
    spec.attention_factor = YarnMagnitude(spec.factor, OCTET_TRY(rope.Positive("mscale"))) /
                            YarnMagnitude(spec.factor, OCTET_TRY(rope.Positive("mscale_all_dim")));
  } else {
    spec.attention_factor = YarnMagnitude(spec.factor, 1);
  }
  return {};
}

Status ReadLongrope(const ConfigFields& rope, RopeSpec& spec) {
  spec.short_factors = OCTET_TRY(ReadFactors(rope, "short_factor", spec.dim / 2));
  spec.long_factors = OCTET_TRY(ReadFactors(rope, "long_factor", spec.dim / 2));
  if (const auto factor = OCTET_TRY(rope.OptionalPositive("attention_factor"))) {
    spec.attention_factor = *factor;
  } else if (spec.factor > 1) {
    spec.attention_factor = std::sqrt(1 + std::log(spec.factor) / std::log(static_cast<double>(spec.original_max)));
  }
  return {};
}

Status ReadScaling(const ConfigFields& fields, const ConfigFields& rope, RopeSpec& spec) {
  std::optional<size_t> original = OCTET_TRY(fields.OptionalSize("original_max_position_embeddings", kMaxPositions));
  if (!original) original = OCTET_TRY(rope.OptionalSize("original_max_position_embeddings", kMaxPositions));
  spec.original_max = original.value_or(spec.max_positions);
  const bool by_lengths = spec.kind == RopeKind::kYarn || spec.kind == RopeKind::kLongrope;
  if (by_lengths && rope.Find("factor") == nullptr) {
    spec.factor = static_cast<double>(spec.max_positions) / static_cast<double>(spec.original_max);
  } else {
    spec.factor = OCTET_TRY(rope.Positive("factor"));
  }
  if (spec.kind == RopeKind::kLlama3) {
    spec.low_frequency = OCTET_TRY(rope.Positive("low_freq_factor"));
    spec.high_frequency = OCTET_TRY(rope.Positive("high_freq_factor"));
  }
  if (spec.kind == RopeKind::kYarn) return ReadYarn(rope, spec);
  if (spec.kind == RopeKind::kLongrope) return ReadLongrope(rope, spec);
  return {};
}

Result<size_t> RotatedWidth(const ConfigFields& fields, const ConfigFields& rope, const RopeContext& context) {
  std::optional<double> partial = OCTET_TRY(rope.OptionalPositive("partial_rotary_factor"));
  if (!partial) partial = OCTET_TRY(fields.OptionalPositive("partial_rotary_factor"));
  const double factor = partial.value_or(1);
  if (factor > 1) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": `partial_rotary_factor` is ", factor, ", expected at most 1");
  }
  if (factor != 1 && !context.partial_allowed) {
    return Fail(ErrorCode::kUnsupported, fields.where(), ": `partial_rotary_factor` ", factor,
                " is not known for this model type, only 1");
  }
  const size_t dim = static_cast<size_t>(static_cast<double>(context.head_dim) * factor);
  if (dim == 0 || dim % 2 != 0) {
    return Fail(ErrorCode::kUnsupported, fields.where(), ": a head of ", Counted(context.head_dim, "number"), " with ",
                dim, " that rotate; an even number is expected");
  }
  return dim;
}

}  // namespace

const Json* FindRopeParameters(const ConfigFields& fields) {
  const Json* scaling = fields.FindOwn("rope_scaling");
  if (scaling != nullptr && !scaling->empty()) return scaling;
  return fields.FindOwn("rope_parameters");
}

Result<RopeSpec> ReadRope(const ConfigFields& fields, const Json* parameters, const RopeContext& context) {
  const Json none = Json::object();
  if (parameters == nullptr) parameters = &none;
  if (!parameters->is_object()) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": rope parameters are ", parameters->type_name(),
                ", an object is expected");
  }
  OCTET_TRY(CheckParameters(*parameters, fields.where()));
  const ConfigFields rope(*parameters, none, fields.where());
  RopeSpec spec{.kind = OCTET_TRY(ReadKind(rope, context.su_is_longrope))};
  spec.dim = OCTET_TRY(RotatedWidth(fields, rope, context));
  spec.max_positions = context.max_positions;
  std::optional<double> theta = OCTET_TRY(rope.OptionalPositive("rope_theta"));
  if (!theta) theta = OCTET_TRY(fields.OptionalPositive("rope_theta"));
  spec.theta = theta.value_or(context.default_theta);
  if (spec.kind != RopeKind::kDefault) OCTET_TRY(ReadScaling(fields, rope, spec));
  if (auto table = nn::RopeTable::Make(spec); !table) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": ", table.error().message);
  }
  return spec;
}

}  // namespace octet
