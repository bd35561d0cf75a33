// The flags that give a published shape with random weights in place of a model.
//
//   struct BenchOptions { ShapeFlags shape; ... visit(&BenchOptions::shape); };
//   if (options.shape.given()) RandomWeights weights(OCTET_TRY(SpecOf(options.shape)), FormatOf(options.shape));
#pragma once

#include <optional>
#include <string>

#include "base/options.h"
#include "cli/verb.h"
#include "engine/random_weights.h"

namespace octet::cli {

struct ShapeFlags {
  std::string name;
  std::optional<std::string> to;
  std::optional<std::string> group;
  std::optional<std::string> head;

  bool given() const { return !name.empty(); }

  template <class Visit>
  static void Describe(Visit&& visit) {
    using S = ShapeFlags;
    visit(&S::name, "shape", "instead of MODEL: random weights of a published shape, as in llama-3.2-1b",
          Takes{"NAME"});
    visit(&S::to, "to", "precision of a --shape's linear layers, bf16 unless given; nvfp4 rounds their inputs, too",
          OneOf{{"bf16", "fp8", "fp8-block", "nvfp4-w4a16", "nvfp4", "int8", "int4"}});
    visit(&S::head, "head", "precision of a --shape's tied head; same, unless given: that of --to",
          OneOf{{"same", "bf16"}});
    visit(&S::group, "group", "of --to int4: weights that share a scale, 32 unless given", OneOf{{"32", "64", "128"}});
  }
};

// That there is either a model or a shape, and no flag that says nothing about it; `verb` is named in the message.
Status CheckShapeFlags(const ShapeFlags& flags, const Invocation& call, std::string_view verb);

kernels::WeightFormat FormatOf(const ShapeFlags& flags);
Result<ModelSpec> SpecOf(const ShapeFlags& flags);

}  // namespace octet::cli
