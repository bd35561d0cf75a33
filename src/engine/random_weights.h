// Weights of a model that nobody has trained, to measure what a shape costs.
//
//   ModelSpec spec = OCTET_TRY(ShapeSpec("llama-3.2-1b"));
//   RandomWeights weights(spec, kernels::WeightFormat::kE4M3);
//   Decoder decoder = OCTET_TRY(Decoder::Load(spec, weights));
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/weights.h"
#include "tensor/weight_arena.h"

namespace octet {

// Published shapes by name. Fails with not_found naming the nearest and all.
Result<ModelSpec> ShapeSpec(std::string_view name);
std::vector<std::string> ShapeNames();

// Linear layers and a head of its own in `format`, q, k, v and gate, up joined; the embedding table, which a tied head
// shares, in BF16. Values are bounded by 1/sqrt(depth), so that logits stay finite.
class RandomWeights : public WeightProvider {
 public:
  RandomWeights(const ModelSpec& spec, kernels::WeightFormat format);

  const std::vector<Entry>& Entries() const override { return entries_; }
  Result<PackedMatrix> Matrix(std::string_view name) override;
  Result<std::vector<float>> Vector(std::string_view name) override;

 private:
  struct Place {
    size_t rows = 0;
    size_t columns = 0;  // 0 for a vector
    bool quantised = false;
    bool bias = false;
  };

  kernels::WeightFormat FormatOf(const Place& place) const {
    return place.quantised ? format_ : kernels::WeightFormat::kBf16;
  }
  uint64_t BytesOf(const Place& place, bool is_matrix) const;
  Result<Place> Find(std::string_view name, bool is_matrix) const;

  kernels::WeightFormat format_;
  std::vector<Entry> entries_;
  std::vector<Place> places_;  // parallel to entries_
  WeightArena arena_;
};

}  // namespace octet
