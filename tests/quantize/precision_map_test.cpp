#include "quantize/precision_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "quantize/compressed_tensors.h"
#include "quantize/glob.h"
#include "quantize/recipe.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Names and shapes without values: what a plan reads.
class NamedTensors : public TensorSource {
 public:
  explicit NamedTensors(std::vector<TensorInfo> tensors) : tensors_(std::move(tensors)) {
    std::sort(tensors_.begin(), tensors_.end(),
              [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  Status ReadRows(std::string_view, uint64_t, uint64_t, float*) const override {
    return Fail(ErrorCode::kUnsupported, "names only");
  }
  Result<std::span<const std::byte>> Bytes(std::string_view) const override {
    return Fail(ErrorCode::kUnsupported, "names only");
  }

 private:
  std::vector<TensorInfo> tensors_;
};

TensorInfo Tensor(std::string name, Shape shape, DType dtype = DType::kBf16) {
  TensorInfo info;
  info.name = std::move(name);
  info.dtype = dtype;
  info.shape = std::move(shape);
  info.stored_type = Name(dtype);
  return info;
}

WeightSlot Matrix(std::string name, std::string tensor, Sensitivity sensitivity = Sensitivity::kLinear) {
  WeightSlot slot;
  slot.name = std::move(name);
  slot.tensor = std::move(tensor);
  slot.rows = slot.columns = 4;
  slot.quantisable = true;
  slot.sensitivity = sensitivity;
  return slot;
}

// One layer of a tied model.
std::vector<WeightSlot> Slots() {
  std::vector<WeightSlot> slots = {
      Matrix("embedding", "model.embed_tokens.weight", Sensitivity::kEmbedding),
      Matrix("layers.0.attn.norm", "model.layers.0.input_layernorm.weight", Sensitivity::kExact),
      Matrix("layers.0.attn.q", "model.layers.0.self_attn.q_proj.weight"),
      Matrix("layers.0.ffn.down", "model.layers.0.mlp.down_proj.weight", Sensitivity::kOutlier)};
  slots[1].columns = 0;
  slots[0].quantisable = slots[1].quantisable = false;
  return slots;
}

std::vector<TensorInfo> Tensors() {
  return {Tensor("model.embed_tokens.weight", {8, 4}),
          Tensor("model.layers.0.input_layernorm.weight", {4}, DType::kF32),
          Tensor("model.layers.0.self_attn.q_proj.weight", {4, 4}),
          Tensor("model.layers.0.mlp.down_proj.weight", {4, 4}), Tensor("model.rotary.table", {3}, DType::kF16)};
}

std::vector<std::string> Quantised(const PrecisionMap& map) {
  std::vector<std::string> names;
  for (const TensorPrecision& tensor : map.tensors) {
    if (tensor.quantised()) names.push_back(tensor.name);
  }
  return names;
}

TEST(PrecisionMap, LinearLayersAreQuantisedAndTheRestStays) {
  const PrecisionMap map = PlanPrecision(Slots(), NamedTensors(Tensors()), {}).value();
  EXPECT_THAT(Quantised(map),
              ElementsAre("model.layers.0.mlp.down_proj.weight", "model.layers.0.self_attn.q_proj.weight"));
  EXPECT_EQ(map.tensors[0].reason, "embedding");
  EXPECT_EQ(map.tensors[1].reason, "norm or bias");
  EXPECT_EQ(map.tensors[1].dtype, DType::kBf16) << "FP32 that stays is written as BF16";
  EXPECT_EQ(map.tensors[4].dtype, DType::kF16) << "FP16 stays bit for bit";
  EXPECT_EQ(map.quantised_weights(), 32u);
  EXPECT_THAT(map.ignored_modules, ElementsAre("lm_head"));
}

TEST(PrecisionMap, KeptModulesAreNamedWithTheirPatternAndIgnored) {
  const PrecisionMap map = PlanPrecision(Slots(), NamedTensors(Tensors()), {.keep = {"*.down_proj"}}).value();
  EXPECT_THAT(Quantised(map), ElementsAre("model.layers.0.self_attn.q_proj.weight"));
  EXPECT_EQ(map.tensors[2].reason, "--keep *.down_proj");
  EXPECT_THAT(map.ignored_modules, ElementsAre("model.layers.0.mlp.down_proj", "lm_head"));
}

TEST(PrecisionMap, AMatrixMayHaveAnEncodingOfItsOwnOrStay) {
  const PrecisionChoices choices{.layers = Encoding::kNvfp4,
                                 .by_slot = {{"layers.0.attn.qkv", {Encoding::kInt4, 64}}, {"layers.0.ffn.down", {}}}};
  const PrecisionMap map = PlanPrecision(Slots(), NamedTensors(Tensors()), choices).value();
  EXPECT_THAT(Quantised(map), ElementsAre("model.layers.0.self_attn.q_proj.weight"));
  EXPECT_EQ(map.tensors[2].precision(), "BF16");
  EXPECT_EQ(map.tensors[2].reason, "auto");
  EXPECT_EQ(map.tensors[3].precision(), "INT4 g64");
  EXPECT_EQ(map.tensors[3].reason, "auto");
  EXPECT_THAT(map.ignored_modules, ElementsAre("model.layers.0.mlp.down_proj", "lm_head"));
}

TEST(PrecisionMap, APatternThatMatchesNothingIsRefused) {
  const Result<PrecisionMap> map = PlanPrecision(Slots(), NamedTensors(Tensors()), {.keep = {"*", "*.up_proj"}});
  ASSERT_FALSE(map.has_value());
  EXPECT_EQ(map.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(map.error().message, HasSubstr("--keep `*.up_proj` matches nothing"));
  EXPECT_THAT(map.error().message, HasSubstr("names are like `model.layers.0.self_attn.q_proj`"));
}

TEST(PrecisionMap, AQuantisedHeadOfATiedModelIsASecondTensor) {
  const PrecisionMap map = PlanPrecision(Slots(), NamedTensors(Tensors()), {.head = Encoding::kE4M3}).value();
  EXPECT_TRUE(map.unties_head);
  EXPECT_EQ(map.tensors[0].name, "lm_head.weight");
  EXPECT_EQ(map.tensors[0].source, "model.embed_tokens.weight");
  EXPECT_TRUE(map.tensors[0].quantised());
  EXPECT_FALSE(map.tensors[1].quantised()) << "the embedding itself stays";
  EXPECT_THAT(map.ignored_modules, ElementsAre());
}

// Of an encoder, which has positions, and of INT8 alone.
TEST(PrecisionMap, Int8LeavesAnEncodersWayDownUnlessItIsToldNotTo) {
  std::vector<WeightSlot> slots = Slots();
  const std::string query = "model.layers.0.self_attn.q_proj.weight", down = "model.layers.0.mlp.down_proj.weight";
  const NamedTensors tensors(Tensors());
  const auto plan = [&](const PrecisionChoices& choices) { return PlanPrecision(slots, tensors, choices).value(); };
  EXPECT_THAT(Quantised(plan({.layers = Encoding::kInt8})), ElementsAre(down, query)) << "a decoder's";
  slots.push_back(Matrix("positions", "model.positions.weight"));
  const PrecisionMap map = plan({.layers = Encoding::kInt8});
  EXPECT_THAT(Quantised(map), ElementsAre(query));
  EXPECT_EQ(map.tensors[2].reason, "an encoder's feed-forward output");
  EXPECT_THAT(map.ignored_modules, ElementsAre(std::string(ModuleOf(down))));
  EXPECT_THAT(Quantised(plan({.layers = Encoding::kInt8, .keeps_encoder_down = false})), ElementsAre(down, query));
  EXPECT_THAT(Quantised(plan({.layers = Encoding::kE4M3})), ElementsAre(down, query));
}

TEST(PrecisionMap, AHeadOfItsOwnIsQuantisedOnRequestOnly) {
  std::vector<WeightSlot> slots = Slots();
  slots.push_back(Matrix("head", "lm_head.weight", Sensitivity::kEmbedding));
  std::vector<TensorInfo> tensors = Tensors();
  tensors.push_back(Tensor("lm_head.weight", {8, 4}));
  const PrecisionMap kept = PlanPrecision(slots, NamedTensors(tensors), {}).value();
  EXPECT_EQ(kept.tensors[0].reason, "head");
  EXPECT_THAT(kept.ignored_modules, ElementsAre("lm_head"));
  const PrecisionMap quantised = PlanPrecision(slots, NamedTensors(tensors), {.head = Encoding::kE4M3}).value();
  EXPECT_TRUE(quantised.tensors[0].quantised());
  EXPECT_FALSE(quantised.unties_head);
  EXPECT_THAT(quantised.ignored_modules, ElementsAre());
}

TEST(PrecisionMap, ATensorThatSeveralSlotsShareIsQuantisedOnce) {
  const std::vector<WeightSlot> slots = {Matrix("layers.0.attn.q", "model.layers.0.self_attn.qkv_proj.weight"),
                                         Matrix("layers.0.attn.k", "model.layers.0.self_attn.qkv_proj.weight")};
  const NamedTensors tensors({Tensor("model.layers.0.self_attn.qkv_proj.weight", {12, 4})});
  EXPECT_THAT(Quantised(PlanPrecision(slots, tensors, {}).value()),
              ElementsAre("model.layers.0.self_attn.qkv_proj.weight"));
}

TEST(PrecisionMap, AQuantisedCheckpointIsRefused) {
  std::vector<TensorInfo> tensors = Tensors();
  tensors.push_back(Tensor("model.layers.0.self_attn.q_proj.weight_scale", {4, 1}, DType::kF32));
  const Result<PrecisionMap> map = PlanPrecision(Slots(), NamedTensors(tensors), {});
  ASSERT_FALSE(map.has_value());
  EXPECT_THAT(map.error().message, HasSubstr("quantised already"));
}

TEST(PrecisionMap, TruthValuesAreNoCodes) {
  std::vector<TensorInfo> tensors = Tensors();
  tensors[2].dtype = DType::kBool;
  EXPECT_TRUE(PlanPrecision(Slots(), NamedTensors(tensors), {}).has_value()) << "loading refuses them by their type";
}

TEST(Glob, StarsCoverAnyRunAndQuestionMarksOneCharacter) {
  EXPECT_TRUE(MatchesGlob("model.layers.*.mlp.*", "model.layers.12.mlp.up_proj"));
  EXPECT_TRUE(MatchesGlob("*a*b", "xxaxxabxb"));
  EXPECT_TRUE(MatchesGlob("layers.?", "layers.7"));
  EXPECT_FALSE(MatchesGlob("layers.?", "layers.17"));
  EXPECT_FALSE(MatchesGlob("mlp", "mlp.up_proj"));
  EXPECT_TRUE(MatchesGlob("", ""));
  EXPECT_TRUE(MatchesGlob("**", ""));
  EXPECT_FALSE(MatchesGlob("", "x"));
}

TEST(Recipe, AnUnknownNameIsRefusedWithTheNearest) {
  EXPECT_EQ((*FindRecipe("fp8"))->bits_per_weight, 8);
  const Result<const Recipe*> recipe = FindRecipe("fp9");
  ASSERT_FALSE(recipe.has_value());
  EXPECT_THAT(recipe.error().message, HasSubstr("no recipe `fp9`; did you mean `fp8`?"));
}

TEST(Recipe, AnAliasIsAnotherNameOfTheSame) { EXPECT_EQ(*FindRecipe("int4"), *FindRecipe("int4-rtn")); }

Json ConfigOf(const PrecisionChoices& choices) {
  return CompressedTensorsConfig(PlanPrecision(Slots(), NamedTensors(Tensors()), choices).value());
}

TEST(CompressedTensors, Fp8IsTheDynamicPreset) {
  const Json config = ConfigOf({});
  EXPECT_EQ(config["quant_method"], "compressed-tensors");
  EXPECT_EQ(config["format"], "float-quantized");
  EXPECT_EQ(config["config_groups"]["group_0"]["weights"]["strategy"], "channel");
  EXPECT_EQ(config["config_groups"]["group_0"]["input_activations"]["strategy"], "token");
  EXPECT_EQ(config["config_groups"]["group_0"]["input_activations"]["dynamic"], true);
  EXPECT_EQ(config["ignore"], Json::array({"lm_head"}));
}

TEST(CompressedTensors, Fp8InBlocksIsThePresetOfBlocks) {
  const Json config = ConfigOf({.layers = Encoding::kE4M3Blocks});
  EXPECT_EQ(config["format"], "float-quantized");
  const Json& weights = config["config_groups"]["group_0"]["weights"];
  EXPECT_EQ(weights["strategy"], "block");
  EXPECT_EQ(weights["block_structure"], Json::array({128, 128}));
  EXPECT_TRUE(weights["group_size"].is_null());
  const Json& inputs = config["config_groups"]["group_0"]["input_activations"];
  EXPECT_EQ(inputs["strategy"], "group");
  EXPECT_EQ(inputs["group_size"], 128);
  EXPECT_EQ(inputs["dynamic"], true);
}

TEST(CompressedTensors, IntegersArePackedAndTheirInputsStay) {
  const Json int8 = ConfigOf({.layers = Encoding::kInt8}), int4 = ConfigOf({.layers = Encoding::kInt4, .group = 64});
  EXPECT_EQ(int8["format"], "pack-quantized");
  const Json& rows = int8["config_groups"]["group_0"]["weights"];
  EXPECT_EQ(rows["num_bits"], 8);
  EXPECT_EQ(rows["strategy"], "channel");
  EXPECT_TRUE(rows["group_size"].is_null());
  EXPECT_TRUE(int8["config_groups"]["group_0"]["input_activations"].is_null());
  EXPECT_EQ(int4["format"], "pack-quantized");
  const Json& groups = int4["config_groups"]["group_0"]["weights"];
  EXPECT_EQ(groups["num_bits"], 4);
  EXPECT_EQ(groups["type"], "int");
  EXPECT_EQ(groups["strategy"], "group");
  EXPECT_EQ(groups["group_size"], 64);
}

TEST(CompressedTensors, Nvfp4IsThePresetWithoutRoundedInputs) {
  const Json config = ConfigOf({.layers = Encoding::kNvfp4});
  EXPECT_EQ(config["format"], "nvfp4-pack-quantized");
  const Json& weights = config["config_groups"]["group_0"]["weights"];
  EXPECT_EQ(weights["num_bits"], 4);
  EXPECT_EQ(weights["type"], "float");
  EXPECT_EQ(weights["strategy"], "tensor_group");
  EXPECT_EQ(weights["group_size"], 16);
  EXPECT_EQ(weights["scale_dtype"], "torch.float8_e4m3fn");
  EXPECT_TRUE(config["config_groups"]["group_0"]["input_activations"].is_null());
}

TEST(CompressedTensors, MatricesStoredOtherwiseAreGroupsThatNameThem) {
  const Json mixed = ConfigOf({.layers = Encoding::kNvfp4, .by_slot = {{"layers.0.attn.qkv", {Encoding::kInt8, 0}}}});
  EXPECT_EQ(mixed["format"], "mixed-precision");
  const Json &first = mixed["config_groups"]["group_0"], &second = mixed["config_groups"]["group_1"];
  EXPECT_EQ(first["targets"], Json::array({"Linear"}));
  EXPECT_EQ(first["format"], "nvfp4-pack-quantized");
  EXPECT_EQ(second["targets"], Json::array({"model.layers.0.self_attn.q_proj"}));
  EXPECT_EQ(second["format"], "pack-quantized");
  const Json groups = ConfigOf(
      {.layers = Encoding::kInt4, .head = Encoding::kInt8, .by_slot = {{"layers.0.attn.qkv", {Encoding::kInt4, 128}}}});
  EXPECT_EQ(groups["format"], "pack-quantized");
  EXPECT_EQ(groups["config_groups"].size(), 3U);
  EXPECT_EQ(groups["config_groups"]["group_1"]["weights"]["group_size"], 128);
  EXPECT_EQ(groups["config_groups"]["group_2"]["targets"], Json::array({"lm_head"}));
}

TEST(CompressedTensors, AHeadStoredOtherwiseIsAGroupOfItsOwn) {
  const Json mixed = ConfigOf({.layers = Encoding::kInt4, .head = Encoding::kE4M3});
  EXPECT_EQ(mixed["format"], "mixed-precision");
  EXPECT_EQ(mixed["config_groups"]["group_0"]["format"], "pack-quantized");
  EXPECT_EQ(mixed["config_groups"]["group_1"]["format"], "float-quantized");
  EXPECT_EQ(mixed["config_groups"]["group_1"]["targets"], Json::array({"lm_head"}));
  EXPECT_EQ(mixed["ignore"], Json::array());
  const Json packed = ConfigOf({.layers = Encoding::kInt4, .head = Encoding::kInt8});
  EXPECT_EQ(packed["format"], "pack-quantized");
  EXPECT_EQ(packed["config_groups"]["group_1"]["weights"]["num_bits"], 8);
  EXPECT_EQ(ConfigOf({.layers = Encoding::kInt4, .head = Encoding::kInt4})["config_groups"].size(), 1u);
}

}  // namespace
}  // namespace octet
