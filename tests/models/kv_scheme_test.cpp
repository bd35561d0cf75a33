#include "models/kv_scheme.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/golden_model.h"

namespace octet {
namespace {

using kernels::CacheFormat;
using testing::HasSubstr;

Json ConfigWith(const Json& quantization, const Json& kept = nullptr) {
  Json config = ReadJsonFile(GoldenModel("llama3") / "config.json");
  config["quantization_config"] = quantization;
  if (!kept.is_null()) config[kKvLayersKey] = {{kBf16LayersKey, kept}};
  return config;
}

std::vector<std::optional<CacheFormat>> Formats(const ModelSpec& spec) {
  std::vector<std::optional<CacheFormat>> formats;
  for (const LayerSpec& layer : spec.layers) formats.push_back(layer.attn.cache);
  return formats;
}

// As compressed-tensors, ModelOpt's two files and early writers of FP8 say it.
TEST(KvScheme, IsReadInEveryDialect) {
  struct Case {
    Json quantization;
    const char* name;
    std::optional<CacheFormat> format;
  };
  const Case cases[] = {
      {{{"kv_cache_scheme", {{"num_bits", 8}, {"type", "float"}, {"strategy", "tensor"}}}}, "FP8", CacheFormat::kE4M3},
      {{{"kv_cache_scheme", {{"num_bits", 8}, {"type", "int"}}}}, "INT8", CacheFormat::kInt8},
      {{{"kv_cache_scheme", {{"num_bits", 4}, {"type", "float"}}}}, "float of 4 bits", std::nullopt},
      {{{"kv_cache_scheme", {{"dynamic", false}, {"num_bits", 8}, {"type", "float"}}}, {"kv_cache_quant_algo", "FP8"}},
       "FP8",
       CacheFormat::kE4M3},
      {{{"kv_cache_quant_algo", "INT8"}}, "INT8", CacheFormat::kInt8},
      {{{"kv_cache_quant_algo", "NVFP4"}}, "NVFP4", std::nullopt},
      {{{"kv_cache_scheme", "static"}}, "FP8", CacheFormat::kE4M3},
      {{{"kv_cache_scheme", nullptr}, {"kv_cache_quant_algo", nullptr}}, "", std::nullopt},
      {{{"kv_cache_quant_algo", "none"}}, "", std::nullopt},
      {{{"quant_method", "fp8"}}, "", std::nullopt}};
  for (const Case& each : cases) {
    const ModelSpec spec = Must(ReadHfConfig(ConfigWith(each.quantization), "config.json"));
    EXPECT_EQ(spec.kv_scheme, each.name) << each.quantization;
    for (const auto& format : Formats(spec)) EXPECT_EQ(format, each.format) << each.quantization;
  }
}

TEST(KvScheme, LayersThatStayBf16AreThose) {
  const Json fp8 = {{"kv_cache_scheme", {{"num_bits", 8}, {"type", "float"}}}};
  const ModelSpec spec = Must(ReadHfConfig(ConfigWith(fp8, Json::array({1})), "config.json"));
  const std::optional<CacheFormat> codes = CacheFormat::kE4M3, bf16 = CacheFormat::kBf16;
  EXPECT_EQ(Formats(spec), (std::vector<std::optional<CacheFormat>>{codes, bf16, codes}));
}

TEST(KvScheme, WhatContradictsItselfIsCorrupt) {
  const Json fp8 = {{"num_bits", 8}, {"type", "float"}};
  const auto message = [](const Json& quantization, const Json& kept = nullptr) {
    const Result<ModelSpec> spec = ReadHfConfig(ConfigWith(quantization, kept), "config.json");
    EXPECT_FALSE(spec.has_value());
    return spec ? std::string() : spec.error().message;
  };
  EXPECT_EQ(message({{"kv_cache_scheme", fp8}, {"kv_cache_quant_algo", "INT8"}}),
            "config.json: `kv_cache_scheme` is FP8, `kv_cache_quant_algo` is INT8; one of them is wrong");
  EXPECT_THAT(message({{"kv_cache_scheme", 8}}), HasSubstr("`kv_cache_scheme` is number"));
  EXPECT_EQ(message({{"kv_cache_scheme", fp8}}, Json::array({0, 3})),
            "config.json: `bf16_layers` of `octet_kv_cache` holds 3, layers are 0 to 2");
  EXPECT_THAT(message({{"kv_cache_scheme", fp8}}, Json::array({-1})), HasSubstr("holds -1"));
  EXPECT_THAT(message({{"kv_cache_scheme", fp8}}, "last"), HasSubstr("holds \"last\""));
}

TEST(KvScheme, AWishGoesBeforeTheFileButForLayersThatStayBf16) {
  AttnSpec silent, codes, kept;
  codes.cache = CacheFormat::kE4M3;
  kept.cache = CacheFormat::kBf16;
  EXPECT_EQ(CacheFormatOf(silent, std::nullopt, CacheFormat::kF32), CacheFormat::kF32);
  EXPECT_EQ(CacheFormatOf(codes, std::nullopt, CacheFormat::kF32), CacheFormat::kE4M3);
  EXPECT_EQ(CacheFormatOf(kept, std::nullopt, CacheFormat::kF32), CacheFormat::kBf16);
  EXPECT_EQ(CacheFormatOf(codes, CacheFormat::kBf16, CacheFormat::kF32), CacheFormat::kBf16);
  EXPECT_EQ(CacheFormatOf(codes, CacheFormat::kInt8, CacheFormat::kF32), CacheFormat::kInt8);
  EXPECT_EQ(CacheFormatOf(silent, CacheFormat::kE4M3, CacheFormat::kBf16), CacheFormat::kE4M3);
  EXPECT_EQ(CacheFormatOf(kept, CacheFormat::kE4M3, CacheFormat::kBf16), CacheFormat::kBf16);
  EXPECT_EQ(CacheFormatOf(kept, CacheFormat::kF32, CacheFormat::kBf16), CacheFormat::kF32);
}

}  // namespace
}  // namespace octet
