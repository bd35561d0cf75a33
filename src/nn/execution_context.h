// What every operator needs to run: threads, kernels and scratch memory.
//
//   ThreadPool pool(2);
//   nn::ExecutionContext context(pool, kernels::ActiveKernels());
//   decoder.Forward(runs, context, logits);
//
// One context serves one call at a time. Scratch memory grows to the largest step seen and stays, so that a repeated
// step allocates nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"
#include "tensor/packed_matrix.h"

namespace octet::nn {

// How inputs of quantised weights are rounded before the product: kE4M3 those of E4M3 and INT4 weights, kNvfp4 those of
// NVFP4 weights, kInt8 and kAuto those of INT8 and INT4 weights to int8, and kInt8 those of NVFP4 weights too, each row
// with its own scale (of E4M3 weights in blocks, each 128 of its values); other weights take BF16 (F32 ones floats)
// whatever it says.
enum class ActivationMode { kAuto, kBf16, kE4M3, kNvfp4, kInt8 };

// Bump allocator that is emptied at the start of each step, and by scopes within one.
class Workspace {
 public:
  Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // Memory on a 64-byte boundary, valid until Reset; its content is whatever was there. Fails with exhausted, saying
  // what was asked for and what is held.
  Result<void*> Bytes(size_t bytes) { return Items(bytes, 1); }
  Result<float*> Floats(size_t count);
  // Values made by their default constructors; they are never destroyed.
  template <class Value>
  Result<std::span<Value>> Array(size_t count) {
    static_assert(std::is_trivially_destructible_v<Value> && alignof(Value) <= 64);
    auto* values = static_cast<Value*>(OCTET_TRY(Items(count, sizeof(Value))));
    std::uninitialized_value_construct_n(values, count);
    return std::span<Value>(values, count);
  }

  // Gives back, at its end, what was taken since its beginning.
  class Scope {
   public:
    explicit Scope(Workspace& workspace) : workspace_(workspace), block_(workspace.block_), used_(workspace.used_) {}
    ~Scope() {
      workspace_.block_ = block_;
      workspace_.used_ = used_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Workspace& workspace_;
    size_t block_, used_;
  };

  // Gives all memory back to the workspace; what did not fit into one block is one block from now on. Fails as Bytes,
  // holding nothing then.
  Status Reset();

  // What the steps so far needed at most.
  size_t capacity() const;

 private:
  Result<void*> Items(size_t count, size_t item_bytes);
  Status AddBlock(size_t bytes);

  std::vector<std::shared_ptr<AlignedBuffer>> blocks_;
  size_t block_ = 0;  // the one that memory is taken from
  size_t used_ = 0;   // of that block
};

struct ExecutionContext {
  ExecutionContext(ThreadPool& threads, const kernels::KernelTable& table) : pool(threads), kernels(table) {}

  ThreadPool& pool;
  const kernels::KernelTable& kernels;
  ActivationMode activations = ActivationMode::kAuto;
  const CancelFlag* cancel = nullptr;  // looked at between layers; null: nobody stops the step
  Workspace workspace;
};

}  // namespace octet::nn
