// A step's additions by adapters, whose rows stand among others'. Private to this folder.
//
//   AdapterPass adapters;
//   OCTET_TRY(adapters.Plan(runs, context));
//   OCTET_TRY(adapters.Add(layer, Adapter::Product::kQkv, {x, width, rows, width}, qkv, qkv_stride));
//
// Two parallel regions a product, whatever the number of adapters: A x of all, then B (A x). Each row's sums are in the
// weights' order alone, so that they are the same whoever else is in the step.
#pragma once

#include <cstddef>
#include <span>

#include "models/adapter.h"
#include "models/decoder.h"
#include "nn/linear.h"

namespace octet {

class AdapterPass {
 public:
  // Neighbouring runs with the same adapter become one group. Memory of the context's workspace, which must outlive
  // the pass; fails with exhausted where that does.
  Status Plan(std::span<const Decoder::Run> runs, nn::ExecutionContext& context);

  bool is_empty() const { return groups_.empty(); }

  // Adds to out [input.count, out_stride] what each row's adapter has for the product; rows without one aren't touched.
  Status Add(size_t layer, Adapter::Product product, const nn::Rows& input, float* out, size_t out_stride) const;

 private:
  struct Group {
    const Adapter* adapter = nullptr;
    size_t first_row = 0, rows = 0;
  };
  // A group's part in one product.
  struct Work {
    const Adapter::Change* change = nullptr;
    size_t first_row = 0, rows = 0;
    nn::PackedRows input = {};
    float* ranks = nullptr;  // A x: [rows, ranks of all matrices]
  };
  // One of B's matrices with its inputs.
  struct Addend {
    const Adapter::Part* part = nullptr;
    size_t first_row = 0, rows = 0;
    nn::PackedRows input = {};
    float* out = nullptr;  // [rows, part's columns]
  };

  Result<std::span<Work>> PlanWork(size_t layer, Adapter::Product product, const nn::Rows& input) const;
  Result<std::span<Addend>> PlanAddends(std::span<const Work> work) const;
  void MultiplyRanks(std::span<const Work> work) const;
  void AddAll(std::span<const Addend> addends, float* out, size_t out_stride) const;

  nn::ExecutionContext* context_ = nullptr;
  std::span<Group> groups_;
};

}  // namespace octet
