#include "kernels/reference/reference.h"
#include "kernels/tiers.h"

namespace octet::kernels {

constinit const KernelTable kReference = {
    .name = "reference",
    .gemm = {reference::GemmF32, reference::GemmBf16, reference::GemmE4M3, reference::GemmNvfp4, reference::GemmInt8,
             reference::GemmInt4<WeightFormat::kInt4Group32>, reference::GemmInt4<WeightFormat::kInt4Group64>,
             reference::GemmInt4<WeightFormat::kInt4Group128>, reference::GemmInt4<WeightFormat::kInt4Zeros32>,
             reference::GemmInt4<WeightFormat::kInt4Zeros64>, reference::GemmInt4<WeightFormat::kInt4Zeros128>},
    .gemm_int8 = {reference::GemmOfInt8<WeightFormat::kInt8>, reference::GemmOfInt8<WeightFormat::kInt4Group32>,
                  reference::GemmOfInt8<WeightFormat::kInt4Group64>, reference::GemmOfInt8<WeightFormat::kInt4Group128>,
                  reference::GemmOfInt8<WeightFormat::kInt4Zeros32>, reference::GemmOfInt8<WeightFormat::kInt4Zeros64>,
                  reference::GemmOfInt8<WeightFormat::kInt4Zeros128>},
    .pack_activations_f32 = reference::PackActivationsF32,
    .pack_activations_bf16 = reference::PackActivationsBf16,
    .pack_activations_e4m3 = reference::PackActivationsE4M3,
    .pack_activations_int8 = reference::PackActivationsInt8,
    .round_to_nvfp4 = reference::RoundToNvfp4,
    .rms_norm = reference::RmsNorm,
    .add = reference::Add,
    .scale = reference::Scale,
    .silu_multiply = reference::SiluMultiply,
    .gelu_tanh_multiply = reference::GeluTanhMultiply,
    .gelu_erf_multiply = reference::GeluErfMultiply,
    .softcap = reference::Softcap,
    .rope = reference::Rope,
    .unpack_column = {reference::UnpackColumn<WeightFormat::kF32>, reference::UnpackColumn<WeightFormat::kBf16>,
                      reference::UnpackColumn<WeightFormat::kE4M3>, reference::UnpackColumn<WeightFormat::kNvfp4>,
                      reference::UnpackColumn<WeightFormat::kInt8>, reference::UnpackColumn<WeightFormat::kInt4Group32>,
                      reference::UnpackColumn<WeightFormat::kInt4Group64>,
                      reference::UnpackColumn<WeightFormat::kInt4Group128>,
                      reference::UnpackColumn<WeightFormat::kInt4Zeros32>,
                      reference::UnpackColumn<WeightFormat::kInt4Zeros64>,
                      reference::UnpackColumn<WeightFormat::kInt4Zeros128>},
    .store_cache = {reference::StoreCache<CacheFormat::kF32>, reference::StoreCache<CacheFormat::kBf16>,
                    reference::StoreCache<CacheFormat::kE4M3>, reference::StoreCache<CacheFormat::kInt8>},
    .attend = {reference::Attend<CacheFormat::kF32>, reference::Attend<CacheFormat::kBf16>,
               reference::Attend<CacheFormat::kE4M3>, reference::Attend<CacheFormat::kInt8>},
    .attend_piece = {reference::AttendPiece<CacheFormat::kF32>, reference::AttendPiece<CacheFormat::kBf16>,
                     reference::AttendPiece<CacheFormat::kE4M3>, reference::AttendPiece<CacheFormat::kInt8>},
    .join_pieces = reference::JoinPieces,
    .arg_max = reference::ArgMax,
    .sum_exp = reference::SumExp,
};

}  // namespace octet::kernels
