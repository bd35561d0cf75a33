#include "quantize/global_scales.h"

#include <algorithm>
#include <mutex>

#include "quantize/e4m3_rows.h"
#include "quantize/nvfp4_rows.h"
#include "quantize/tensor_slices.h"

namespace octet {
namespace {

Result<float> LargestOf(const TensorSource& source, const TensorPrecision& tensor, const QuantizeRun& run) {
  float amax = 0;
  std::mutex mutex;
  OCTET_TRY(ForEachSlice(source, tensor, run, [&](uint64_t, std::span<const float> floats) -> Status {
    run.pool.ForEachShare(floats.size(), [&](size_t begin, size_t end) {
      const float of_share = LargestMagnitude(floats.subspan(begin, end - begin));
      const std::lock_guard lock(mutex);
      amax = std::max(amax, of_share);
    });
    return {};
  }));
  return amax;
}

}  // namespace

Result<GlobalScales> MeasureGlobalScales(const TensorSource& source, const PrecisionMap& map, const QuantizeRun& run) {
  std::map<std::string_view, float> amax;  // of each joined matrix
  for (const TensorPrecision& tensor : map.tensors) {
    if (!tensor.encoding || !HasTensorScale(*tensor.encoding)) continue;
    float& of_joined = amax[tensor.joined];
    of_joined = std::max(of_joined, OCTET_TRY(LargestOf(source, tensor, run)));
  }
  GlobalScales scales;
  for (const TensorPrecision& tensor : map.tensors) {
    if (tensor.encoding == Encoding::kNvfp4) scales[tensor.name] = Nvfp4GlobalScale(amax.at(tensor.joined));
    if (tensor.encoding == Encoding::kE4M3Tensor) scales[tensor.name] = E4M3TensorScale(amax.at(tensor.joined));
  }
  return scales;
}

}  // namespace octet
