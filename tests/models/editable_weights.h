// The weights of a golden checkpoint that a test changes, as a decoder would get them.
//
//   TEST_F(EditableWeights, ...) {
//     source->Quantise("model.layers.0.mlp.down_proj.weight");
//     EXPECT_EQ(Decoded(Must(Down())), source->Codes("model.layers.0.mlp.down_proj.weight"));
//   }
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "editable_source.h"
#include "golden_model.h"
#include "kernels/kernel_table.h"
#include "models/weights.h"

namespace octet {

class EditableWeights : public testing::Test {
 protected:
  // The matrix that the tests of codes change, 64 x 96 in llama3, and what quantised checkpoints have instead.
  static inline const std::string kModule = "model.layers.0.mlp.down_proj";
  static inline const std::string kWeight = kModule + ".weight", kPacked = kModule + ".weight_packed",
                                  kScale = kModule + ".weight_scale";

  void SetUp() override { Use("llama3"); }
  void Use(const std::string& name) {
    checkpoint = Must(Checkpoint::Open(GoldenModel(name)));
    checkpoint.path = "model";
    source = std::make_shared<EditableSource>(*checkpoint.tensors);
    checkpoint.tensors = source;
    spec = Must(ReadHfConfig(checkpoint.config, name));
  }
  Result<CheckpointWeights> Open(ComputeType compute = ComputeType::kAuto) {
    return CheckpointWeights::Open(checkpoint, spec, compute, pool);
  }
  Result<PackedMatrix> Down() {
    CheckpointWeights weights = OCTET_TRY(Open());
    return weights.Matrix("layers.0.ffn.down");
  }
  // Of the error that Down() ends with.
  std::string Message(ErrorCode code) {
    const Result<PackedMatrix> down = Down();
    if (down) return "accepted";
    EXPECT_EQ(ErrorCodeName(down.error().code), ErrorCodeName(code));
    return down.error().message;
  }
  // A column of the matrix as floats, scaled.
  static std::vector<float> Column(const PackedMatrix& matrix, size_t column) {
    std::vector<float> values(matrix.depth);
    kernels::ActiveKernels().unpack_column[static_cast<size_t>(matrix.format)](
        matrix.panels.data(), matrix.column_scales.empty() ? nullptr : matrix.column_scales.data(), matrix.depth,
        column, values.data());
    return values;
  }
  // All weights of the matrix, [columns, depth].
  static std::vector<float> Decoded(const PackedMatrix& matrix) {
    std::vector<float> values;
    for (size_t column = 0; column < matrix.columns; ++column) {
      const std::vector<float> one = Column(matrix, column);
      values.insert(values.end(), one.begin(), one.end());
    }
    return values;
  }

  // What the matrices and vectors take, one by one.
  static uint64_t BytesOfAll(CheckpointWeights& weights) {
    uint64_t bytes = 0;
    for (const WeightProvider::Entry& entry : weights.Entries()) {
      if (!entry.is_matrix) {
        bytes += Must(weights.Vector(entry.name)).size() * sizeof(float);
        continue;
      }
      const PackedMatrix matrix = Must(weights.Matrix(entry.name));
      bytes += matrix.panels.size() + matrix.column_scales.size_bytes() + matrix.bias.size_bytes();
    }
    return bytes;
  }

  ThreadPool pool{2};
  Checkpoint checkpoint;
  std::shared_ptr<EditableSource> source;
  ModelSpec spec;
};

}  // namespace octet
