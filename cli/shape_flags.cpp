#include "cli/shape_flags.h"

#include <utility>

namespace octet::cli {

// What says how random weights are made says nothing about a model, and the other way round.
Status CheckShapeFlags(const ShapeFlags& flags, const Invocation& call, std::string_view verb) {
  if (call.words().empty() != flags.given()) {
    return Fail(ErrorCode::kInvalidArgument, "give either MODEL or --shape NAME; `octet ", verb,
                " --help` explains both");
  }
  for (const auto& [given, name] :
       {std::pair(flags.to.has_value(), "--to"), std::pair(flags.head.has_value(), "--head"),
        std::pair(flags.group.has_value(), "--group")}) {
    if (given && !flags.given()) {
      return Fail(ErrorCode::kInvalidArgument, name, " is of --shape NAME, MODEL has its own precision; leave it out");
    }
  }
  if (flags.group && flags.to.value_or("bf16") != "int4") {
    return Fail(ErrorCode::kInvalidArgument, "--group is of --to int4, --to ", flags.to.value_or("bf16"),
                " has none; leave it out");
  }
  return {};
}

kernels::WeightFormat FormatOf(const ShapeFlags& flags) {
  using kernels::WeightFormat;
  const std::string to = flags.to.value_or("bf16"), group = flags.group.value_or("32");
  if (to == "int8") return WeightFormat::kInt8;
  if (to == "int4") {
    return group == "32"   ? WeightFormat::kInt4Group32
           : group == "64" ? WeightFormat::kInt4Group64
                           : WeightFormat::kInt4Group128;
  }
  if (to == "nvfp4-w4a16" || to == "nvfp4") return WeightFormat::kNvfp4;
  if (to == "fp8-block") return WeightFormat::kE4M3Block;
  return to == "fp8" ? WeightFormat::kE4M3 : WeightFormat::kBf16;
}

Result<ModelSpec> SpecOf(const ShapeFlags& flags) {
  ModelSpec spec = OCTET_TRY(ShapeSpec(flags.name));
  // As `quantize --head`: a second copy of the table, which a decode step reads as a whole.
  if (flags.head.value_or("same") == "same" && flags.to.value_or("bf16") != "bf16") spec.tied = false;
  return spec;
}

}  // namespace octet::cli
