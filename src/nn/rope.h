// Rotary position embedding: the angle of each pair of a head's numbers at each position, for every scaling rule.
//
//   RopeTable table = OCTET_TRY(RopeTable::Make(spec));
//   table.Fill(/*position=*/17, /*length=*/40, cosines, sines);   // table.half() values each
//
// Su et al. 2021 with half-split pairs (i, i + half): the first 2 * half numbers of a head rotate, the rest pass.
// Frequencies are computed in double and rounded to float, angles in float, as models are trained.
//
// Two rules depend on how long the sequence is: `dynamic` stretches the base with it, `longrope` switches its factors
// where it passes original_max. Length is max(position + 1, the length that the caller declares for the prompt), so
// that a prompt's angles don't depend on how it is cut into chunks, while each generated token counts itself. Keys that
// are in the cache keep their angle under `dynamic`; under `longrope` none fits any more once the sequence has grown
// past original_max (SwitchesBetween), and they are computed anew. Applying the rotation: KernelTable::rope.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace octet::nn {

enum class RopeKind { kDefault, kLinear, kDynamic, kLlama3, kYarn, kLongrope };

// A rule with all its numbers; those of other kinds are ignored.
struct RopeSpec {
  RopeKind kind = RopeKind::kDefault;
  size_t dim = 0;  // numbers of a head that rotate; even
  double theta = 10000;
  double factor = 1;                       // linear, dynamic, llama3, yarn
  size_t max_positions = 0;                // dynamic: the length from which the base is stretched
  size_t original_max = 0;                 // llama3, yarn, longrope: the length in pre-training
  double low_frequency = 1;                // llama3
  double high_frequency = 4;               // llama3
  double beta_fast = 32;                   // yarn
  double beta_slow = 1;                    // yarn
  bool truncate = true;                    // yarn: the ramp's ends are rounded outward to whole indices
  double attention_factor = 1;             // yarn, longrope: multiplies cosines and sines
  std::vector<double> short_factors = {};  // longrope: dim / 2 each
  std::vector<double> long_factors = {};

  bool operator==(const RopeSpec&) const = default;
};

// True where a sequence of one of the two lengths has longrope's short factors and one of the other its long ones.
bool SwitchesBetween(const RopeSpec& spec, size_t length, size_t other_length);

// Whether the keys of a prompt of one length serve one of the other: every rule gives both the same angles.
bool AnglesAreEqual(std::span<const RopeSpec> ropes, size_t length, size_t other_length);

class RopeTable {
 public:
  RopeTable() = default;
  // Fails with invalid_argument for an odd or zero dim, factors that aren't positive, or lists of the wrong length.
  static Result<RopeTable> Make(RopeSpec spec);

  size_t half() const { return spec_.dim / 2; }
  const RopeSpec& spec() const { return spec_; }
  // True where equal positions can have different angles in sequences of different length.
  bool DependsOnLength() const { return spec_.kind == RopeKind::kDynamic || spec_.kind == RopeKind::kLongrope; }

  // Cosines and sines at `position` of a sequence with `length` tokens in all; both [half]. Allocates nothing.
  void Fill(size_t position, size_t length, float* cosines, float* sines) const;

 private:
  RopeSpec spec_;
  std::vector<float> frequencies_;       // [half]; longrope: for lengths up to original_max
  std::vector<float> long_frequencies_;  // [half]; longrope only
};

}  // namespace octet::nn
