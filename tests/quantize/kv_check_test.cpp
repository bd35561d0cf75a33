#include "quantize/kv_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "formats/safetensors.h"
#include "models/kv_scheme.h"
#include "numeric/bf16.h"
#include "quantize/kv_scales.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/editable_source.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

using kernels::CacheFormat;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr size_t kGoldenTokens = 44;

class KvCheckTest : public testing::Test {
 protected:
  Result<KvCheck> Check(const Checkpoint& checkpoint, const KvRounding& choices, size_t threads = 2,
                        ComputeType compute = ComputeType::kAuto) {
    ThreadPool pool(threads);
    return CheckKv(checkpoint, text_, choices, {pool, progress_, cancel_}, compute);
  }
  static Checkpoint Golden(const std::string& name) { return Must(Checkpoint::Open(GoldenModel(name))); }
  static std::vector<int32_t> Ids(const std::string& name) {
    std::vector<int32_t> ids = ReadGolden(name).ids;
    ids.resize(kGoldenTokens);
    return ids;
  }
  // The checkpoint with other floats in one tensor.
  static Checkpoint With(Checkpoint checkpoint, const std::string& name, const std::vector<float>& values) {
    auto source = std::make_shared<EditableSource>(*checkpoint.tensors);
    source->Set(name, DType::kF32, source->Find(name)->shape, values);
    checkpoint.tensors = source;
    return checkpoint;
  }
  // Quantised by `recipe`, with the check's types and scales.
  void Write(const Checkpoint& checkpoint, const KvCheck& check, const char* out,
             const PrecisionChoices& choices = {}) {
    ThreadPool pool(2);
    QuantizePlan plan = Must(PlanQuantization(checkpoint, **FindRecipe("int8"), choices));
    plan.kv = check;
    Must(QuantizeCheckpoint(checkpoint, plan, directory_ / out, {pool, progress_, cancel_}));
  }
  std::vector<float> Logits(const Checkpoint& checkpoint, const std::vector<int32_t>& ids) {
    TinyModel model(checkpoint, ComputeType::kBf16, kernels::ActiveKernels());
    model.context.activations = nn::ActivationMode::kBf16;
    return model.Logits(ids, ids.size());
  }

  TemporaryDirectory directory_;
  CalibrationText text_ = {Ids("llama3")};
  Progress progress_;
  CancelFlag cancel_;
};

// tools/golden/kv_errors.py. A code may fall to either side of a boundary where sums run in another order.
TEST_F(KvCheckTest, RangesScalesAndErrorsAreThoseOfPyTorch) {
  const Json golden = ReadJsonFile(OCTET_SOURCE_DIR "/tests/golden/quantize/kv_errors.json");
  for (const auto& [name, formats] : golden.items()) {
    text_ = {Ids(name)};
    for (const auto& [format, layers] : formats.items()) {
      const KvRounding choices{.format = format == "fp8" ? CacheFormat::kE4M3 : CacheFormat::kInt8};
      const KvCheck check = Must(Check(Golden(name), choices, 2, ComputeType::kF32));
      ASSERT_EQ(check.layers.size(), layers.size());
      EXPECT_EQ(check.tokens, kGoldenTokens);
      for (size_t i = 0; i < layers.size(); ++i) {
        const KvLayerCheck& got = check.layers[i];
        const std::string where = Cat(name, " ", format, " layer ", i);
        EXPECT_NEAR(got.key_scales.at(0), layers[i]["key_scales"][0].get<float>(), 0.005 * got.key_scales[0]) << where;
        EXPECT_NEAR(got.value_scales.at(0), layers[i]["value_scales"][0].get<float>(), 0.005 * got.value_scales[0]);
        ASSERT_EQ(got.heads.size(), layers[i]["heads"].size());
        for (size_t head = 0; head < got.heads.size(); ++head) {
          const Json& want = layers[i]["heads"][head];
          const auto near = [&](double value, const char* key, double bound) {
            const double wanted = want[key].get<double>();
            EXPECT_NEAR(value, wanted, bound * wanted) << where << " head " << head << " " << key;
          };
          near(got.heads[head].key_amax, "key_amax", 1e-4);
          near(got.heads[head].value_amax, "value_amax", 1e-4);
          near(got.heads[head].dynamic_error, "dynamic_error", 0.02);
          near(got.heads[head].static_error, "static_error", 0.02);
          near(got.heads[head].attention_kl, "attention_kl", 0.05);
        }
      }
    }
  }
}

TEST_F(KvCheckTest, IsTheSameForAnyNumberOfThreadsAndKeepsTheLargestOfAllWindows) {
  const auto report = [&](size_t threads) {
    return KvReport(Must(Check(Golden("llama3"), {.per_head = true}, threads)), Dialect::kCompressedTensors);
  };
  text_.push_back({5, 6, 7});
  const Json both = report(1);
  EXPECT_EQ(report(3), both);
  const CalibrationText windows = text_;
  text_ = {windows[0]};
  const KvCheck first = Must(Check(Golden("llama3"), {}));
  text_ = {windows[1]};
  const KvCheck second = Must(Check(Golden("llama3"), {}));
  for (size_t i = 0; i < first.layers.size(); ++i) {
    for (size_t head = 0; head < first.layers[i].heads.size(); ++head) {
      const float a = first.layers[i].heads[head].key_amax, b = second.layers[i].heads[head].key_amax;
      EXPECT_EQ(both["layers"][i]["heads"][head]["key_amax"].get<float>(), std::max(a, b));
    }
  }
}

// As in Qwen2.5's last layer: a bias makes some numbers of a head's keys a hundred times those of the others.
class OutlierHead : public KvCheckTest, public testing::WithParamInterface<std::pair<CacheFormat, float>> {
 protected:
  static constexpr size_t kLayer = 2, kHead = 1;

  void SetUp() override {
    text_ = {Ids("qwen2")};
    const std::string name = "model.layers.2.self_attn.k_proj.bias";
    std::vector<float> bias = ReadTensor(*model_.tensors, name);
    const size_t width = bias.size() / 2;  // of 2 key heads
    for (size_t i = 0; i < width; i += 2) bias[kHead * width + i] = i % 4 == 0 ? GetParam().second : -GetParam().second;
    model_ = With(model_, name, bias);
  }

  Checkpoint model_ = Golden("qwen2");
};

// INT8's steps are finer by the largest number: it takes more to spoil the others.
INSTANTIATE_TEST_SUITE_P(Codes, OutlierHead,
                         testing::Values(std::pair(CacheFormat::kE4M3, 150.0F),
                                         std::pair(CacheFormat::kInt8, 1500.0F)));

TEST_P(OutlierHead, IsNamedAndItsLayerStaysBf16WithBetterLogits) {
  const KvCheck check = Must(Check(model_, {.format = GetParam().first, .per_head = true}));
  EXPECT_THAT(check.Bf16Layers(), ElementsAre(kLayer));
  const std::vector<KvHeadCheck>& heads = check.layers[kLayer].heads;
  EXPECT_TRUE(heads[kHead].is_outlier());
  EXPECT_FALSE(heads[1 - kHead].is_outlier());
  EXPECT_GT(heads[kHead].key_amax, 100);

  Write(model_, check, "falls_back");
  Checkpoint falls_back = Must(Checkpoint::Open(directory_ / "falls_back"));
  Checkpoint rounds_all = falls_back, rounds_none = falls_back;
  rounds_all.config.erase(kKvLayersKey);
  rounds_none.config["quantization_config"]["kv_cache_scheme"] = nullptr;
  const std::vector<int32_t> ids = ReadGolden("qwen2").ids;
  const std::vector<float> want = Logits(rounds_none, ids);
  const double with = RelativeError(Logits(falls_back, ids), want);
  const double without = RelativeError(Logits(rounds_all, ids), want);
  RecordProperty("with", Cat(with));
  RecordProperty("without", Cat(without));
  EXPECT_GT(with, 0);  // the other layers are rounded
  EXPECT_LT(with, GetParam().first == CacheFormat::kE4M3 ? without * 0.75 : without);
}

TEST_F(KvCheckTest, ModelsWithoutOutliersAreRoundedInEveryLayer) {
  for (const char* name : {"llama3", "qwen2", "gemma3"}) {
    text_ = {Ids(name)};
    EXPECT_THAT(Must(Check(Golden(name), {})).Bf16Layers(), ElementsAre()) << name;
    EXPECT_THAT(Must(Check(Golden(name), {.format = CacheFormat::kInt8})).Bf16Layers(), ElementsAre()) << name;
  }
}

TEST_F(KvCheckTest, ScalesAreStoredAsEachDialectHasThemAndNoCodeIsCutOff) {
  for (const bool per_head : {false, true}) {
    const KvCheck check = Must(Check(Golden("llama3"), {.per_head = per_head}));
    Write(Golden("llama3"), check, "written");
    const std::shared_ptr<const TensorSource> written = Must(OpenSafetensors(directory_ / "written"));
    for (size_t i = 0; i < check.layers.size(); ++i) {
      const std::string name = Cat("model.layers.", i, ".self_attn.k_scale");
      ASSERT_NE(written->Find(name), nullptr);
      EXPECT_EQ(written->Find(name)->dtype, DType::kBf16);
      EXPECT_EQ(written->Find(name)->shape, per_head ? (Shape{2, 1, 1}) : Shape{1});
      const std::vector<float> scales = ReadTensor(*written, name);
      EXPECT_EQ(scales, check.layers[i].key_scales);
      for (size_t head = 0; head < 2; ++head) {
        const float scale = scales[per_head ? head : 0], amax = check.layers[i].heads[head].key_amax;
        EXPECT_LE(amax / scale, 448);
        EXPECT_GE(scale, amax / 448);
        EXPECT_LE(scale, per_head ? amax / 448 * 1.01F : 1.0F);
      }
    }
    const Json config = Must(Checkpoint::Open(directory_ / "written")).config;
    const Json& scheme = config["quantization_config"]["kv_cache_scheme"];
    EXPECT_EQ(scheme["strategy"], per_head ? "attn_head" : "tensor");
    EXPECT_EQ(scheme["type"], "float");
    EXPECT_FALSE(config.contains(kKvLayersKey));
  }
  const KvCheck check = Must(Check(Golden("llama3"), {.format = CacheFormat::kInt8}));
  Write(Golden("llama3"), check, "modelopt", {.dialect = Dialect::kModelOpt});
  const std::shared_ptr<const TensorSource> written = Must(OpenSafetensors(directory_ / "modelopt"));
  const TensorInfo& info = *written->Find("model.layers.1.self_attn.v_proj.v_scale");
  EXPECT_EQ(info.dtype, DType::kF32);
  EXPECT_EQ(info.shape, Shape{});
  EXPECT_EQ(ReadTensor(*written, info.name), check.layers[1].value_scales);
  const Json file = ReadJsonFile(directory_ / "modelopt/hf_quant_config.json");
  EXPECT_EQ(file["quantization"]["kv_cache_quant_algo"], "INT8");
  EXPECT_EQ(Must(ReadHfConfig(Must(Checkpoint::Open(directory_ / "modelopt")).config, "")).kv_scheme, "INT8");
}

// Values of zeros alone have no range: any scale would be made up.
TEST_F(KvCheckTest, AHeadWithoutARangeKeepsItsLayerInBf16) {
  const std::string name = "model.layers.1.self_attn.v_proj.weight";
  Checkpoint zeros = Golden("llama3");
  zeros = With(zeros, name, std::vector<float>(ReadTensor(*zeros.tensors, name).size()));
  const KvCheck check = Must(Check(zeros, {}));
  EXPECT_THAT(check.Bf16Layers(), ElementsAre(1u));
}

// Finite weights whose keys, turned by their position, are beyond the largest float; and one that isn't finite itself.
TEST_F(KvCheckTest, KeysThatOverflowAreCorruptAndNamedUnlessAWeightIsToBlame) {
  const std::string name = "model.layers.1.self_attn.k_proj.bias";
  Checkpoint model = Golden("qwen2");
  std::vector<float> bias = ReadTensor(*model.tensors, name);
  std::fill(bias.begin() + static_cast<std::ptrdiff_t>(bias.size() / 2), bias.end(), 3.3e38F);
  const Result<KvCheck> overflow = Check(With(model, name, bias), {});
  ASSERT_FALSE(overflow.has_value());
  EXPECT_EQ(overflow.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(overflow.error().message, HasSubstr("layer 1, key head 1: a key is no finite number"));
  bias.back() = std::numeric_limits<float>::infinity();
  const Result<KvCheck> damaged = Check(With(model, name, bias), {});
  ASSERT_FALSE(damaged.has_value());
  EXPECT_THAT(damaged.error().message, HasSubstr(Cat("tensor `", name, "`, row 0, column ", bias.size() - 1)));
}

}  // namespace
}  // namespace octet
