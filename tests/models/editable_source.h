// A checkpoint whose tensors a test changes: in memory, taken from one of the golden models.
//
//   auto source = std::make_shared<EditableSource>(*checkpoint.tensors);
//   source->Quantise("model.layers.0.mlp.down_proj.weight");
//   checkpoint.tensors = source;
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/packed_integers.h"
#include "golden_model.h"
#include "numeric/bf16.h"
#include "numeric/e2m1.h"
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
    for (const float value : values) {
      if (dtype == DType::kE4M3) codes.push_back(static_cast<std::byte>(ToE4M3(value).bits));
      if (dtype == DType::kI8) codes.push_back(static_cast<std::byte>(static_cast<int8_t>(value)));
      if (dtype != DType::kI64) continue;
      const std::array<std::byte, 8> bytes = std::bit_cast<std::array<std::byte, 8>>(static_cast<int64_t>(value));
      codes.insert(codes.end(), bytes.begin(), bytes.end());
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

  // Stores the tensor as E4M3 codes with a scale for each block of 128 x 128, in `name` + suffix.
  void QuantiseBlocks(const std::string& name, const std::string& suffix = "_scale_inv") {
    const Shape shape = Find(name)->shape;
    const size_t blocks = BlocksOf(shape[1]);
    std::vector<float> values = data_[name].first, scales(BlocksOf(shape[0]) * blocks);
    const auto block_of = [&](size_t i) { return i / shape[1] / 128 * blocks + i % shape[1] / 128; };
    for (size_t i = 0; i < values.size(); ++i)
      scales[block_of(i)] = std::max(scales[block_of(i)], std::abs(values[i]) / 448);
    for (size_t i = 0; i < values.size(); ++i) values[i] = ToFloat(ToE4M3(values[i] / scales[block_of(i)]));
    Set(name, DType::kE4M3, shape, std::move(values));
    Set(name + suffix, DType::kF32, {BlocksOf(shape[0]), blocks}, std::move(scales));
  }
  static size_t BlocksOf(uint64_t size) { return (size + 127) / 128; }

  // Stores a module's weight as packed codes of 4 or 8 bits in groups of columns with scales of BF16's precision.
  void QuantiseIntegers(const std::string& name, int bits, size_t group) {
    const Shape shape = Find(name)->shape;
    const std::string module = name.substr(0, name.rfind('.'));
    std::vector<float> values = data_[name].first, scales;
    std::vector<int8_t> codes;
    for (size_t row = 0; row < shape[0]; ++row) {
      for (size_t first = 0; first < shape[1]; first += group) {
        const std::span<float> one(values.data() + row * shape[1] + first, std::min(group, shape[1] - first));
        float largest = 0;
        for (const float value : one) largest = std::max(largest, std::abs(value));
        scales.push_back(ToFloat(ToBf16(largest / (bits == 4 ? 7 : 127))));
        for (float& value : one) {
          codes.push_back(static_cast<int8_t>(std::nearbyint(value / scales.back())));
          value = codes.back() * scales.back();
        }
      }
    }
    std::vector<uint32_t> words(shape[0] * PackedWords(shape[1], bits));
    PackIntegers(codes, shape[1], bits, words);
    Remove(name);
    SetWords(module + ".weight_packed", {shape[0], PackedWords(shape[1], bits)}, words);
    Set(module + ".weight_scale", DType::kF32, {shape[0], (shape[1] + group - 1) / group}, std::move(scales));
    Set(module + ".weight_shape", DType::kI64, {2}, {static_cast<float>(shape[0]), static_cast<float>(shape[1])});
    codes_[name] = {shape, std::move(values)};
  }

  // The same of 4 bits with zero points: codes -8 to 7 from the least to the greatest weight of a group, or 0.
  void QuantiseWithZeros(const std::string& name, size_t group) {
    const Shape shape = Find(name)->shape;
    const std::string module = name.substr(0, name.rfind('.'));
    const size_t groups = (shape[1] + group - 1) / group;
    std::vector<float> values = data_[name].first, scales;
    std::vector<int8_t> codes;
    std::vector<uint32_t> zeros((shape[0] + 7) / 8 * groups);
    for (size_t row = 0; row < shape[0]; ++row) {
      for (size_t index = 0; index < groups; ++index) {
        const size_t first = index * group;
        const std::span<float> one(values.data() + row * shape[1] + first, std::min(group, shape[1] - first));
        const float least = std::min(0.0F, *std::min_element(one.begin(), one.end()));
        const float greatest = std::max(0.0F, *std::max_element(one.begin(), one.end()));
        scales.push_back(ToFloat(ToBf16((greatest - least) / 15)));
        const float zero = std::clamp(std::nearbyint(-8 - least / scales.back()), -8.0F, 7.0F);
        zeros[row / 8 * groups + index] |= static_cast<uint32_t>(zero + 8) << row % 8 * 4;
        for (float& value : one) {
          const float code = std::clamp(std::nearbyint(value / scales.back()) + zero, -8.0F, 7.0F);
          codes.push_back(static_cast<int8_t>(code));
          value = (code - zero) * scales.back();
        }
      }
    }
    std::vector<uint32_t> words(shape[0] * PackedWords(shape[1], 4));
    PackIntegers(codes, shape[1], 4, words);
    Remove(name);
    SetWords(module + ".weight_packed", {shape[0], PackedWords(shape[1], 4)}, words);
    SetWords(module + ".weight_zero_point", {(shape[0] + 7) / 8, groups}, zeros);
    Set(module + ".weight_scale", DType::kF32, {shape[0], groups}, std::move(scales));
    Set(module + ".weight_shape", DType::kI64, {2}, {static_cast<float>(shape[0]), static_cast<float>(shape[1])});
    codes_[name] = {shape, std::move(values)};
  }
  void SetWords(const std::string& name, Shape shape, std::span<const uint32_t> words) {
    Set(name, DType::kI32, std::move(shape), {});
    const std::span<const std::byte> bytes = std::as_bytes(words);
    data_[name].second.assign(bytes.begin(), bytes.end());
  }

  // Stores a module's weight as E2M1 codes with E4M3 scales of 16 columns, as compressed-tensors names them.
  void QuantiseNvfp4(const std::string& name) {
    const Shape shape = Find(name)->shape;
    const std::string module = name.substr(0, name.rfind('.'));
    std::vector<float> values = data_[name].first, scales;
    std::vector<uint8_t> codes(shape[0] * ((shape[1] + 1) / 2));
    float amax = 0;
    for (const float value : values) amax = std::max(amax, std::abs(value));
    const float global = 6 * 448 / amax, factor = 1 / global;
    for (size_t row = 0; row < shape[0]; ++row) {
      for (size_t first = 0; first < shape[1]; first += 16) {
        const std::span<float> block(values.data() + row * shape[1] + first, std::min<size_t>(16, shape[1] - first));
        float largest = 0;
        for (const float value : block) largest = std::max(largest, std::abs(value));
        scales.push_back(ToFloat(ToE4M3(std::max(largest / 6 * global, 0x1p-9F))));
        for (size_t i = 0; i < block.size(); ++i) {
          const E2M1 code = ToE2M1(block[i] / (scales.back() * factor));
          codes[row * ((shape[1] + 1) / 2) + (first + i) / 2] |= static_cast<uint8_t>(code.bits << i % 2 * 4);
          block[i] = ToFloat(code) * scales.back() * factor;
        }
      }
    }
    Remove(name);
    SetBytes(module + ".weight_packed", {shape[0], (shape[1] + 1) / 2}, codes);
    Set(module + ".weight_scale", DType::kE4M3, {shape[0], (shape[1] + 15) / 16}, std::move(scales));
    Set(module + ".weight_global_scale", DType::kF32, {1}, {global});
    codes_[name] = {shape, std::move(values)};
  }
  void SetBytes(const std::string& name, Shape shape, std::span<const uint8_t> bytes) {
    Set(name, DType::kU8, std::move(shape), {bytes.begin(), bytes.end()});
    data_[name].second.assign(std::as_bytes(bytes).begin(), std::as_bytes(bytes).end());
  }
  // A tensor of another source under another name, floats and bytes.
  void Copy(const TensorSource& from, const std::string& name, const std::string& to) {
    const TensorInfo info = *from.Find(name);
    Set(to, info.dtype, info.shape, ReadTensor(from, name));
    const std::span<const std::byte> bytes = Must(from.Bytes(name));
    data_[to].second.assign(bytes.begin(), bytes.end());
  }
  void Rename(const std::string& from, const std::string& to) {
    const TensorInfo info = *Find(from);
    auto data = std::move(data_[from]);
    Remove(from);
    Set(to, info.dtype, info.shape, {});
    data_[to] = std::move(data);
  }

  // What the integers or four-bit codes of a module stand for.
  const std::vector<float>& Codes(const std::string& name) const { return codes_.at(name).second; }

  // The same tensors with every scale multiplied in, all in FP32: what a quantised checkpoint stands for.
  std::shared_ptr<EditableSource> Decoded() const {
    auto decoded = std::make_shared<EditableSource>(*this);
    for (const auto& [name, weights] : codes_) {
      const std::string module = name.substr(0, name.rfind('.'));
      for (const char* part :
           {".weight_packed", ".weight_scale", ".weight_shape", ".weight_global_scale", ".weight_zero_point"})
        decoded->Remove(module + part);
      decoded->Set(name, DType::kF32, weights.first, weights.second);
    }
    for (const TensorInfo& info : infos_) {
      if (decoded->Find(info.name) == nullptr) continue;
      std::vector<float> values = data_.at(info.name).first;
      if (info.dtype == DType::kE4M3) {
        const std::string scale = info.name + (Find(info.name + "_scale_inv") ? "_scale_inv" : "_scale");
        const std::vector<float>& scales = data_.at(scale).first;
        const bool in_rows = scales.size() == info.shape[0];
        for (size_t i = 0; i < values.size(); ++i) {
          const size_t row = i / info.shape[1], column = i % info.shape[1];
          values[i] *= scales[in_rows ? row : row / 128 * BlocksOf(info.shape[1]) + column / 128];
        }
        decoded->Remove(scale);
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
    const std::vector<std::byte>& codes = data_.at(std::string(name)).second;
    if (codes.empty()) return Fail(ErrorCode::kUnsupported, name, " is kept as floats");
    return std::span<const std::byte>(codes);
  }

 private:
  std::vector<TensorInfo> infos_;
  std::map<std::string, std::pair<std::vector<float>, std::vector<std::byte>>> data_;
  std::map<std::string, std::pair<Shape, std::vector<float>>> codes_;
};

}  // namespace octet
