// The hot loops, one table of functions per CPU tier, chosen at run time.
//
//   const KernelTable& kernels = ActiveKernels();  // the best tier of this CPU, or what OCTET_CPU forces
//   kernels.pack_activations_bf16(x, stride, rows, depth, padded_depth, packed);
//   kernels.gemm[size_t(WeightFormat::kE4M3)](args);
//   kernels.GemmOf(WeightFormat::kInt8, ActivationFormat::kInt8)(args);
//
// A tier's table starts as a copy of the table below it (reference < avx2 < avx512 < avx512_bf16 < amx) and replaces
// entries. `reference` is plain scalar code and defines each result, but for the tiles of amx, which add BF16 products
// in an order of their own (docs/decisions/tiles.md). An output element's value depends on its row and column alone:
// not on how many rows, panels or threads a call covers. Of a NaN only that it is one is promised: its sign and payload
// depend on the tier and on the rows beside it. Layouts: kernels/layout.h.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "kernels/layout.h"
#include "numeric/fp16.h"

namespace octet::kernels {

// out[r, c] = (sum_k activations[r, k] * weights[c, k]) * column_scales[c] * row_scales[r] + bias[c]
// The sum is one FP32 chain per element over ascending k; BF16 pairs enter odd element first:
// sum = fma(a[k], w[k], fma(a[k+1], w[k+1], sum)), as vdpbf16ps does, which also flushes denormals. INT4 weights have a
// chain of codes, less their zero points, for each group: sum = fma(chain, scale of the group, sum), groups ascending,
// denormals flushed too. So does E4M3 in blocks: sum = fma(chain of the block, scale, sum), where the scale is the
// weights' for BF16 activations; of activations that have scales of their blocks, fma(chain, scale of the weights *
// scale of the activations, sum), the product of the scales rounded first.
// Int8 activations with integer weights: each group's chain is a sum of integers, so it is exact, and enters as
// sum = fma(float(chain), scale of the group, sum); INT8, one group without a scale in the stream, as float(chain). Of
// NVFP4 weights twice the E2M1 values are the integers, blocks of 16 the groups, half the block's scale is the scale.
// NVFP4 activations are such integers too; the product of both halved scales, which FP32 holds, is the scale.
struct GemmArgs {
  const void* weights = nullptr;         // packed panels of the whole matrix
  const float* column_scales = nullptr;  // [columns], or null for 1
  const float* bias = nullptr;           // [columns], or null for 0
  const void* activations = nullptr;     // packed rows, all blocks
  const float* row_scales = nullptr;     // [rows], or null for 1
  const float* block_scales = nullptr;   // [rows, Fp8Blocks(depth)], or null for 1; of E4M3 weights in blocks only
  float* out = nullptr;                  // [rows, out_stride]; the columns of the called panels are written
  size_t out_stride = 0;                 // in floats
  size_t rows = 0;
  size_t depth = 0;        // padded depth
  size_t columns = 0;      // of the whole matrix, without padding
  size_t first_panel = 0;  // panels first_panel .. end_panel - 1 are computed
  size_t end_panel = 0;
};

// Attention of new tokens of one sequence over the paged cache, for the query heads of one key head.
//   query [tokens, group, key_dim] at query[token * query_token_stride + head * key_dim], rotated, not scaled
//   out   [tokens, group, value_dim] at out[token * out_token_stride + head * value_dim]
// Token i stands at first_position + i and sees positions max(0, p - window + 1) .. p (window 0: all of 0 .. p).
// score = scale * q.k, then softcap * tanh(score / softcap) where softcap > 0, then + bias; softmax in FP32 over blocks
// of 128 positions aligned to position 0, each block rescaling what came before (on-line softmax). Every 512 positions
// a piece begins anew, and the pieces' sums are joined in their order: the result is the same however a prompt is cut,
// and whether one thread goes through the pieces or each has its own. But for the F32 cache, queries and probabilities
// are rounded to BF16 for the products. A cache of codes has scales: a score is the product with the codes times the
// key's scale, a probability enters the product with the values' codes times the value's scale. An infinity or NaN
// among the values of an F32 or BF16 page may spoil each query of a call that enters the page, those that don't see its
// position too: they multiply it by a probability of zero. In a cache of codes it spoils none but those that see it.
struct AttendArgs {
  const float* query = nullptr;
  size_t query_token_stride = 0;  // in floats
  size_t tokens = 0;
  size_t group = 0;  // query heads per key head
  size_t first_position = 0;
  size_t window = 0;
  const std::byte* const* pages = nullptr;  // page p has positions 32p .. 32p + 31; of one allocation
  size_t key_offset = 0;                    // bytes from a page's start to this head's keys
  size_t value_offset = 0;                  // and to its values
  size_t key_dim = 0;                       // key_dim and value_dim: at most kMaxHeadDim
  size_t value_dim = 0;
  float scale = 1;
  float softcap = 0;
  // Null, or finite numbers added to the scores: of row r, of tokens * group, and position p bias[r * bias_stride + p].
  // Pages are read whole, up to the last position of the last one. A stride of -1 makes one row of all, by distance.
  const float* bias = nullptr;
  ptrdiff_t bias_stride = 0;
  float* out = nullptr;
  size_t out_token_stride = 0;
};

struct KernelTable {
  const char* name = "";

  // Products with activations in ActivationsOf(format), indexed by WeightFormat.
  void (*gemm[kWeightFormats])(const GemmArgs& args) = {};
  // Products with int8 activations, indexed by Int8Index.
  void (*gemm_int8[kInt8Formats])(const GemmArgs& args) = {};
  void (*gemm_nvfp4)(const GemmArgs& args) = nullptr;  // of NVFP4 weights with NVFP4 activations
  // The product of both formats; null where there is none.
  void (*GemmOf(WeightFormat weights, ActivationFormat activations) const)(const GemmArgs& args) {
    if (activations == ActivationsOf(weights)) return gemm[static_cast<size_t>(weights)];
    if (activations == ActivationFormat::kNvfp4) return weights == WeightFormat::kNvfp4 ? gemm_nvfp4 : nullptr;
    const bool is_int8 = activations == ActivationFormat::kInt8 && TakesInt8(weights);
    return is_int8 ? gemm_int8[Int8Index(weights)] : nullptr;
  }

  // rows x depth floats (row r at x + r * stride) into packed blocks, padded with zeros to padded_depth; the BF16 form
  // rounds to nearest even. The call covers blocks first_block .. end_block - 1 of the RowBlocks(rows), so that threads
  // can share it.
  struct PackArgs {
    const float* x = nullptr;
    size_t stride = 0;
    size_t rows = 0;
    size_t depth = 0;
    size_t padded_depth = 0;
    void* packed = nullptr;         // start of the whole packed matrix
    float* row_scales = nullptr;    // [rows], written by the packings that round to E4M3, int8 and NVFP4
    float* block_scales = nullptr;  // [rows, Fp8Blocks(depth)], written by pack_activations_e4m3_blocks only
    float static_scale = 0;         // of every row, for pack_activations_nvfp4; 0: each row has its own
    size_t first_block = 0;
    size_t end_block = 0;
    WeightFormat weights = WeightFormat::kBf16;  // what they will be multiplied with; of int8 codes always to be given
  };
  void (*pack_activations_f32)(const PackArgs& args) = nullptr;
  void (*pack_activations_bf16)(const PackArgs& args) = nullptr;
  // Rounds each row to E4M3 with the scale amax / 448 (1 where that is 0): code = ToE4M3(x / scale); packs the
  // codes' values as BF16, which holds them exactly.
  void (*pack_activations_e4m3)(const PackArgs& args) = nullptr;
  // The same with a scale for each row and block of 128, 1 where that isn't a normal number: for E4M3 weights in
  // blocks.
  void (*pack_activations_e4m3_blocks)(const PackArgs& args) = nullptr;
  // Rounds each row to int8 codes with the scale amax / 127, 1 where that isn't a normal number: code = the integer
  // nearest to x * (1 / scale), ties to even. A row that holds infinity or NaN gets codes of zero and the scale NaN,
  // which its products become. Start values are those for `weights`.
  void (*pack_activations_int8)(const PackArgs& args) = nullptr;
  // Rounds each row to NVFP4 with the scale amax / (6 * 448), 1 where that isn't a normal number. A block of 16 has the
  // E4M3 scale nearest to amax of the block / 6 / the row's scale, at least 2^-9; code = twice the E2M1 number nearest
  // to x / (block's scale * row's). A row that holds infinity or NaN gets what zeros do, with the scale NaN. Where a
  // static scale is given it is the row's; what is beyond its range becomes the largest number of its sign.
  void (*pack_activations_nvfp4)(const PackArgs& args) = nullptr;

  // out[i] = x[i] * (1 / sqrt(mean(x^2) + eps)) * (weight[i] + offset); offset is 1 for Gemma, else 0. out may be x.
  void (*rms_norm)(const float* x, const float* weight, float offset, float eps, size_t count, float* out) = nullptr;
  // out[i] = (x[i] - mean(x)) * (1 / sqrt(variance(x) + eps)) * weight[i] + bias[i], the variance that of all values,
  // not of a sample; mean and factor are rounded to FP32 before they are used. out may be x.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, size_t count,
                     float* out) = nullptr;
  void (*add)(const float* y, size_t count, float* x) = nullptr;  // x[i] += y[i]
  void (*scale)(float factor, size_t count, float* x) = nullptr;  // x[i] *= factor
  // out[i] = activation(gate[i]) * up[i]; out may be gate.
  void (*silu_multiply)(const float* gate, const float* up, size_t count, float* out) = nullptr;
  void (*gelu_tanh_multiply)(const float* gate, const float* up, size_t count, float* out) = nullptr;
  void (*gelu_erf_multiply)(const float* gate, const float* up, size_t count, float* out) = nullptr;
  void (*softcap)(float cap, size_t count, float* x) = nullptr;  // x[i] = cap * tanh(x[i] / cap)
  // Rotates pairs (i, i + half) of one head in place, i < half: x0' = x0 cos - x1 sin, x1' = x1 cos + x0 sin.
  void (*rope)(const float* cosines, const float* sines, size_t half, float* x) = nullptr;

  // Column `column` of a packed matrix as `depth` floats, times its scale where given: the row of an embedding table.
  void (*unpack_column[kWeightFormats])(const void* weights, const float* column_scales, size_t depth, size_t column,
                                        float* out) = {};

  // Writes one position's key [key_dim] and value [value_dim] of one head into slot 0 .. 31 of a page. Codes: the scale
  // is amax / 448 or amax / 127, 1 where that isn't a normal number; E4M3 is that nearest to x / scale, INT8 the
  // integer nearest to x * (1 / scale), ties to even. A row that holds infinity or NaN gets codes of zero and the scale
  // NaN. Indexed by CacheFormat, as the next two.
  void (*store_cache[kCacheFormats])(const float* key, const float* value, size_t key_dim, size_t value_dim,
                                     size_t slot, std::byte* keys, std::byte* values) = {};
  void (*attend[kCacheFormats])(const AttendArgs& args) = {};
  // What attend computes, of the positions 512 * piece .. 512 * piece + 511 alone: partials
  // [tokens * group][PartialFloats(value_dim)] instead of args.out.
  void (*attend_piece[kCacheFormats])(const AttendArgs& args, size_t piece, float* partials) = {};
  // Joins the partials of one row, `stride` floats apart, from its first visible piece on; out [value_dim] is what
  // attend gives.
  void (*join_pieces)(const float* partials, size_t pieces, size_t stride, size_t value_dim, float* out) = nullptr;

  // Index of the largest value, the lowest index among equals; NaN is never chosen unless all are (then 0).
  size_t (*arg_max)(const float* x, size_t count) = nullptr;
  // sum_i exp((x[i] - shift) * factor), summed in double in an order that depends on count alone. The terms go to
  // `terms` [count], which may be null.
  double (*sum_exp)(const float* x, float shift, float factor, size_t count, float* terms) = nullptr;
};

// The tier of that name, or the quickest of this CPU where `wish` is empty: the last one that runs, but avx512
// on Intel, whose BF16 instruction is slower than FMAs (the bits are the same). A wish that isn't a tier, or that this
// CPU can't run, is an invalid_argument that lists what it can.
Result<const KernelTable*> SelectKernels(std::string_view wish);

// What SelectKernels gives for the environment variable OCTET_CPU.
Result<const KernelTable*> WantedKernels();

// The same, or the best tier where that wish can't be met (programs call WantedKernels first and report its error).
const KernelTable& ActiveKernels();

// Every tier of this build that this CPU can run, lowest first.
std::span<const KernelTable* const> AvailableTiers();

// Packs whole row-major matrices [columns, depth] (any column count: a slice that starts at a multiple of 32 columns
// packs to the bytes from its panel on). BF16 rounds floats to nearest even; E4M3 takes codes.
void PackWeightsF32(const float* rows, size_t columns, size_t depth, void* packed);
void PackWeightsBf16(const float* rows, size_t columns, size_t depth, void* packed);
void PackWeightsE4M3(const uint8_t* codes, size_t columns, size_t depth, void* packed);

// E4M3 codes and scales [columns, Fp8Blocks(depth)]: each row of a checkpoint's block brings the block's scale. The
// unpacking gives both back.
void PackWeightsE4M3Block(const uint8_t* codes, const float* scales, size_t columns, size_t depth, void* packed);
void UnpackWeightsE4M3Block(const void* packed, size_t columns, size_t depth, uint8_t* codes, float* scales);

// E2M1 codes 0 .. 15, one a byte, and E4M3 scales 0 .. 0x7E (none negative, no NaN) of [columns, ceil(depth / 16)]. A
// weight is the product of both, which BF16 holds exactly; what scales the whole tensor goes to column_scales.
void PackWeightsNvfp4(const uint8_t* codes, const uint8_t* scales, size_t columns, size_t depth, void* packed);
void UnpackWeightsNvfp4(const void* packed, size_t columns, size_t depth, uint8_t* codes, uint8_t* scales);

// Integer codes -128 .. 127.
void PackWeightsInt8(const int8_t* codes, size_t columns, size_t depth, void* packed);
void UnpackWeightsInt8(const void* packed, size_t columns, size_t depth, int8_t* codes);

// Integer codes -8 .. 7, one a byte, and scales [columns, ceil(depth / group)]; `format` is an INT4 one without zero
// points.
void PackWeightsInt4(WeightFormat format, const int8_t* codes, const Fp16* scales, size_t columns, size_t depth,
                     void* packed);
void UnpackWeightsInt4(WeightFormat format, const void* packed, size_t columns, size_t depth, int8_t* codes,
                       Fp16* scales);

// INT4 with zero points: codes [columns, depth] of 0 .. 15, scales and zero points 0 .. 128 of
// [columns, ceil(depth / group)].
struct Int4Zeros {
  WeightFormat format = WeightFormat::kInt4Zeros32;
  const uint8_t* codes = nullptr;
  const Fp16* scales = nullptr;
  const uint8_t* zeros = nullptr;
};
void PackWeightsInt4Zeros(const Int4Zeros& weights, size_t columns, size_t depth, void* packed);

}  // namespace octet::kernels
