// How a directory's weights are quantised, where files beside config.json say it.
#include "formats/quantization_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::HasSubstr;

class QuantizationFiles : public testing::Test {
 protected:
  // What config.json comes to say.
  Json Read(Json config = Json::object()) {
    const Status read = ReadQuantizationFiles(directory.path(), config);
    EXPECT_TRUE(read.has_value()) << read.error().message;
    return config.contains("quantization_config") ? config["quantization_config"] : Json(nullptr);
  }

  TemporaryDirectory directory;
};

TEST_F(QuantizationFiles, WithoutAnyTheConfigurationStaysAsItIs) {
  EXPECT_EQ(Read(), nullptr);
  EXPECT_EQ(Read({{"quantization_config", nullptr}}), nullptr);
  const Json own = {{"quant_method", "fp8"}};
  EXPECT_EQ(Read({{"quantization_config", own}}), own);
}

TEST_F(QuantizationFiles, ThatOfModelOptStandsInAndTheOthersToo) {
  directory.Write("quant_config.json", R"({"w_bit": 4, "q_group_size": 128})");
  EXPECT_EQ(Read(), (Json{{"w_bit", 4}, {"q_group_size", 128}, {"quant_method", "awq"}}));
  directory.Write("quantize_config.json", R"({"bits": 4, "group_size": 64})");
  EXPECT_EQ(Read(), (Json{{"bits", 4}, {"group_size", 64}, {"quant_method", "gptq"}}));
  directory.Write("hf_quant_config.json", R"({"producer": {}, "quantization": {"quant_algo": "FP8"}})");
  EXPECT_EQ(Read(), (Json{{"quant_algo", "FP8"}, {"quant_method", "modelopt"}}));
}

TEST_F(QuantizationFiles, TwoAlgorithmsAreACorruptDirectory) {
  directory.Write("hf_quant_config.json", R"({"quantization": {"quant_algo": "FP8"}})");
  const Json same = {{"quant_method", "modelopt"}, {"quant_algo", "FP8"}};
  EXPECT_EQ(Read({{"quantization_config", same}}), same);
  Json config = {{"quantization_config", {{"quant_method", "modelopt"}, {"quant_algo", "NVFP4"}}}};
  const Status read = ReadQuantizationFiles(directory.path(), config);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().message, HasSubstr("hf_quant_config.json: says quant_algo FP8, the quantization_config of "
                                              "config.json says NVFP4"));
}

// config.json names groups of modules, ModelOpt's own file each of them.
TEST_F(QuantizationFiles, WhatIsSaidOfSingleModulesComesFromEitherFile) {
  directory.Write(
      "hf_quant_config.json",
      R"({"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"a.b": {"quant_algo": "FP8"}}}})");
  Json config = {{"quantization_config", {{"quant_method", "modelopt"}, {"quant_algo", "MIXED_PRECISION"}}}};
  EXPECT_EQ(QuantizationAlgorithm(config, "a.b"), "MIXED_PRECISION");
  ASSERT_TRUE(ReadQuantizationFiles(directory.path(), config));
  EXPECT_EQ(QuantizationAlgorithm(config, "a.b"), "FP8");
  EXPECT_EQ(QuantizationAlgorithm(config, "a"), "MIXED_PRECISION");
  EXPECT_EQ(QuantizationAlgorithm(Json::object(), "a.b"), "");
}

TEST_F(QuantizationFiles, AFileThatIsNoObjectIsRefused) {
  directory.Write("hf_quant_config.json", "[]");
  Json config = Json::object();
  EXPECT_THAT(ReadQuantizationFiles(directory.path(), config).error().message,
              HasSubstr("is array, an object is expected"));
}

}  // namespace
}  // namespace octet
