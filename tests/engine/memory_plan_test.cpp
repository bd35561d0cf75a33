// What is planned against what the process then takes.
#include "engine/memory_plan.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "base/memory.h"
#include "base/random.h"
#include "engine/engine.h"
#include "engine/pack/build_pack.h"
#include "engine/random_weights.h"
#include "engine/session.h"
#include "models/hf_config.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

std::filesystem::path PackOf(const ModelFiles& files, const std::filesystem::path& directory) {
  Progress progress;
  const CancelFlag cancel;
  const Result<PackSummary> made = BuildPack(files, directory / "model.octet", progress, cancel);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return directory / "model.octet";
}

TEST(MemoryPlan, AgreesWithWhatThePackHoldsAndTheCacheTakes) {
  const TemporaryDirectory directory;
  ThreadPool pool(1);
  for (const char* name : {"smollm2", "gemma3", "phi3_short"}) {
    const Result<ModelFiles> source = ModelFiles::Open(GoldenModel(name), {}, pool);
    ASSERT_TRUE(source.has_value());
    const Result<ModelFiles> pack = ModelFiles::Open(PackOf(*source, directory.path()), {}, pool);
    ASSERT_TRUE(pack.has_value());
    const Result<MemoryPlan> planned = PlanMemory(*source, {.context = 64, .users = 2});
    const Result<MemoryPlan> packed = PlanMemory(*pack, {.context = 64, .users = 2});
    EXPECT_NEAR(static_cast<double>(planned->all_weights), static_cast<double>(packed->all_weights),
                0.05 * static_cast<double>(packed->all_weights))
        << name;
    const Result<std::unique_ptr<Engine>> engine = Engine::Open(GoldenModel(name), {.threads = 1, .context = 64});
    const size_t pages = (*engine)->cache().page_bytes() * (*engine)->cache().pages() * 2;
    EXPECT_GE(planned->cache, pages) << name;
    EXPECT_LT(planned->cache, pages + 4096) << name;
  }
}

// A model of some megabytes, random, whose head has a matrix of its own: 17 MB, half of it the table of embeddings.
constexpr size_t kVocab = 16384;

std::filesystem::path RandomPack(const std::filesystem::path& directory) {
  ModelFiles files;
  files.kind = "shape";
  files.config = {{"model_type", "llama"},           {"num_hidden_layers", 4},    {"hidden_size", 256},
                  {"num_attention_heads", 4},        {"num_key_value_heads", 2},  {"head_dim", 64},
                  {"intermediate_size", 1024},       {"vocab_size", kVocab},      {"tie_word_embeddings", false},
                  {"max_position_embeddings", 2048}, {"torch_dtype", "bfloat16"}, {"rms_norm_eps", 1e-5}};
  files.spec = *ReadHfConfig(files.config, "config.json");
  files.weights = std::make_unique<RandomWeights>(files.spec, kernels::WeightFormat::kInt4Group32);
  return PackOf(files, directory);
}

// The system forgets the file, as after a restart: of one that was just written it holds pages of up to 2 MB, any of
// which a read would map whole.
void DropFromCache(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
}

// Ids as often as text has them (docs/verbs/plan.md).
std::vector<int32_t> TextLikeIds(size_t count) {
  const CounterRandom random{.seed = 5};
  const double least = std::pow(400 + static_cast<double>(kVocab), -0.7), most = std::pow(400.0, -0.7);
  std::vector<int32_t> ids;
  for (uint32_t i = 0; i < count; ++i) {
    const double tail = most - static_cast<double>(random.Uniform(0, i)) * (most - least);
    ids.push_back(static_cast<int32_t>(std::min<double>(std::pow(tail, -1 / 0.7) - 400, kVocab - 1)));
  }
  return ids;
}

// For so long the process gets no huge pages, of which a half-filled one is more than what is tested.
class SmallPages {
 public:
  SmallPages() { ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); }
  ~SmallPages() { ::prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0); }
};

// The process' most resident memory while an engine opens the pack and answers until its context is full, over what it
// had before.
uint64_t MeasureRun(const std::filesystem::path& pack, const EngineOptions& options) {
  ::malloc_trim(0);
  const uint64_t before = ReadResidentMemory().now;
  std::ofstream("/proc/self/clear_refs") << 5;  // VmHWM begins anew
  const Result<std::unique_ptr<Engine>> engine = Engine::Open(pack, options);
  EXPECT_TRUE(engine.has_value()) << engine.error().message;
  EngineSession session(**engine);
  Request request;
  request.prompt = TextLikeIds(options.context - 20);
  request.options.ignore_eos = true;
  const Result<GenerateResult> result = session.Generate(std::move(request), {}, nullptr);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  return ReadResidentMemory().most - before;
}

class PlannedMemory : public testing::TestWithParam<std::tuple<LoadMode, size_t, kernels::CacheFormat>> {};

INSTANTIATE_TEST_SUITE_P(LoadsThreadsAndCaches, PlannedMemory,
                         testing::Combine(testing::Values(LoadMode::kMap, LoadMode::kCopy),
                                          testing::Values(size_t{1}, size_t{2}),
                                          testing::Values(kernels::CacheFormat::kBf16, kernels::CacheFormat::kE4M3)));

TEST_P(PlannedMemory, IsTheProcessOwnWithin5PercentOr1Megabyte) {
#if defined(OCTET_SANITIZED)
  GTEST_SKIP() << "a sanitizer's own memory is in the process', too";
#endif
  if (ReadResidentMemory().most == 0) GTEST_SKIP() << "the system doesn't say what a process takes";
  const auto& [load, threads, cache] = GetParam();
  const SmallPages no_huge_ones;
  const TemporaryDirectory directory;
  const std::filesystem::path pack = RandomPack(directory.path());
  EngineOptions options;
  options.threads = threads;
  options.load.mode = load;
  options.cache = cache;
  options.context = 64;
  DropFromCache(pack);
  MeasureRun(pack, options);  // reads the program's own pages in
  for (const size_t context : {size_t{64}, size_t{1024}}) {
    options.context = context;
    ThreadPool pool(1);
    const Result<ModelFiles> files = ModelFiles::OpenForPlan(pack, options.load, pool);
    ASSERT_TRUE(files.has_value()) << files.error().message;
    const Result<MemoryPlan> plan =
        PlanMemory(*files, {.context = context, .threads = threads, .load = load, .cache = cache});
    ASSERT_TRUE(plan.has_value()) << plan.error().message;
    const auto planned = static_cast<double>(plan->Total() - plan->program);
    const auto measured = static_cast<double>(MeasureRun(pack, options));
    EXPECT_NEAR(planned, measured, std::max(1e6, 0.05 * measured))
        << "context " << context << ": weights " << plan->weights << ", rows " << plan->embedding_rows << ", cache "
        << plan->cache << ", buffers " << plan->buffers;
  }
}

// A checkpoint whose one large tensor, of 134 MB, is a hole in its file.
void WriteLargeTensor(const std::filesystem::path& directory) {
  const Json config = {{"model_type", "llama"},          {"num_hidden_layers", 1},    {"hidden_size", 512},
                       {"num_attention_heads", 8},       {"num_key_value_heads", 8},  {"head_dim", 64},
                       {"intermediate_size", 512},       {"vocab_size", 131072},      {"tie_word_embeddings", true},
                       {"max_position_embeddings", 512}, {"torch_dtype", "bfloat16"}, {"rms_norm_eps", 1e-5}};
  Json header = Json::object();
  uint64_t offset = 0;
  const ModelSpec spec = *ReadHfConfig(config, "config.json");
  for (const WeightSlot& slot : WeightSlots(spec)) {
    const uint64_t end = offset + 2 * slot.rows * std::max<size_t>(slot.columns, 1);
    Json shape = Json::array({slot.rows});
    if (slot.IsMatrix()) shape.push_back(slot.columns);
    header[slot.tensor] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", Json::array({offset, end})}};
    offset = end;
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  const std::filesystem::path path = directory / "model.safetensors";
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&length), sizeof length) << text;
  std::filesystem::resize_file(path, sizeof length + length + offset);
  std::ofstream(directory / "config.json") << config.dump();
}

TEST(BuildPack, TakesLessMemoryThanTheLargestTensor) {
#if defined(OCTET_SANITIZED)
  GTEST_SKIP() << "a sanitizer's own memory is in the process', too";
#endif
  if (ReadResidentMemory().most == 0) GTEST_SKIP() << "the system doesn't say what a process takes";
  const TemporaryDirectory directory;
  WriteLargeTensor(directory.path());
  ThreadPool pool(2);
  ::malloc_trim(0);
  const uint64_t before = ReadResidentMemory().now;
  std::ofstream("/proc/self/clear_refs") << 5;
  const Result<ModelFiles> files = ModelFiles::Open(directory.path(), {}, pool);
  ASSERT_TRUE(files.has_value()) << files.error().message;
  const std::filesystem::path pack = PackOf(*files, directory.path());
  // Two pieces of 32 MB, and per thread 8 MB of the file that are mapped and 1 MB of floats.
  EXPECT_LT(ReadResidentMemory().most - before, uint64_t{96} << 20);
  EXPECT_GT(std::filesystem::file_size(pack), uint64_t{134} * 1000 * 1000);
}

}  // namespace
}  // namespace octet
