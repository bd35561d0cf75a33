// A checkpoint whose tensors a test changes: in memory, taken from one of the golden models.
//
//   auto source = std::make_shared<EditableSource>(*checkpoint.tensors);
//   source->Quantise("model.layers.0.mlp.down_proj.weight");
//   checkpoint.tensors = source;
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "golden_model.h"
#include "numeric/fp8.h"

namespace octet {

// Tensors in memory: those of a golden checkpoint, which a test then changes.
class EditableSource : public TensorSource {
 public:
  explicit EditableSource(const TensorSource& from) {
    for (const TensorInfo& info : from.tensors()) Set(info.name, info.dtype, info.shape, ReadTensor(from, info.name));
  }

  void Set(const std::string& name, DType dtype, Shape shape, std::vector<float> values) {
    Remove(name);
    std::vector<std::byte> codes;
    if (dtype == DType::kE4M3) {
      for (const float value : values) codes.push_back(static_cast<std::byte>(ToE4M3(value).bits));
    }
    data_[name] = {std::move(values), std::move(codes)};
    infos_.push_back(
        {.name = name, .dtype = dtype, .shape = std::move(shape), .stored_type = std::string(Name(dtype))});
    std::sort(infos_.begin(), infos_.end(), [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  }
  void Remove(const std::string& name) {
    std::erase_if(infos_, [&](const TensorInfo& info) { return info.name == name; });
    data_.erase(name);
  }
  // Stores the tensor as E4M3 codes with a scale per row, [rows, 1]; what it holds becomes what they decode to.
  void Quantise(const std::string& name) {
    const Shape shape = Find(name)->shape;
    std::vector<float> values = data_[name].first, scales;
    for (size_t row = 0; row < shape[0]; ++row) {
      const std::span<float> one(values.data() + row * shape[1], shape[1]);
      float largest = 0;
      for (const float value : one) largest = std::max(largest, std::abs(value));
      scales.push_back(largest / 448);
      for (float& value : one) value = ToFloat(ToE4M3(value / scales.back()));
    }
    Set(name, DType::kE4M3, shape, std::move(values));
    Set(name + "_scale", DType::kF32, {shape[0], 1}, std::move(scales));
  }

  // The same tensors with every scale multiplied in, all in FP32: what a quantised checkpoint stands for.
  std::shared_ptr<EditableSource> Decoded() const {
    auto decoded = std::make_shared<EditableSource>(*this);
    for (const TensorInfo& info : infos_) {
      std::vector<float> values = data_.at(info.name).first;
      if (info.dtype == DType::kE4M3) {
        const std::vector<float>& scales = data_.at(info.name + "_scale").first;
        for (size_t i = 0; i < values.size(); ++i) values[i] *= scales[i / info.shape[1]];
        decoded->Remove(info.name + "_scale");
      }
      decoded->Set(info.name, DType::kF32, info.shape, std::move(values));
    }
    return decoded;
  }

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const override {
    const TensorInfo* info = OCTET_TRY(RequireRows(name, first, count));
    const std::vector<float>& values = data_.at(std::string(name)).first;
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(first * RowSize(info->shape)),
                count * RowSize(info->shape), out);
    return {};
  }
  Result<std::span<const std::byte>> Bytes(std::string_view name) const override {
    return std::span<const std::byte>(data_.at(std::string(name)).second);
  }

 private:
  std::vector<TensorInfo> infos_;
  std::map<std::string, std::pair<std::vector<float>, std::vector<std::byte>>> data_;
};

}  // namespace octet
