// A LoRA adapter as a forward pass takes it: what each product of a model's layers has added to its outputs.
//
//   std::shared_ptr<const Adapter> poems = OCTET_TRY(Adapter::Open("adapters/poems", decoder.spec()));
//   Decoder::Run run{.tokens = prompt, .pages = pages, .adapter = poems.get()};
//
// y = W x + B (A x), everything behind W x in FP32 with `scale` multiplied into B; x is what the product gets before it
// is rounded. So the weights' format makes no difference to it. Source: Hu et al. 2021 (LoRA), section 4.1.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/error.h"
#include "formats/peft_adapter.h"
#include "models/model_spec.h"
#include "tensor/packed_matrix.h"

namespace octet {

class Adapter {
 public:
  // Products of a layer, each with one input: queries, keys and values; attention's output; gate and up; down.
  enum class Product : uint8_t { kQkv, kAttnOut, kGateUp, kDown };
  static constexpr size_t kProducts = 4;

  // Outputs first_column .. first_column + b.columns - 1 of a product.
  struct Part {
    PackedMatrix b;         // [out, rank], times the scale
    size_t first_rank = 0;  // of Change::a's outputs, which it takes b.depth of
    size_t first_column = 0;
  };
  struct Change {
    PackedMatrix a;           // [ranks of all matrices, in]
    std::vector<Part> parts;  // empty: the product stays as it is
  };

  // Reads a folder as PEFT writes it. Fails as ReadPeftAdapter does; with invalid_argument where the model lacks a
  // matrix that the adapter changes or has it in another shape, naming both; with unsupported for one of embeddings or
  // of the head, and for an encoder. Work and memory: the files' size, as floats.
  static Result<std::shared_ptr<const Adapter>> Open(const std::filesystem::path& directory, const ModelSpec& spec);
  // The same of one that is read; messages name its path.
  static Result<std::shared_ptr<const Adapter>> Bind(const PeftAdapter& adapter, const ModelSpec& spec);

  // Another one for each adapter that this process binds, from 1 on: what it has computed is told apart by it.
  uint64_t number() const { return number_; }
  size_t layers() const { return changes_.size(); }
  size_t most_rank() const { return most_rank_; }
  uint64_t bytes() const;
  const Change& At(size_t layer, Product product) const { return changes_[layer][static_cast<size_t>(product)]; }

 private:
  Adapter() = default;

  uint64_t number_ = 0;
  size_t most_rank_ = 0;
  std::vector<std::array<Change, kProducts>> changes_;
};

}  // namespace octet
