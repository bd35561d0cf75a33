#include "formats/peft_adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/safetensors.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kAdapterConfig = R"({"peft_type":"LORA","r":2,"lora_alpha":6,"bias":"none"})";

std::string AdapterTensors(std::string_view header, const std::vector<float>& values) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file.append(header).append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

// A [2, 3] and B [1, 2] of one module.
std::string OneModule() {
  return AdapterTensors(
      R"({"base_model.model.m.q_proj.lora_A.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("base_model.model.m.q_proj.lora_B.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[24,32]}})",
      {1, 2, 3, 4, 5, 6, 7, 8});
}

Result<PeftAdapter> ReadWritten(const std::string& config, const std::string& tensors) {
  const TemporaryDirectory directory;
  directory.Write("adapter_config.json", config);
  directory.Write("adapter_model.safetensors", tensors);
  return ReadPeftAdapter(directory.path());
}

TEST(PeftAdapterFile, FactorsAndScaleAreRead) {
  const auto adapter = ReadWritten(kAdapterConfig, OneModule());
  ASSERT_TRUE(adapter) << adapter.error().message;
  ASSERT_EQ(adapter->matrices.size(), 1u);
  const PeftMatrix& matrix = adapter->matrices[0];
  EXPECT_EQ(matrix.weight, "m.q_proj.weight");
  EXPECT_EQ(matrix.scale, 3.0f);
  EXPECT_THAT(matrix.a, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(matrix.b, ElementsAre(7, 8));
}

TEST(PeftAdapterFile, RankStabilisedScaleDividesByTheRoot) {
  const auto adapter = ReadWritten(R"({"peft_type":"LORA","r":2,"lora_alpha":6,"use_rslora":true})", OneModule());
  ASSERT_TRUE(adapter) << adapter.error().message;
  EXPECT_FLOAT_EQ(adapter->matrices[0].scale, 4.2426407f);
}

TEST(PeftAdapterFile, WhatWouldChangeTheResultOtherwiseIsRefusedByName) {
  for (const auto& [field, value] :
       {std::pair{"use_dora", "true"}, std::pair{"modules_to_save", R"(["lm_head"])"}, std::pair{"bias", R"("all")"},
        std::pair{"layer_replication", "[[0,2]]"}, std::pair{"alpha_pattern", R"({"q_proj":4})"}}) {
    const auto adapter =
        ReadWritten(Cat(R"({"peft_type":"LORA","r":2,"lora_alpha":6,")", field, "\":", value, "}"), OneModule());
    ASSERT_FALSE(adapter) << field;
    EXPECT_EQ(adapter.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(adapter.error().message, AllOf(HasSubstr("adapter_config.json"), HasSubstr(field)));
  }
}

TEST(PeftAdapterFile, AnotherRankThanTheConfigurationsIsCorrupt) {
  const auto adapter = ReadWritten(R"({"peft_type":"LORA","r":4,"lora_alpha":6})", OneModule());
  ASSERT_FALSE(adapter);
  EXPECT_EQ(adapter.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(adapter.error().message, AllOf(HasSubstr("m.q_proj"), HasSubstr("r = 4")));
}

TEST(PeftAdapterFile, AFactorWithoutItsPartnerIsCorrupt) {
  const auto adapter = ReadWritten(
      kAdapterConfig,
      AdapterTensors(R"({"base_model.model.m.lora_B.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})",
                     {1, 2}));
  ASSERT_FALSE(adapter);
  EXPECT_EQ(adapter.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(adapter.error().message, HasSubstr("base_model.model.m.lora_A.weight"));
}

TEST(PeftAdapterFile, APatternOfRanksLeavesEachMatrixItsOwn) {
  const auto adapter =
      ReadWritten(R"({"peft_type":"LORA","r":8,"lora_alpha":6,"rank_pattern":{"q_proj":2}})", OneModule());
  ASSERT_TRUE(adapter) << adapter.error().message;
  EXPECT_EQ(adapter->matrices[0].rank, 2u);
  EXPECT_EQ(adapter->matrices[0].scale, 3.0F);
}

}  // namespace
}  // namespace octet
