// The tile kernels on any machine: the same loops and packing, the tile instructions in plain C++ as the manual has
// them.
//
//   const KernelTable& twin = TileTwin();  // equal to the tier amx bit by bit
//
// Attention's softmax is in vectors that only the tier has, so that its products stand here by themselves.
#pragma once

#include "kernels/kernel_table.h"
#include "numeric/bf16.h"

namespace octet::kernels {

const KernelTable& TileTwin();

// What attention by tiles multiplies of a page: sums [rows][32] += operands [rows][depth] x a matrix of the page,
// scales of codes left out. Up to 32 rows; depth is padded to the matrix's records. Not for a cache of FP32.
void AddTwinCacheProducts(CacheFormat format, size_t rows, const Bf16* operands, const std::byte* matrix, size_t depth,
                          float* sums);

}  // namespace octet::kernels
