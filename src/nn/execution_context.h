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
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace octet::nn {

// How inputs of E4M3 weights are rounded before the product; other weights don't look at it.
enum class ActivationMode { kBf16, kE4M3 };

// Bump allocator that is emptied at the start of each step.
class Workspace {
 public:
  Workspace() = default;
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // Memory on a 64-byte boundary, valid until Reset; its content is whatever was there.
  void* Bytes(size_t bytes);
  float* Floats(size_t count) { return static_cast<float*>(Bytes(count * sizeof(float))); }

  // Gives all memory back to the workspace; what did not fit into one block is one block from now on.
  void Reset();

  // What the steps so far needed at most.
  size_t capacity() const;

 private:
  struct Block {
    std::byte* data = nullptr;
    size_t size = 0;
  };
  void AddBlock(size_t bytes);

  std::vector<Block> blocks_;
  size_t used_ = 0;  // of the last block
};

struct ExecutionContext {
  ExecutionContext(ThreadPool& threads, const kernels::KernelTable& table) : pool(threads), kernels(table) {}

  ThreadPool& pool;
  const kernels::KernelTable& kernels;
  ActivationMode activations = ActivationMode::kBf16;
  Workspace workspace;
};

}  // namespace octet::nn
