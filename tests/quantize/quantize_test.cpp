#include "quantize/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/mapped_file.h"
#include "formats/packed_integers.h"
#include "formats/safetensors.h"
#include "numeric/e2m1.h"
#include "numeric/fp8.h"
#include "quantize/tensor_layout.h"
#include "tests/models/editable_source.h"

namespace octet {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class QuantizeTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / Cat("octet-quantize-", ::getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  static Checkpoint Golden(const std::string& name) {
    return Checkpoint::Open(fs::path(OCTET_SOURCE_DIR "/tests/golden/models") / name).value();
  }

  Result<QuantizeReport> Quantize(const Checkpoint& checkpoint, const PrecisionChoices& choices, const fs::path& out,
                                  std::string_view recipe = "fp8") {
    const QuantizePlan plan = OCTET_TRY(PlanQuantization(checkpoint, **FindRecipe(recipe), choices));
    return QuantizeCheckpoint(checkpoint, plan, out, {pool_, progress_, cancel_});
  }

  static std::vector<float> Read(const TensorSource& source, std::string_view name) {
    const TensorInfo* info = source.Find(name);
    EXPECT_NE(info, nullptr) << name;
    std::vector<float> values(*ElementCount(info->shape));
    EXPECT_TRUE(source.ReadRows(name, 0, RowCount(info->shape), values.data()).has_value());
    return values;
  }

  fs::path root_;
  ThreadPool pool_{2};
  Progress progress_;
  CancelFlag cancel_;
};

// Every family's linear layers, biases, norms, fused tensors and tied or own heads.
class EveryFamily : public QuantizeTest, public testing::WithParamInterface<const char*> {};

TEST_P(EveryFamily, EachWeightIsWithinHalfAStepOfItsOriginalAndTheRestIsUnchanged) {
  const Checkpoint original = Golden(GetParam());
  const QuantizeReport report = Quantize(original, {}, root_ / "out").value();
  const std::shared_ptr<const TensorSource> written = OpenSafetensors(root_ / "out").value();
  size_t quantised = 0;
  for (const QuantizedTensor& tensor : report.tensors) {
    const std::string& name = tensor.precision.name;
    const std::vector<float> before = Read(*original.tensors, name), after = Read(*written, name);
    ASSERT_EQ(before.size(), after.size());
    if (!tensor.precision.quantised()) {
      // The golden weights are exact in BF16, whatever they are stored in.
      EXPECT_EQ(before, after) << name;
      continue;
    }
    ++quantised;
    const std::vector<float> scales = Read(*written, Cat(name, "_scale"));
    const size_t columns = before.size() / scales.size();
    for (size_t i = 0; i < before.size(); ++i) {
      const float scale = scales[i / columns];
      // Half a step of three mantissa bits, or of the subnormals; the product rounds once more.
      const float bound = std::max(std::fabs(before[i]) / 16, kE4M3MinSubnormal / 2 * scale) * 1.0001f;
      ASSERT_LE(std::fabs(after[i] * scale - before[i]), bound) << name << " element " << i;
    }
  }
  EXPECT_GT(quantised, 0u);
  EXPECT_GT(report.mean_decibels, 30);
}

// Codes of the words of a file, times their scales.
std::vector<float> Decode(const TensorSource& source, std::string_view module, size_t columns, int bits, size_t group) {
  const std::span<const std::byte> words = source.Bytes(Cat(module, ".weight_packed")).value();
  const TensorInfo& scale = *source.Find(Cat(module, ".weight_scale"));
  std::vector<float> scales(*ElementCount(scale.shape));
  EXPECT_TRUE(source.ReadRows(scale.name, 0, scale.shape[0], scales.data()).has_value());
  std::vector<int8_t> codes(scale.shape[0] * columns);
  EXPECT_EQ(words.size(), scale.shape[0] * PackedWords(columns, bits) * 4);
  UnpackIntegers(words, columns, bits, codes);
  std::vector<float> values;
  for (size_t i = 0; i < codes.size(); ++i)
    values.push_back(codes[i] * scales[i / columns * scale.shape[1] + i % columns / group]);
  return values;
}

// amax / 448 of the weights that readers join, and of their inputs; codes by torch's rule.
TEST_P(EveryFamily, StaticFp8HasOneScaleForJoinedTensorsAndOneForTheirInputs) {
  const Checkpoint original = Golden(GetParam());
  QuantizePlan plan = PlanQuantization(original, **FindRecipe("fp8-static"), {}).value();
  std::map<std::string, float> largest;
  for (const TensorPrecision& tensor : plan.map.tensors) {
    if (!tensor.quantised()) continue;
    EXPECT_EQ(tensor.precision(), "F8_E4M3 static");
    plan.inputs[tensor.joined] = 7;
    float& amax = largest[tensor.joined];
    for (const float weight : Read(*original.tensors, tensor.name)) amax = std::max(amax, std::fabs(weight));
  }
  ASSERT_TRUE(QuantizeCheckpoint(original, plan, root_ / "static", {pool_, progress_, cancel_}).has_value());
  const std::shared_ptr<const TensorSource> written = OpenSafetensors(root_ / "static").value();
  for (const TensorPrecision& tensor : plan.map.tensors) {
    if (!tensor.quantised()) continue;
    const float scale = largest[tensor.joined] / 448;
    EXPECT_EQ(Read(*written, Cat(tensor.name, "_scale")), std::vector<float>{scale});
    EXPECT_EQ(Read(*written, Cat(ModuleOf(tensor.name), ".input_scale")), std::vector<float>{7.0F / 448});
    std::vector<float> codes = Read(*original.tensors, tensor.name);
    for (float& code : codes) code = ToFloat(ToE4M3(code / scale));
    EXPECT_EQ(Read(*written, tensor.name), codes) << tensor.name;
  }
}

TEST_P(EveryFamily, Fp8InBlocksIsWithinHalfAStepOfItsOriginal) {
  const Checkpoint original = Golden(GetParam());
  const QuantizeReport report = Quantize(original, {}, root_ / "blocks", "fp8-block").value();
  const std::shared_ptr<const TensorSource> written = OpenSafetensors(root_ / "blocks").value();
  for (const QuantizedTensor& tensor : report.tensors) {
    if (!tensor.precision.quantised()) continue;
    const std::string& name = tensor.precision.name;
    EXPECT_EQ(tensor.precision.precision(), "F8_E4M3 b128");
    const Shape shape = tensor.precision.shape;
    const uint64_t blocks = (shape[1] + 127) / 128;
    EXPECT_EQ(written->Find(Cat(name, "_scale"))->shape, (Shape{(shape[0] + 127) / 128, blocks}));
    const std::vector<float> before = Read(*original.tensors, name), after = Read(*written, name);
    const std::vector<float> scales = Read(*written, Cat(name, "_scale"));
    for (size_t i = 0; i < before.size(); ++i) {
      const float scale = scales[i / shape[1] / 128 * blocks + i % shape[1] / 128];
      const float bound = std::max(std::fabs(before[i]) / 16, kE4M3MinSubnormal / 2 * scale) * 1.0001f;
      ASSERT_LE(std::fabs(after[i] * scale - before[i]), bound) << name << " element " << i;
    }
  }
  EXPECT_GT(report.mean_decibels, 28);
}

TEST_P(EveryFamily, Nvfp4IsWithinAStepOfItsOriginalAndHasItsScales) {
  const Checkpoint original = Golden(GetParam());
  const fs::path out = root_ / "nvfp4";
  const QuantizeReport report = Quantize(original, {}, out, "nvfp4-w4a16").value();
  const std::shared_ptr<const TensorSource> written = OpenSafetensors(out).value();
  for (const QuantizedTensor& tensor : report.tensors) {
    if (!tensor.precision.quantised()) continue;
    const std::string module(ModuleOf(tensor.precision.name));
    const size_t rows = tensor.precision.shape[0], columns = tensor.precision.shape[1];
    const size_t row_bytes = (columns + 1) / 2, blocks = (columns + 15) / 16;
    EXPECT_EQ(written->Find(module + ".weight_packed")->shape, (Shape{rows, row_bytes}));
    EXPECT_EQ(written->Find(module + ".weight_scale")->shape, (Shape{rows, blocks}));
    const std::vector<float> before = Read(*original.tensors, tensor.precision.name);
    const std::vector<float> scales = Read(*written, module + ".weight_scale");
    const float global = Read(*written, module + ".weight_global_scale")[0];
    const std::span<const std::byte> codes = written->Bytes(module + ".weight_packed").value();
    for (size_t i = 0; i < before.size(); ++i) {
      const size_t row = i / columns, column = i % columns;
      const auto pair = std::to_integer<unsigned>(codes[row * row_bytes + column / 2]);
      const E2M1 code{static_cast<uint8_t>(pair >> column % 2 * 4 & 15)};
      const float scale = scales[row * blocks + column / 16] / global;
      // Half a step of 2 between 4 and 6, and what rounding the scale clips of 6.
      ASSERT_LE(std::fabs(ToFloat(code) * scale - before[i]), scale * 1.001f) << module << " element " << i;
    }
  }
  EXPECT_GT(report.mean_decibels, 17);
}

TEST_F(QuantizeTest, MatricesThatReadersJoinShareTheirGlobalScale) {
  const Checkpoint original = Golden("llama3");
  ASSERT_TRUE(Quantize(original, {}, root_ / "out", "nvfp4-w4a16").has_value());
  const std::shared_ptr<const TensorSource> written = OpenSafetensors(root_ / "out").value();
  const auto global = [&](std::string_view module) {
    return Read(*written, Cat("model.layers.0.", module, "_proj.weight_global_scale"))[0];
  };
  EXPECT_EQ(global("self_attn.q"), global("self_attn.k"));
  EXPECT_EQ(global("self_attn.q"), global("self_attn.v"));
  EXPECT_EQ(global("mlp.gate"), global("mlp.up"));
  EXPECT_NE(global("mlp.gate"), global("mlp.down"));
  float amax = 0;
  for (const char* part : {"q", "k", "v"}) {
    for (const float w : Read(*original.tensors, Cat("model.layers.0.self_attn.", part, "_proj.weight")))
      amax = std::max(amax, std::fabs(w));
  }
  EXPECT_EQ(global("self_attn.q"), 6 * 448 * (1 / amax));
}

TEST_P(EveryFamily, IntegersAreWithinAStepOfTheirOriginalAndHaveShapeAndScales) {
  const Checkpoint original = Golden(GetParam());
  for (const std::string recipe : {"int8", "int4"}) {
    const fs::path out = root_ / recipe;
    const QuantizeReport report = Quantize(original, {.group = 64}, out, recipe).value();
    const std::shared_ptr<const TensorSource> written = OpenSafetensors(out).value();
    for (const QuantizedTensor& tensor : report.tensors) {
      if (!tensor.precision.quantised()) continue;
      const std::string& name = tensor.precision.name;
      const size_t rows = tensor.precision.shape[0], columns = tensor.precision.shape[1];
      const int bits = recipe == "int8" ? 8 : 4;
      const size_t group = bits == 8 ? columns : 64;
      const std::string module(ModuleOf(name));
      EXPECT_EQ(written->Find(name), nullptr);
      EXPECT_EQ(Read(*written, module + ".weight_shape"),
                (std::vector<float>{static_cast<float>(rows), static_cast<float>(columns)}));
      EXPECT_EQ(written->Find(module + ".weight_scale")->shape, (Shape{rows, (columns + group - 1) / group}));
      EXPECT_EQ(written->Find(module + ".weight_scale")->dtype, DType::kBf16);
      const std::vector<float> before = Read(*original.tensors, name),
                               after = Decode(*written, module, columns, bits, group);
      const std::vector<float> scales = Read(*written, module + ".weight_scale");
      for (size_t i = 0; i < before.size(); ++i) {
        const float scale = scales[i / columns * ((columns + group - 1) / group) + i % columns / group];
        const float bound = std::fabs(scale) * (bits == 8 ? 0.5f + 127.0f / 256 : 1 + 8.0f / 512);
        ASSERT_LE(std::fabs(after[i] - before[i]), bound) << name << " element " << i;
      }
    }
    EXPECT_GT(report.mean_decibels, recipe == "int8" ? 40 : 18);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, EveryFamily,
                         testing::Values("llama2", "llama31", "llama_linear", "smollm2", "mistral", "qwen2", "qwen3",
                                         "phi3_short", "gemma2", "gemma3"),
                         [](const auto& family) { return std::string(family.param); });

TEST_F(QuantizeTest, TheConfigurationNamesTheQuantisationAndKeepsTheRest) {
  ASSERT_TRUE(Quantize(Golden("llama2"), {.keep = {"*.down_proj"}}, root_ / "out").has_value());
  const Checkpoint written = Checkpoint::Open(root_ / "out").value();
  EXPECT_EQ(written.config["quantization_config"]["quant_method"], "compressed-tensors");
  EXPECT_EQ(written.config["quantization_config"]["ignore"].size(), 4u) << "three layers' down_proj, and lm_head";
  EXPECT_EQ(written.config["dtype"], "bfloat16") << "FP32 that stays is written as BF16";
  EXPECT_EQ(written.config["model_type"], "llama");
}

TEST_F(QuantizeTest, TheReportIsStoredBesideTheTensors) {
  const QuantizeReport report = Quantize(Golden("smollm2"), {}, root_ / "out").value();
  const Json stored = ParseJson(*ReadTextFile(root_ / "out" / "quantization_report.json"), "report").value();
  EXPECT_EQ(stored, ToJson(report));
  EXPECT_EQ(stored["tensors"].size(), report.tensors.size());
  EXPECT_LT(report.ratio(), 0.62);
  uint64_t bytes = 0;
  const std::shared_ptr<const TensorSource> written = OpenSafetensors(root_ / "out").value();
  for (const TensorInfo& info : written->tensors()) bytes += info.stored_bytes;
  EXPECT_EQ(report.weight_bytes, bytes);
}

TEST_F(QuantizeTest, AQuantisedHeadOfATiedModelComesFromItsEmbedding) {
  const Checkpoint original = Golden("smollm2");
  ASSERT_TRUE(Quantize(original, {.head = Encoding::kE4M3}, root_ / "out").has_value());
  const Checkpoint written = Checkpoint::Open(root_ / "out").value();
  EXPECT_EQ(written.config["tie_word_embeddings"], false);
  EXPECT_EQ(Read(*written.tensors, "model.embed_tokens.weight"), Read(*original.tensors, "model.embed_tokens.weight"));
  EXPECT_EQ(written.tensors->Find("lm_head.weight")->dtype, DType::kE4M3);
  EXPECT_NE(written.tensors->Find("lm_head.weight_scale"), nullptr);
}

TEST_F(QuantizeTest, AHeadMayHaveAnotherFormatThanTheLayers) {
  const Checkpoint original = Golden("smollm2");
  const QuantizeReport report = Quantize(original, {.head = Encoding::kInt8}, root_ / "out", "int4").value();
  const Checkpoint written = Checkpoint::Open(root_ / "out").value();
  EXPECT_EQ(written.config["tie_word_embeddings"], false);
  EXPECT_EQ(written.tensors->Find("lm_head.weight_scale")->shape[1], 1u);
  EXPECT_EQ(written.config["quantization_config"]["config_groups"].size(), 2u);
  EXPECT_EQ(report.tensors[0].precision.precision(), "INT8");
  EXPECT_EQ(report.tensors[0].precision.reason, "--head int8");
}

// 72 inputs in groups of 32: compressed-tensors wants groups that divide.
TEST_F(QuantizeTest, MatricesWithAShortLastGroupAreCountedAndReadByOctetAlone) {
  const QuantizeReport report = Quantize(Golden("smollm2"), {}, root_ / "out", "int4").value();
  EXPECT_EQ(report.ragged, 18u) << "all but down_proj with its 96 inputs";
  EXPECT_EQ(ToJson(report)["readers"], Json::array({"octet"}));
  const QuantizeReport even = Quantize(Golden("llama3"), {}, root_ / "even", "int4").value();
  EXPECT_EQ(even.ragged, 0u);
  EXPECT_EQ(ToJson(even)["readers"], Json::array({"octet", "compressed-tensors"}));
}

TEST_F(QuantizeTest, AMatrixOfZerosIsExactAndDoesNotCountInTheMean) {
  Checkpoint checkpoint = Golden("smollm2");
  const auto tensors = std::make_shared<EditableSource>(*checkpoint.tensors);
  tensors->Set("model.layers.0.self_attn.q_proj.weight", DType::kF32, {72, 72}, std::vector<float>(72 * 72));
  checkpoint.tensors = tensors;
  const QuantizeReport report = Quantize(checkpoint, {}, root_ / "out").value();
  EXPECT_GT(report.mean_decibels, 30);
  EXPECT_LT(report.mean_decibels, 40);
  EXPECT_EQ(std::count_if(report.tensors.begin(), report.tensors.end(),
                          [](const QuantizedTensor& tensor) { return std::isinf(tensor.decibels); }),
            1);
}

// In both widths a row of so few inputs is one word, so that no reader could tell them apart.
TEST_F(QuantizeTest, RowsOfFewInputsAreRefusedWhereInt4AndInt8Meet) {
  PrecisionMap map;
  map.tensors.push_back({.name = "a.weight", .source = "a.weight", .shape = {8, 4}, .encoding = Encoding::kInt8});
  EXPECT_TRUE(CheckLayouts(map));
  map.tensors.push_back({.name = "b.weight", .source = "b.weight", .shape = {8, 64}, .encoding = Encoding::kInt4});
  map.tensors.back().group = 32;
  const Status refused = CheckLayouts(map);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("tensor `a.weight` has 4 inputs, which fill one word"));
  map.tensors.front().shape = {8, 5};
  EXPECT_TRUE(CheckLayouts(map));
}

TEST_F(QuantizeTest, AWeightThatIsNoNumberIsRefusedWhereItStaysToo) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    Checkpoint checkpoint = Golden("smollm2");
    const auto tensors = std::make_shared<EditableSource>(*checkpoint.tensors);
    std::vector<float> values(277 * 72, 0.5F);
    values[3 * 72 + 5] = -std::numeric_limits<float>::infinity();
    tensors->Set("model.embed_tokens.weight", dtype, {277, 72}, values);
    checkpoint.tensors = tensors;
    const Result<QuantizeReport> report = Quantize(checkpoint, {}, root_ / "out");
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(report.error().message, HasSubstr("tensor `model.embed_tokens.weight`, row 3, column 5 is infinite"));
    EXPECT_FALSE(fs::exists(root_ / "out"));
  }
}

TEST_F(QuantizeTest, KeepingEverythingIsRefused) {
  const Result<QuantizeReport> report = Quantize(Golden("llama2"), {.keep = {"*"}}, root_ / "out");
  ASSERT_FALSE(report.has_value());
  EXPECT_THAT(report.error().message, HasSubstr("--keep leaves nothing to quantise"));
}

TEST_F(QuantizeTest, AQuantisedCheckpointIsRefused) {
  ASSERT_TRUE(Quantize(Golden("smollm2"), {}, root_ / "out").has_value());
  const Result<QuantizeReport> again = Quantize(Checkpoint::Open(root_ / "out").value(), {}, root_ / "twice");
  ASSERT_FALSE(again.has_value());
  EXPECT_THAT(again.error().message, HasSubstr("is quantised already (compressed-tensors)"));
}

TEST_F(QuantizeTest, StoppingLeavesNothingBehind) {
  cancel_.Request();
  const Result<QuantizeReport> stopped = Quantize(Golden("smollm2"), {}, root_ / "out");
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(fs::is_empty(root_));
}

}  // namespace
}  // namespace octet
