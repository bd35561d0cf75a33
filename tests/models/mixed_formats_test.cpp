// The whole forward pass over matrices in every integer format beside E4M3 and BF16, against FP32 over what their codes
// stand for.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "golden_model.h"
#include "kernels/kernel_table.h"
#include "numeric/bf16.h"
#include "numeric/fp16.h"

namespace octet {
namespace {

using kernels::WeightFormat;
using nn::ActivationMode;

constexpr size_t kMixedTokens = 44;

// One matrix of a checkpoint, in another format.
struct Recoded {
  size_t columns = 0, depth = 0;
  std::vector<float> values = {};  // what it holds, then what its codes stand for
  std::vector<int8_t> codes = {};  // less their zero points
  std::vector<float> scales = {};
  std::vector<Fp16> group_scales = {};
  std::vector<uint8_t> zeros = {}, stored = {};

  void ToInt8Rows() {
    for (size_t column = 0; column < columns; ++column) {
      float* row = values.data() + column * depth;
      float amax = 1e-9F;
      for (size_t k = 0; k < depth; ++k) amax = std::max(amax, std::fabs(row[k]));
      scales.push_back(amax / 127);
      for (size_t k = 0; k < depth; ++k) {
        codes.push_back(static_cast<int8_t>(std::nearbyint(row[k] / scales.back())));
        row[k] = codes.back() * scales.back();
      }
    }
  }

  // Codes of 0 .. 15 from the least to the largest of a group, or -8 .. 7 around zero.
  void ToInt4Groups(size_t group, bool has_zeros) {
    for (size_t i = 0; i < values.size(); i += std::min(group, depth - i % depth)) {
      float* first = values.data() + i;
      const size_t count = std::min(group, depth - i % depth);
      const auto [least, largest] = std::minmax_element(first, first + count);
      const float low = std::min(*least, 0.0F), high = std::max(*largest, 0.0F);
      const Fp16 scale = ToFp16(std::max(has_zeros ? (high - low) / 15 : std::max(-low, high) / 7, 1e-4F));
      const int zero = has_zeros ? static_cast<int>(std::nearbyint(-low / ToFloat(scale))) : 8;
      group_scales.push_back(scale);
      zeros.push_back(static_cast<uint8_t>(zero));
      for (float* value = first; value < first + count; ++value) {
        const int code = std::clamp(static_cast<int>(std::nearbyint(*value / ToFloat(scale))) + zero, 0, 15);
        stored.push_back(static_cast<uint8_t>(code));
        codes.push_back(static_cast<int8_t>(code - zero));
        *value = static_cast<float>(code - zero) * ToFloat(scale);
      }
    }
  }

  void Pack(WeightFormat format, void* packed) const {
    if (format == WeightFormat::kF32) return kernels::PackWeightsF32(values.data(), columns, depth, packed);
    if (format == WeightFormat::kBf16) return kernels::PackWeightsBf16(values.data(), columns, depth, packed);
    if (format == WeightFormat::kInt8) return kernels::PackWeightsInt8(codes.data(), columns, depth, packed);
    if (!kernels::HasZeros(format))
      return kernels::PackWeightsInt4(format, codes.data(), group_scales.data(), columns, depth, packed);
    kernels::PackWeightsInt4Zeros({format, stored.data(), group_scales.data(), zeros.data()}, columns, depth, packed);
  }
};

// Gives each matrix but the embedding the next format of a round, or, decoded, FP32 of the same values.
class MixedWeights : public WeightProvider {
 public:
  MixedWeights(CheckpointWeights base, bool decoded) : base_(std::move(base)), decoded_(decoded) {}
  const std::vector<Entry>& Entries() const override { return base_.Entries(); }
  Result<std::vector<float>> Vector(std::string_view name) override { return base_.Vector(name); }

  Result<PackedMatrix> Matrix(std::string_view name) override {
    constexpr WeightFormat kRound[] = {WeightFormat::kInt4Group32,  WeightFormat::kInt8,
                                       WeightFormat::kInt4Zeros64,  WeightFormat::kBf16,
                                       WeightFormat::kInt4Zeros32,  WeightFormat::kInt4Group64,
                                       WeightFormat::kInt4Zeros128, WeightFormat::kInt4Group128};
    PackedMatrix from = OCTET_TRY(base_.Matrix(name));
    if (name == "embedding") return from;
    return Recode(from, kRound[next_++ % std::size(kRound)]);
  }

 private:
  struct Held {
    std::shared_ptr<const void> from;
    std::shared_ptr<AlignedBuffer> panels;
    std::vector<float> scales;
  };

  PackedMatrix Recode(const PackedMatrix& from, WeightFormat format) const {
    Recoded to{.columns = from.columns, .depth = from.depth, .values = std::vector<float>(from.columns * from.depth)};
    const auto unpack = kernels::ActiveKernels().unpack_column[static_cast<size_t>(from.format)];
    for (size_t column = 0; column < from.columns; ++column)
      unpack(from.panels.data(), nullptr, from.depth, column, to.values.data() + column * from.depth);
    if (format == WeightFormat::kBf16) {
      for (float& value : to.values) value = ToFloat(ToBf16(value));
    } else if (format == WeightFormat::kInt8) {
      to.ToInt8Rows();
    } else {
      to.ToInt4Groups(kernels::Int4Group(format), kernels::HasZeros(format));
    }
    const WeightFormat stored = decoded_ ? WeightFormat::kF32 : format;
    auto held = std::make_shared<Held>();
    held->from = from.owner;
    held->panels = Must(AlignedBuffer::Allocate(kernels::PackedBytes(stored, from.columns, from.depth)));
    held->scales = to.scales;
    to.Pack(stored, held->panels->data());
    PackedMatrix matrix = from;
    matrix.format = stored;
    matrix.panels = held->panels->bytes();
    if (stored == WeightFormat::kInt8) matrix.column_scales = held->scales;
    matrix.owner = held;
    return matrix;
  }

  CheckpointWeights base_;
  bool decoded_;
  size_t next_ = 0;
};

class MixedFormats : public testing::TestWithParam<std::tuple<std::string, const kernels::KernelTable*>> {
 protected:
  std::unique_ptr<TinyModel> Model(bool decoded, size_t threads) const {
    const auto& [name, tier] = GetParam();
    const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel(name)));
    const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, "config.json"));
    ThreadPool pool(1);
    MixedWeights weights(Must(CheckpointWeights::Open(checkpoint, spec, ComputeType::kF32, pool)), decoded);
    return std::make_unique<TinyModel>(Must(Decoder::Load(spec, weights)), *tier, threads);
  }
  std::vector<int32_t> Ids() const {
    std::vector<int32_t> ids = ReadGolden(std::get<0>(GetParam())).ids;
    ids.resize(kMixedTokens);
    return ids;
  }
  std::vector<float> Want() const { return Model(true, 1)->Logits(Ids(), kMixedTokens); }
  std::vector<float> Got(ActivationMode mode, size_t threads, size_t chunk) const {
    const std::unique_ptr<TinyModel> model = Model(false, threads);
    model->context.activations = mode;
    return model->Logits(Ids(), chunk);
  }
  double Layers() const {
    const Json config = ReadJsonFile(GoldenModel(std::get<0>(GetParam())) / "config.json");
    return config.at("num_hidden_layers").get<double>();
  }
  // Eight roundings to BF16 in each layer, as in decoder_test.
  double Bf16Bound() const { return 8 * Layers() / 512; }
};

INSTANTIATE_TEST_SUITE_P(Models, MixedFormats,
                         testing::Combine(testing::Values("llama3", "qwen2", "phi3_long"),
                                          testing::ValuesIn(kernels::AvailableTiers().begin(),
                                                            kernels::AvailableTiers().end())),
                         [](const testing::TestParamInfo<MixedFormats::ParamType>& test) {
                           return std::get<0>(test.param) + "_" + std::get<1>(test.param)->name;
                         });

TEST_P(MixedFormats, LogitsWithBf16ActivationsStayWithinANormBoundOfTheDecodedWeights) {
  EXPECT_LT(RelativeError(Got(ActivationMode::kBf16, 1, kMixedTokens), Want()), Bf16Bound());
}

// A row of up to 252 inputs is rounded by less than 1 / 16 of its norm: each by 1 / 254 of the largest. The errors of a
// layer's four products are independent of each other, so that their squares add up.
TEST_P(MixedFormats, LogitsWithInt8ActivationsStayWithinANormBoundOfTheDecodedWeights) {
  const std::vector<float> rounded = Got(ActivationMode::kInt8, 1, kMixedTokens);
  EXPECT_LT(RelativeError(rounded, Want()), std::sqrt(4 * Layers() + 1) / 16 + Bf16Bound());
  EXPECT_NE(rounded, Got(ActivationMode::kBf16, 1, kMixedTokens));
  EXPECT_EQ(rounded, Got(ActivationMode::kAuto, 1, kMixedTokens));
}

TEST_P(MixedFormats, LogitsAreTheSameBitsForAnyThreadsAndCuts) {
  for (const ActivationMode mode : {ActivationMode::kInt8, ActivationMode::kBf16}) {
    const std::vector<float> whole = Got(mode, 1, kMixedTokens);
    EXPECT_EQ(Got(mode, 2, kMixedTokens), whole);
    for (const size_t chunk : ChunksFor(*std::get<1>(GetParam())))
      EXPECT_EQ(Got(mode, 2, chunk), whole) << "chunks of " << chunk;
  }
}

TEST_P(MixedFormats, ActivationsThatNoMatrixTakesAreRefusedNamingTheOthers) {
  const std::unique_ptr<TinyModel> mixed = Model(false, 1), decoded = Model(true, 1);
  EXPECT_TRUE(mixed->decoder.CheckActivations(ActivationMode::kInt8).has_value());
  EXPECT_TRUE(decoded->decoder.CheckActivations(ActivationMode::kAuto).has_value());
  EXPECT_TRUE(mixed->decoder.CheckActivations(ActivationMode::kE4M3).has_value()) << "INT4 is among them";
  EXPECT_EQ(decoded->decoder.CheckActivations(ActivationMode::kE4M3).error().message,
            "the model has no FP8 or INT4 weights, which alone take fp8 activations; it takes auto, bf16");
  EXPECT_EQ(decoded->decoder.CheckActivations(ActivationMode::kInt8).error().message,
            "the model has no INT8, INT4 or NVFP4 weights, which alone take int8 activations; it takes auto, bf16");
}

}  // namespace
}  // namespace octet
