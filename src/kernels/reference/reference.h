// The plain definitions behind the table `reference`: what each kernel computes, one value at a time.
// What they mean is said in kernels/kernel_table.h; the table itself is in reference/table.cpp.
#pragma once

#include "kernels/kernel_table.h"

namespace octet::kernels::reference {

void GemmF32(const GemmArgs& args);
void GemmBf16(const GemmArgs& args);
void GemmE4M3(const GemmArgs& args);
void GemmE4M3Block(const GemmArgs& args);
void GemmNvfp4(const GemmArgs& args);
void GemmInt8(const GemmArgs& args);
// Of INT4 weights, instantiated for each group.
template <WeightFormat format>
void GemmInt4(const GemmArgs& args);
// Of int8 activations, instantiated for each format that takes them.
template <WeightFormat format>
void GemmOfInt8(const GemmArgs& args);
void GemmOfNvfp4(const GemmArgs& args);
template <WeightFormat format>
void UnpackColumn(const void* weights, const float* column_scales, size_t depth, size_t column, float* out);

void PackActivationsF32(const KernelTable::PackArgs& args);
void PackActivationsBf16(const KernelTable::PackArgs& args);
void PackActivationsE4M3(const KernelTable::PackArgs& args);
void PackActivationsE4M3Blocks(const KernelTable::PackArgs& args);
void PackActivationsInt8(const KernelTable::PackArgs& args);
void PackActivationsNvfp4(const KernelTable::PackArgs& args);

void RmsNorm(const float* x, const float* weight, float offset, float eps, size_t count, float* out);
void LayerNorm(const float* x, const float* weight, const float* bias, float eps, size_t count, float* out);
void Add(const float* y, size_t count, float* x);
void Scale(float factor, size_t count, float* x);
void SiluMultiply(const float* gate, const float* up, size_t count, float* out);
void GeluTanhMultiply(const float* gate, const float* up, size_t count, float* out);
void GeluErfMultiply(const float* gate, const float* up, size_t count, float* out);
void Softcap(float cap, size_t count, float* x);
void Rope(const float* cosines, const float* sines, size_t half, float* x);
size_t ArgMax(const float* x, size_t count);
double SumExp(const float* x, float shift, float factor, size_t count, float* terms);

// Of the key/value cache, instantiated for each format.
template <CacheFormat format>
void StoreCache(const float* key, const float* value, size_t key_dim, size_t value_dim, size_t slot, std::byte* keys,
                std::byte* values);
template <CacheFormat format>
void Attend(const AttendArgs& args);
template <CacheFormat format>
void AttendPiece(const AttendArgs& args, size_t piece, float* partials);
void JoinPieces(const float* partials, size_t pieces, size_t stride, size_t value_dim, float* out);

}  // namespace octet::kernels::reference
