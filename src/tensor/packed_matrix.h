// A weight matrix in the order that the kernels read, and the memory such matrices live in.
//
//   std::shared_ptr<AlignedBuffer> buffer = OCTET_TRY(AlignedBuffer::Allocate(kernels::PackedBytes(format, columns,
//   depth))); PackedMatrix matrix{.format = format, .columns = columns, .depth = depth, .panels = buffer->bytes(),
//   .owner = buffer};
//
// The layout itself: kernels/layout.h. Who fills it: models/weights.h from a checkpoint, engine/pack from a mapped
// file.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/error.h"
#include "kernels/layout.h"

namespace octet {

// Bytes on a 64-byte boundary, zero at first; blocks of 2 MB and more ask the system for huge pages. Freed with the
// last owner.
class AlignedBuffer {
 public:
  // Fails with exhausted, saying how much was asked for, and what the machine has where that is less. Zero bytes give a
  // buffer that is empty.
  static Result<std::shared_ptr<AlignedBuffer>> Allocate(size_t bytes);

  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer();

  std::byte* data() { return data_; }
  size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  AlignedBuffer() = default;

  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Weights of one linear map [columns = out features, depth = in features], or of an embedding table [vocabulary,
// hidden]. A value: copying shares the memory, which `owner` keeps alive.
struct PackedMatrix {
  kernels::WeightFormat format = kernels::WeightFormat::kF32;
  size_t columns = 0;
  size_t depth = 0;
  std::span<const std::byte> panels;     // PackedBytes(format, columns, depth), 64-byte aligned
  std::span<const float> column_scales;  // [columns], or empty for 1
  std::span<const float> bias;           // [columns], or empty for 0
  // Of E4M3, INT4 and NVFP4 matrices: what inputs are divided by where they are rounded to their format, 0 for a scale
  // of each row's own.
  float input_scale = 0;
  // Inputs that are rounded to E4M3 are so in blocks of 32 with powers of two (numeric/mx.h): of MXFP8 weights, which
  // are BF16 here.
  bool takes_mx_inputs = false;
  std::shared_ptr<const void> owner;
};

}  // namespace octet
