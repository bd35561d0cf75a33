#include "quantize/calibrated_output.h"

#include <gmock/gmock.h>

#include <limits>

#include "quantize/calibration.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/editable_source.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

using testing::HasSubstr;

class CalibratedOutputTest : public testing::Test {
 protected:
  Result<QuantizeReport> Run(const Checkpoint& checkpoint, std::string_view recipe, const PrecisionChoices& choices,
                             std::string_view out, size_t threads = 2) {
    QuantizePlan plan = OCTET_TRY(PlanQuantization(checkpoint, **FindRecipe(recipe), choices));
    plan.windows = {ReadGolden("llama3").ids, {5, 6, 7}};
    plan.calibration_tokens = TokensOf(plan.windows);
    ThreadPool pool(threads);
    return QuantizeCheckpoint(checkpoint, plan, directory_ / out, {pool, progress_, cancel_});
  }
  // Mean squared change of the logits, as the written weights are when they are not rounded with their inputs.
  double ErrorOf(std::string_view out) {
    const std::vector<int32_t> ids = ReadGolden("llama3").ids;
    TinyModel want(Must(Checkpoint::Open(GoldenModel("llama3"))), ComputeType::kBf16, kernels::ActiveKernels());
    TinyModel got(Must(Checkpoint::Open(directory_ / out)), ComputeType::kBf16, kernels::ActiveKernels());
    got.context.activations = nn::ActivationMode::kBf16;
    return RelativeError(got.Logits(ids, ids.size()), want.Logits(ids, ids.size()));
  }
  std::string File(std::string_view out) {
    return Must(ReadTextFile(directory_ / std::string(out) / "model.safetensors"));
  }

  TemporaryDirectory directory_;
  Progress progress_;
  CancelFlag cancel_;
};

// On the text that they were calibrated on.
TEST_F(CalibratedOutputTest, CodesChosenByInputsAreNearerToTheOriginalThanRoundedOnes) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  ThreadPool pool(2);
  for (const auto& [plain, calibrated] : {std::pair("int4", "int4-gptq"), std::pair("int4", "int4-awq"),
                                          std::pair("nvfp4-w4a16", "nvfp4-w4a16"), std::pair("nvfp4-w4a16", "nvfp4")}) {
    const QuantizePlan plan = Must(PlanQuantization(checkpoint, **FindRecipe(plain), {}));
    Must(QuantizeCheckpoint(checkpoint, plan, directory_ / "plain", {pool, progress_, cancel_}));
    const QuantizeReport report = Must(Run(checkpoint, calibrated, {}, "calibrated"));
    EXPECT_EQ(report.calibration_tokens, ReadGolden("llama3").ids.size() + 3);
    EXPECT_LT(ErrorOf("calibrated"), ErrorOf("plain")) << calibrated;
  }
}

TEST_F(CalibratedOutputTest, FilesAreTheSameBytesForAnyNumberOfThreads) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  for (const char* recipe : {"int4-gptq", "int4-awq", "int8-smoothquant", "nvfp4"}) {
    const PrecisionChoices choices{.head = Encoding::kInt4};
    Must(Run(checkpoint, recipe, choices, "one", 1));
    Must(Run(checkpoint, recipe, choices, "three", 3));
    EXPECT_EQ(File("one"), File("three")) << recipe;
  }
  Must(Run(checkpoint, "int4-gptq", {.rounds_by_size = true}, "by_size"));
  Must(Run(checkpoint, "int4-gptq", {.rounds_by_size = false}, "in_order"));
  EXPECT_NE(File("by_size"), File("in_order"));
}

// A tied head that is quantised is a copy: tokens are still looked up in the table that the original has.
TEST_F(CalibratedOutputTest, TheEmbeddingStaysAsItWasBesideATiedHeadInFewerBits) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("smollm2")));
  ASSERT_EQ(checkpoint.tensors->Find("lm_head.weight"), nullptr);
  const std::string table = "model.embed_tokens.weight";
  std::vector<float> want = ReadTensor(*checkpoint.tensors, table);
  for (float& value : want) value = ToFloat(ToBf16(value));
  for (const char* recipe : {"int4-gptq", "int4-awq", "mxfp8", "nvfp4"}) {
    for (const Encoding head : {Encoding::kInt4, Encoding::kInt8, Encoding::kNvfp4}) {
      Must(Run(checkpoint, recipe, {.head = head}, "out"));
      const Checkpoint made = Must(Checkpoint::Open(directory_ / "out"));
      EXPECT_EQ(ReadTensor(*made.tensors, table), want) << recipe << ", head " << Name(head);
    }
  }
}

// The codes of layer 1 behind a layer 0 in each of auto's precisions, and behind one that stays.
TEST_F(CalibratedOutputTest, CodesAreChosenBehindWhatTheLayersBeforeBecomeInAnyPrecision) {
  const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  const auto codes_behind = [&](const LayerChoice& choice) {
    PrecisionChoices choices;
    for (const char* part : {"attn.qkv", "attn.out", "ffn.gate_up", "ffn.down"})
      choices.by_slot[Cat("layers.0.", part)] = choice;
    choices.by_slot["layers.1.attn.qkv"] = {.encoding = Encoding::kInt4, .group = 32};
    Must(Run(checkpoint, "auto", choices, "out"));
    const Checkpoint made = Must(Checkpoint::Open(directory_ / "out"));
    const auto bytes = Must(made.tensors->Bytes("model.layers.1.self_attn.q_proj.weight_packed"));
    return std::vector(bytes.begin(), bytes.end());
  };
  const std::vector<std::byte> kept = codes_behind({});
  for (const Encoding encoding : {Encoding::kE4M3, Encoding::kInt8, Encoding::kNvfp4, Encoding::kInt4})
    EXPECT_NE(codes_behind({.encoding = encoding, .group = encoding == Encoding::kInt4 ? size_t{32} : 0}), kept)
        << Name(encoding);
}

TEST_F(CalibratedOutputTest, AWeightThatIsNoNumberIsNamed) {
  for (const char* name : {"model.layers.1.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"}) {
    Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
    auto source = std::make_shared<EditableSource>(*checkpoint.tensors);
    std::vector<float> weights = ReadTensor(*source, name);
    weights[7] = std::numeric_limits<float>::quiet_NaN();
    source->Set(name, DType::kF32, source->Find(name)->shape, weights);
    checkpoint.tensors = source;
    for (const char* recipe : {"int4-gptq", "int4-awq", "int8-smoothquant", "nvfp4"}) {
      const Result<QuantizeReport> report = Run(checkpoint, recipe, {}, "out");
      ASSERT_FALSE(report.has_value());
      EXPECT_EQ(report.error().code, ErrorCode::kCorrupt);
      EXPECT_THAT(report.error().message, HasSubstr(name)) << recipe;
      EXPECT_THAT(report.error().message, HasSubstr("row 0, column 7 is no number (NaN)")) << recipe;
      EXPECT_TRUE(std::filesystem::is_empty(directory_ / ""));
    }
  }
}

// Rows of zeros, columns of one value, inputs that are always zero.
TEST_F(CalibratedOutputTest, DeadRowsColumnsAndInputsAreWrittenAsTheyAre) {
  Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  auto source = std::make_shared<EditableSource>(*checkpoint.tensors);
  const std::string q = "model.layers.0.self_attn.q_proj.weight", norm = "model.layers.0.input_layernorm.weight";
  const Shape shape = source->Find(q)->shape;
  std::vector<float> weights = ReadTensor(*source, q), norms = ReadTensor(*source, norm);
  std::fill_n(weights.begin() + 3 * static_cast<std::ptrdiff_t>(shape[1]), shape[1], 0.0F);
  for (size_t row = 0; row < shape[0]; ++row) weights[row * shape[1] + 5] = 0.25F;
  std::fill_n(norms.begin(), 4, 0.0F);
  source->Set(q, DType::kF32, shape, weights);
  source->Set(norm, DType::kF32, {norms.size()}, norms);
  checkpoint.tensors = source;
  for (const char* recipe : {"int4-gptq", "int4-awq", "int8-smoothquant", "nvfp4"}) {
    Must(Run(checkpoint, recipe, {}, "out"));
    const Checkpoint made = Must(Checkpoint::Open(directory_ / "out"));
    const std::vector<float> scales = ReadTensor(*made.tensors, "model.layers.0.self_attn.q_proj.weight_scale");
    for (const float scale : scales) EXPECT_TRUE(std::isfinite(scale) && scale != 0) << recipe;
    const std::vector<float> written = ReadTensor(*made.tensors, norm);
    EXPECT_THAT(std::span(written).first(4), testing::Each(0.0F)) << recipe;
  }
}

TEST_F(CalibratedOutputTest, StoppingOnTheWayLeavesNothingBehind) {
  Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel("llama3")));
  // Asks for the end when the second layer is read.
  class Stopper : public EditableSource {
   public:
    Stopper(const TensorSource& source, CancelFlag& cancel) : EditableSource(source), cancel_(cancel) {}
    Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const override {
      if (name == "model.layers.1.input_layernorm.weight") cancel_.Request();
      return EditableSource::ReadRows(name, first, count, out);
    }

   private:
    CancelFlag& cancel_;
  };
  const std::shared_ptr<const TensorSource> original = checkpoint.tensors;
  checkpoint.tensors = std::make_shared<Stopper>(*original, cancel_);
  for (const char* recipe : {"int4-gptq", "int4-awq", "int8-smoothquant", "nvfp4"}) {
    cancel_.Clear();
    const Result<QuantizeReport> report = Run(checkpoint, recipe, {}, "out");
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().code, ErrorCode::kCancelled) << recipe;
    EXPECT_TRUE(std::filesystem::is_empty(directory_ / ""));
  }
}

}  // namespace
}  // namespace octet
