// The whole forward pass over checkpoints in E4M3, all of them and in part, against FP32 over what the codes stand for.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "editable_source.h"
#include "golden_model.h"
#include "kernels/kernel_table.h"

namespace octet {
namespace {

using nn::ActivationMode;

// Beyond a page, the windows of gemma3 and the original length of phi3_long's rope.
constexpr size_t kFp8Tokens = 44;
constexpr size_t kGoldenTokens = 8;

// Every matrix in E4M3, or layers and parts of layers in different formats.
enum class Choice { kAll, kMixed };

bool IsChosen(const std::string& tensor, Choice choice) {
  const auto has = [&](std::string_view part) { return tensor.find(part) != std::string::npos; };
  if (!has("_proj.weight") && !has("lm_head.weight")) return false;
  if (choice == Choice::kAll || has("lm_head")) return true;
  // Layer 0 whole; of layer 1 one part of each joined matrix, or all of it where a family stores it joined; others not.
  return has("layers.0.") || (has("layers.1.") && (has("k_proj") || has("up_proj") || has("qkv_proj")));
}

class Fp8Forward : public testing::TestWithParam<std::tuple<std::string, Choice, const kernels::KernelTable*>> {
 public:
  static std::string CaseName(const testing::TestParamInfo<ParamType>& test) {
    const auto& [model, choice, tier] = test.param;
    return model + (choice == Choice::kAll ? "_all_" : "_mixed_") + tier->name;
  }

 protected:
  void SetUp() override {
    const auto& [model, choice, tier] = GetParam();
    tier_ = tier;
    ids_ = ReadGolden(model).ids;
    ids_.resize(kFp8Tokens);
    checkpoint_ = Must(Checkpoint::Open(GoldenModel(model)));
    auto source = std::make_shared<EditableSource>(*checkpoint_.tensors);
    for (const TensorInfo& info : checkpoint_.tensors->tensors()) {
      if (IsChosen(info.name, choice)) source->Quantise(info.name);
    }
    checkpoint_.tensors = source_ = source;
    decoded_ = checkpoint_;
    decoded_.tensors = source->Decoded();
  }

  // FP32 throughout, which decoder_test holds against transformers.
  std::vector<float> Want() const {
    TinyModel model(decoded_, ComputeType::kF32, kernels::ActiveKernels());
    return model.Logits(ids_, ids_.size());
  }
  std::vector<float> Got(ActivationMode activations, size_t threads, size_t chunk) const {
    TinyModel model(checkpoint_, ComputeType::kAuto, *tier_, threads);
    model.context.activations = activations;
    return model.Logits(ids_, chunk);
  }
  // The same static scale for the inputs of every matrix in E4M3.
  void SetInputScales(float scale) {
    for (const TensorInfo& info : std::vector<TensorInfo>(source_->tensors())) {
      if (info.dtype != DType::kE4M3) continue;
      source_->Set(info.name.substr(0, info.name.rfind('.')) + ".input_scale", DType::kF32, {1}, {scale});
    }
  }
  // As in decoder_test.
  double Bf16Bound() const { return 2 * Bf16ErrorOfTheReference(std::get<0>(GetParam())) / 3; }
  // The inputs of a layer's four products are rounded by 2^-4 relative at most, evenly spread and independently of each
  // other, so that a third of its square adds up; half of it for what later layers make larger.
  double E4M3Bound() const { return std::sqrt((4 * Layers() + 1) / 2) / 16 + Bf16Bound(); }
  double Layers() const { return checkpoint_.config.at("num_hidden_layers").get<double>(); }

  const kernels::KernelTable* tier_ = nullptr;
  std::vector<int32_t> ids_;
  Checkpoint checkpoint_, decoded_;
  std::shared_ptr<EditableSource> source_;
};

// Between them: joined tensors, biases, norms of heads and behind branches, caps of windows, two ropes, tied heads.
INSTANTIATE_TEST_SUITE_P(Models, Fp8Forward,
                         testing::Combine(testing::Values("llama3", "qwen2", "phi3_long", "gemma3"),
                                          testing::Values(Choice::kAll, Choice::kMixed),
                                          testing::ValuesIn(kernels::AvailableTiers().begin(),
                                                            kernels::AvailableTiers().end())),
                         Fp8Forward::CaseName);

TEST_P(Fp8Forward, LogitsWithBf16ActivationsStayWithinANormBoundOfTheDecodedWeights) {
  EXPECT_LT(RelativeError(Got(ActivationMode::kBf16, 1, ids_.size()), Want()), Bf16Bound());
}

TEST_P(Fp8Forward, LogitsWithE4M3ActivationsStayWithinANormBoundOfTheDecodedWeights) {
  const std::vector<float> rounded = Got(ActivationMode::kE4M3, 1, ids_.size());
  EXPECT_LT(RelativeError(rounded, Want()), E4M3Bound());
  EXPECT_NE(rounded, Got(ActivationMode::kBf16, 1, ids_.size()));
}

// Against tools/golden/fp8_forward.py, which rounds as Octet does.
class Fp8Golden : public Fp8Forward {};

INSTANTIATE_TEST_SUITE_P(
    Models, Fp8Golden,
    testing::Combine(testing::Values("llama3", "qwen2", "phi3_long", "gemma3"), testing::Values(Choice::kAll),
                     testing::ValuesIn(kernels::AvailableTiers().begin(), kernels::AvailableTiers().end())),
    Fp8Forward::CaseName);

TEST_P(Fp8Golden, LogitsWithE4M3ActivationsEqualTheReference) {
  const std::vector<float> golden = ReadGoldenFloats(std::get<0>(GetParam()), "fp8_forward.safetensors");
  TinyModel model(checkpoint_, ComputeType::kAuto, *tier_);
  model.context.activations = ActivationMode::kE4M3;
  const size_t vocab = model.decoder.spec().vocab;
  ASSERT_EQ(golden.size(), 2 * kGoldenTokens * vocab);
  const std::span<const float> alone(golden.data(), kGoldenTokens * vocab),
      together(golden.data() + kGoldenTokens * vocab, kGoldenTokens * vocab);
  for (size_t token = 0; token < kGoldenTokens; ++token) {
    EXPECT_LT(RelativeError(model.Logits({ids_[token]}, 1), alone.subspan(token * vocab, vocab)), 1e-4)
        << "token " << token;
  }
  // Sums in another order make an input fall to the next code here and there, and change what follows.
  const std::vector<float> all = model.Logits(ids_, ids_.size());
  EXPECT_LT(RelativeError(std::span(all).last(together.size()), together), 0.06);
}

TEST_P(Fp8Forward, LogitsAreTheSameBitsForAnyThreadsAndCuts) {
  for (const ActivationMode activations : {ActivationMode::kBf16, ActivationMode::kE4M3}) {
    const std::vector<float> whole = Got(activations, 1, ids_.size());
    EXPECT_EQ(Got(activations, 2, ids_.size()), whole);
    for (const size_t chunk : ChunksFor(*std::get<2>(GetParam())))
      EXPECT_EQ(Got(activations, 2, chunk), whole) << "chunks of " << chunk;
  }
}

// With a scale that covers every input, rounding is as coarse as with one of each row's own for its largest values,
// coarser for rows that are small; with one that is far too small, inputs saturate and the logits are wrong: the scale
// is in use.
TEST_P(Fp8Forward, StaticScalesOfInputsAreUsedForE4M3ActivationsAlone) {
  const std::vector<float> bf16 = Got(ActivationMode::kBf16, 1, ids_.size());
  SetInputScales(0.03125F);
  const std::vector<float> fitting = Got(ActivationMode::kE4M3, 1, ids_.size());
  EXPECT_LT(RelativeError(fitting, Want()), E4M3Bound());
  for (const size_t chunk : ChunksFor(*std::get<2>(GetParam())))
    EXPECT_EQ(Got(ActivationMode::kE4M3, 2, chunk), fitting) << chunk;
  EXPECT_EQ(Got(ActivationMode::kBf16, 1, ids_.size()), bf16);
  SetInputScales(1e-6F);
  EXPECT_GT(RelativeError(Got(ActivationMode::kE4M3, 1, ids_.size()), Want()), 0.5);
}

TEST_P(Fp8Forward, ASequenceInABatchEqualsItselfAlone) {
  for (const ActivationMode activations : {ActivationMode::kBf16, ActivationMode::kE4M3}) {
    TinyModel model(checkpoint_, ComputeType::kAuto, *tier_, 2);
    model.context.activations = activations;
    const std::vector<float> alone = model.Logits(ids_, ids_.size());
    const size_t vocab = model.decoder.spec().vocab;
    for (const size_t batch : {3, 16}) {
      // Sequences of different length, each the beginning of the golden one; their last logits are wanted.
      std::vector<std::vector<std::byte*>> pages;
      for (size_t i = 0; i < batch; ++i) pages.push_back(model.Pages(ids_.size()));
      std::vector<Decoder::Run> runs;
      for (size_t i = 0; i < batch; ++i) {
        const size_t count = ids_.size() - 20 - i;
        runs.push_back({.tokens = std::span(ids_).first(count),
                        .first_position = 0,
                        .pages = pages[i],
                        .logits_from = count - 1,
                        .prompt_length = ids_.size()});
      }
      std::vector<float> logits(batch * vocab);
      ASSERT_TRUE(model.decoder.Forward(runs, model.context, logits.data()).has_value());
      for (size_t i = 0; i < batch; ++i) {
        const float* want = alone.data() + (ids_.size() - 20 - i - 1) * vocab;
        EXPECT_TRUE(std::equal(want, want + vocab, logits.data() + i * vocab)) << "sequence " << i << " of " << batch;
      }
    }
  }
}

}  // namespace
}  // namespace octet
