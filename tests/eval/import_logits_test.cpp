// A GGUF that the gguf package wrote, imported as a Hugging Face directory, computes what transformers computes from
// the original (tools/golden/gguf_logits.py).
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/hf_export.h"
#include "models/decoder.h"
#include "models/hf_config.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

class ImportedModel : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { fs::remove_all(directory_); }
  void TearDown() override { fs::remove_all(directory_); }

  Result<std::vector<float>> Logits(const fs::path& model, const std::vector<int32_t>& ids) {
    const Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(model));
    const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, model.native()));
    CheckpointWeights weights = OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, ComputeType::kF32, pool_));
    const Decoder decoder = OCTET_TRY(Decoder::Load(spec, weights));
    const size_t count = nn::KvLayout::PagesFor(ids.size()), bytes = decoder.kv_layout().page_bytes();
    const std::shared_ptr<AlignedBuffer> cache = OCTET_TRY(AlignedBuffer::Allocate(count * bytes));
    std::vector<std::byte*> pages;
    for (size_t page = 0; page < count; ++page) pages.push_back(cache->data() + page * bytes);
    nn::ExecutionContext context(pool_, kernels::ActiveKernels());
    std::vector<float> logits(ids.size() * spec.vocab);
    const Decoder::Run run{
        .tokens = ids, .first_position = 0, .pages = pages, .logits_from = 0, .prompt_length = ids.size()};
    OCTET_TRY(decoder.Forward({&run, 1}, context, logits.data()));
    return logits;
  }

  fs::path directory_ = fs::path(testing::TempDir()) / Cat("octet-import-", GetParam());
  ThreadPool pool_{1};
};

TEST_P(ImportedModel, GivesTheLogitsOfTheOriginal) {
  const fs::path folder = OCTET_SOURCE_DIR "/tests/golden/gguf";
  const Json golden = ParseJson(*ReadTextFile(folder / "logits.json"), "logits.json").value();
  const fs::path gguf = folder / Cat(GetParam(), ".gguf");
  const Status exported = ExportHuggingFace(Checkpoint::Open(gguf).value(), {}, directory_, {.dtype = DType::kF32});
  ASSERT_TRUE(exported.has_value()) << exported.error().message;
  const std::vector<int32_t> ids = golden["ids"].get<std::vector<int32_t>>();
  const std::vector<float> wanted = golden[GetParam()].get<std::vector<float>>();
  const Result<std::vector<float>> imported = Logits(directory_, ids), direct = Logits(gguf, ids);
  ASSERT_TRUE(imported.has_value()) << imported.error().message;
  ASSERT_EQ(imported->size(), wanted.size());
  double norm = 0, difference = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    norm += std::pow(double{wanted[i]}, 2);
    difference += std::pow(double{(*imported)[i]} - wanted[i], 2);
  }
  EXPECT_LE(std::sqrt(difference / norm), 1e-4);
  EXPECT_EQ(*imported, *direct) << "a GGUF runs as its import does";
}

INSTANTIATE_TEST_SUITE_P(Golden, ImportedModel,
                         testing::Values("smollm", "llama3", "fused", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace octet
