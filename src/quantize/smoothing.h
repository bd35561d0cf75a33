// Dividing the inputs of a layer's matrices by factors where they are made, so that a checkpoint with multiplied
// columns computes what it did: in the norm before q, k, v and before gate, up; in v's rows before the attention's
// output; in up's rows before down.
//
//   LayerSmoothing smoothing(spec, map, edited, Search::kSmoothed);
//   OCTET_TRY(smoothing.Smooth(layer, inputs, run.pool));      // edits tensors, and the statistics to fit them
//
// Choosing the factors: quantize/awq.h, quantize/smoothquant.h. Who reads the edited tensors:
// quantize/calibrated_output.h.
#pragma once

#include "models/model_spec.h"
#include "quantize/edited_source.h"
#include "quantize/input_statistics.h"
#include "quantize/precision_map.h"
#include "quantize/quantize.h"

namespace octet {

class LayerSmoothing {
 public:
  // kSmoothed looks for factors of INT4 weights by the inputs' moments, kMigrated for those of INT8 weights and inputs
  // by samples of these. All three must outlive the object.
  LayerSmoothing(const ModelSpec& spec, const PrecisionMap& map, EditedSource& edited, Search search);

  // From now on no row of v is divided: values stay what the scales of their cache were measured on.
  void KeepValues() { keeps_values_ = true; }

  // Edits the layer's tensors for factors that the inputs ask for, and their moments to those of the divided inputs.
  // Inputs stay where a matrix that reads them or makes them is kept, since its BF16 weights would be rounded anew.
  // Fails as the source does.
  Status Smooth(size_t layer, LayerInputs& inputs, ThreadPool& pool);

  // What kMigrated chose so far.
  const MigrationStrengths& strengths() const { return strengths_; }

 private:
  // One joined matrix, and who makes its inputs.
  struct Place {
    std::vector<const WeightSlot*> readers = {};
    const WeightSlot* norm = nullptr;   // either this one
    const WeightSlot* maker = nullptr;  // or the rows of this matrix
    const WeightSlot* bias = nullptr;   // of the maker, if it has one
    bool norm_plus_one = false;
    std::vector<uint32_t> origin = {};  // [inputs]: which norm weight or row of the maker an input is
    size_t origins = 0;
  };

  // By the slots of their joined matrices.
  std::vector<std::pair<std::string, Place>> PlacesOf(size_t layer) const;
  const WeightSlot* Find(const std::string& slot) const;
  // What the precision map says of the tensor that a slot lies in.
  const TensorPrecision* PrecisionOf(const WeightSlot& slot) const;
  bool MaySmooth(const Place& place) const;
  Status SmoothPlace(const std::string& name, const Place& place, InputStatistics& inputs, ThreadPool& pool);
  Result<std::vector<float>> ChooseFactors(const std::string& name, const Place& place, const InputStatistics& inputs,
                                           ThreadPool& pool);
  // Norm weights divided by the factors, which become what the rounded quotients divide by.
  Status DivideNorm(const Place& place, std::vector<float>& factors);
  void DivideRows(const Place& place, std::span<const float> factors);
  Result<std::vector<float>> SampleRows(const Place& place, size_t width) const;
  // Of all rows of the readers, [width].
  Result<std::vector<float>> LargestOfColumns(const Place& place, size_t width) const;

  const ModelSpec& spec_;
  const PrecisionMap& map_;
  EditedSource& edited_;
  Search search_;
  bool keeps_values_ = false;
  MigrationStrengths strengths_;
  std::vector<WeightSlot> slots_;
};

}  // namespace octet
