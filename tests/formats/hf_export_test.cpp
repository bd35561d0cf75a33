#include "formats/hf_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "formats/staged_directory.h"
#include "numeric/bf16.h"
#include "numeric/fp16.h"
#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::HasSubstr;

Checkpoint Golden(std::string_view name) {
  return *Checkpoint::Open(Cat(OCTET_SOURCE_DIR "/tests/golden/gguf/", name));
}

std::vector<float> ReadAll(const TensorSource& source, const TensorInfo& info) {
  std::vector<float> values(*ElementCount(info.shape));
  EXPECT_TRUE(source.ReadRows(info.name, 0, RowCount(info.shape), values.data()));
  return values;
}

TEST(HuggingFaceExport, InF32EveryTensorAndFieldSurvives) {
  const TemporaryDirectory directory;
  const Checkpoint from = Golden("llama3.gguf");
  ASSERT_TRUE(ExportHuggingFace(from, {{"tokenizer.json", "{}"}}, directory / "out", {.dtype = DType::kF32}));
  const auto to = Checkpoint::Open(directory / "out");
  ASSERT_TRUE(to) << to.error().message;
  ASSERT_EQ(to->tensors->tensors().size(), from.tensors->tensors().size());
  for (const TensorInfo& info : from.tensors->tensors()) {
    ASSERT_EQ(to->tensors->Find(info.name)->dtype, DType::kF32);
    EXPECT_EQ(ReadAll(*to->tensors, *to->tensors->Find(info.name)), ReadAll(*from.tensors, info)) << info.name;
  }
  EXPECT_EQ(to->config["torch_dtype"], "float32");
  EXPECT_EQ(to->config["rope_scaling"], from.config["rope_scaling"]);
  EXPECT_EQ(to->generation_config, from.generation_config);
  EXPECT_EQ(*ReadTextFile(directory / "out" / "tokenizer.json"), "{}");
}

TEST(HuggingFaceExport, InNarrowTypesValuesAreRoundedToNearest) {
  const Checkpoint from = Golden("smollm.gguf");
  const TensorInfo& info = *from.tensors->Find("model.embed_tokens.weight");
  for (const DType dtype : {DType::kBf16, DType::kF16}) {
    const TemporaryDirectory directory;
    ASSERT_TRUE(ExportHuggingFace(from, {}, directory / "out", {.dtype = dtype}));
    const Checkpoint to = *Checkpoint::Open(directory / "out");
    std::vector<float> expected = ReadAll(*from.tensors, info);
    for (float& value : expected) value = dtype == DType::kBf16 ? ToFloat(ToBf16(value)) : ToFloat(ToFp16(value));
    EXPECT_EQ(to.tensors->Find(info.name)->dtype, dtype);
    EXPECT_EQ(ReadAll(*to.tensors, info), expected);
  }
}

// A scale rounded to fewer bits would change every weight that it stands for.
// One F32 tensor of two rows.
Checkpoint With(const TemporaryDirectory& directory, float value) {
  const float values[] = {1, 2, 3, value};
  auto writer = *SafetensorsWriter::Create(directory / "model.safetensors", {{"w", DType::kF32, {2, 2}}}, {});
  EXPECT_TRUE(writer.Write("w", std::as_bytes(std::span(values))));
  EXPECT_TRUE(writer.Commit());
  Checkpoint checkpoint = Golden("smollm.gguf");
  checkpoint.tensors = *OpenSafetensors(directory / "model.safetensors");
  return checkpoint;
}

TEST(HuggingFaceExport, RefusesValuesThatTheTypeCannotHold) {
  const TemporaryDirectory directory;
  const auto message = [&](float value, DType dtype) {
    const Status done = ExportHuggingFace(With(directory, value), {}, directory / "out", {.dtype = dtype});
    return done ? "written" : done.error().message;
  };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const DType dtype : {DType::kBf16, DType::kF16}) {
    EXPECT_EQ(message(-kInfinity, dtype),
              "tensor `w`, row 1, column 1 is infinite or beyond the largest float, 3.4e38; "
              "the file is damaged, get it again");
    EXPECT_EQ(message(std::numeric_limits<float>::quiet_NaN(), dtype),
              "tensor `w`, row 1, column 1 is no number (NaN); the file is damaged, get it again");
  }
  EXPECT_EQ(message(-1e6F, DType::kF16),
            "tensor `w`, row 1, column 1 is -1e+06, beyond the largest number of F16, 65504; use bf16 or f32");
  EXPECT_FALSE(std::filesystem::exists(directory / "out"));
  EXPECT_EQ(message(65504, DType::kF16), "written");
  EXPECT_EQ(message(-1e6F, DType::kBf16), "written");
}

TEST(HuggingFaceExport, ScalesOfCodesAreKeptBitForBit) {
  const TemporaryDirectory directory;
  const float scales[] = {0.1F, 0x1.fffffep-3F};
  const std::string header = R"({"a.weight_scale":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})";
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  file += header;
  file.append(reinterpret_cast<const char*>(scales), sizeof scales);
  file.append(reinterpret_cast<const char*>(scales), sizeof scales[0]);
  directory.Write("config.json", "{}");
  directory.Write("model.safetensors", file);
  ASSERT_TRUE(ExportHuggingFace(*Checkpoint::Open(directory.path()), {}, directory / "out", {.dtype = DType::kF16}));
  const Checkpoint to = *Checkpoint::Open(directory / "out");
  EXPECT_EQ(to.tensors->Find("b")->dtype, DType::kF16);
  EXPECT_THAT(ReadAll(*to.tensors, *to.tensors->Find("a.weight_scale")), testing::ElementsAreArray(scales));
}

TEST(HuggingFaceExport, IsSplitIntoShardsOfTheGivenSize) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(ExportHuggingFace(Golden("qwen3.gguf"), {}, directory / "out", {.maximum_shard_bytes = 4000}));
  EXPECT_TRUE(std::filesystem::exists(directory / "out" / "model.safetensors.index.json"));
  EXPECT_EQ(Checkpoint::Open(directory / "out")->tensors->tensors().size(),
            Golden("qwen3.gguf").tensors->tensors().size());
}

TEST(HuggingFaceExport, ThatIsStoppedLeavesNothing) {
  const TemporaryDirectory directory;
  ExportOptions options;
  uint64_t last = 0;
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GT(done, last);
    EXPECT_LE(done, total);
    last = done;
    return done < total / 2;
  };
  const Status stopped = ExportHuggingFace(Golden("qwen3.gguf"), {}, directory / "out", options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(HuggingFaceExport, RefusesADirectoryThatOctetDidNotMake) {
  const TemporaryDirectory directory;
  directory.Write("thesis.tex", "years of work");
  const Status refused = ExportHuggingFace(Golden("qwen3.gguf"), {}, directory.path(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("is not empty and wasn't made by octet"));
  EXPECT_EQ(*ReadTextFile(directory / "thesis.tex"), "years of work");
  EXPECT_FALSE(ExportHuggingFace(Golden("qwen3.gguf"), {}, directory / "thesis.tex", {})) << "a file is in the way";
}

TEST(HuggingFaceExport, ReplacesWhatItMadeBeforeAndAnEmptyDirectory) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "out");
  ASSERT_TRUE(ExportHuggingFace(Golden("qwen3.gguf"), {{"old.txt", "x"}}, directory / "out", {}));
  ASSERT_TRUE(ExportHuggingFace(Golden("phi3.gguf"), {}, directory / "out/", {}));
  EXPECT_FALSE(std::filesystem::exists(directory / "out" / "old.txt"));
  EXPECT_EQ(Checkpoint::Open(directory / "out")->config["model_type"], "phi3");
  const auto entries = std::distance(std::filesystem::directory_iterator(directory.path()), {});
  EXPECT_EQ(entries, 1) << "nothing hidden is left beside it";
}

TEST(HuggingFaceExport, RefusesOtherTypesAndNamesThatLeaveTheDirectory) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(ExportHuggingFace(Golden("qwen3.gguf"), {}, directory / "out", {.dtype = DType::kE4M3}));
  EXPECT_FALSE(ExportHuggingFace(Golden("qwen3.gguf"), {{"../x", ""}}, directory / "out", {}));
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

}  // namespace
}  // namespace octet
