// A checkpoint's tensors, some of them with other values: how a layer is once it is smoothed or quantised.
//
//   EditedSource edited(*checkpoint.tensors);
//   edited.Replace("model.layers.0.mlp.up_proj.weight", decoded);        // BF16, [rows, columns]
//   edited.Scale("model.layers.0.mlp.up_proj.weight", {.rows = of_outputs, .columns = of_inputs});
//   edited.Forget("model.layers.0.mlp.up_proj.weight");
#pragma once

#include <map>
#include <string>
#include <vector>

#include "formats/tensor_source.h"
#include "numeric/bf16.h"

namespace octet {

// Factors of the elements of a matrix, or of a vector, which is one row; empty for 1.
struct TensorFactors {
  std::vector<float> rows = {};
  std::vector<float> columns = {};
};

class EditedSource : public TensorSource {
 public:
  // The source must outlive this one.
  explicit EditedSource(const TensorSource& source) : source_(source) {}

  // Values for the whole tensor. Requires as many as it has.
  void Replace(std::string_view name, std::vector<Bf16> values);
  // Multiplies what the source has, in FP32; factors multiply those given before. Requires as many as it has rows or
  // columns.
  void Scale(std::string_view name, const TensorFactors& factors);
  // Gives the source's own values of a tensor back.
  void Forget(std::string_view name);

  const std::vector<TensorInfo>& tensors() const override { return source_.tensors(); }
  Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const override;
  // Fails with unsupported for a tensor that was edited.
  Result<std::span<const std::byte>> Bytes(std::string_view name) const override;
  void ReleaseRows(std::string_view name, uint64_t first, uint64_t count) const override {
    source_.ReleaseRows(name, first, count);
  }
  void ExpectRows(std::string_view name, uint64_t first, uint64_t count) const override {
    source_.ExpectRows(name, first, count);
  }

 private:
  const TensorSource& source_;
  std::map<std::string, std::vector<Bf16>, std::less<>> replaced_;
  std::map<std::string, TensorFactors, std::less<>> factors_;
};

}  // namespace octet
