#include "nn/kv_layout.h"

#include "base/checked.h"

namespace octet::nn {
namespace {

constexpr size_t kMaxWidth = size_t{1} << 20;  // of a head
constexpr size_t kMaxPageBytes = size_t{1} << 40;

}  // namespace

Result<KvLayout> KvLayout::Make(std::span<const Layer> layers) {
  KvLayout layout;
  for (size_t index = 0; index < layers.size(); ++index) {
    const Layer& layer = layers[index];
    if (layer.kv_heads == 0 || layer.key_dim == 0 || layer.value_dim == 0 || layer.kv_heads > kMaxWidth ||
        layer.key_dim > kMaxWidth || layer.value_dim > kMaxWidth) {
      return Fail(ErrorCode::kInvalidArgument, "layer ", index, ": a cache of ", layer.kv_heads, " heads with keys of ",
                  layer.key_dim, " and values of ", layer.value_dim, " numbers can't be; each must be 1 to ",
                  kMaxWidth);
    }
    Place place{.shape = layer, .offset = layout.page_bytes_};
    place.key_bytes = kernels::KeyBytes(layer.format, layer.key_dim);
    place.head_bytes = place.key_bytes + kernels::ValueBytes(layer.format, layer.value_dim);
    layout.page_bytes_ += layer.kv_heads * place.head_bytes;
    if (layout.page_bytes_ > kMaxPageBytes) {
      return Fail(ErrorCode::kInvalidArgument, "32 positions of the key/value cache need over ", kMaxPageBytes,
                  " bytes");
    }
    layout.layers_.push_back(place);
  }
  return layout;
}

}  // namespace octet::nn
