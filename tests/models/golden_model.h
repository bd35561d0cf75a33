// The tiny checkpoints of tests/golden/models (tools/golden/models.py), loaded, with helpers to run them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "models/decoder.h"
#include "models/hf_config.h"

namespace octet {

inline std::filesystem::path GoldenModel(const std::string& name) {
  return std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/models" / name;
}

inline const std::vector<std::string>& GoldenModels() {
  static const std::vector<std::string> names = {"llama2",     "llama3",    "llama31", "llama_linear", "llama_dynamic",
                                                 "smollm2",    "mistral",   "qwen2",   "qwen2_yarn",   "qwen3",
                                                 "phi3_short", "phi3_long", "gemma2",  "gemma3"};
  return names;
}

template <class Value>
Value Must(Result<Value> result) {
  if (!result) ADD_FAILURE() << result.error().message;
  return std::move(result).value();
}

inline Json ReadJsonFile(const std::filesystem::path& path) {
  return Must(ParseJson(Must(ReadTextFile(path)), path.string()));
}

// The floats of a tensor, all rows.
inline std::vector<float> ReadTensor(const TensorSource& source, const std::string& name) {
  const TensorInfo* info = source.Find(name);
  if (info == nullptr) {
    ADD_FAILURE() << name << " is missing";
    return {};
  }
  std::vector<float> values(*ElementCount(info->shape));
  EXPECT_TRUE(source.ReadRows(name, 0, RowCount(info->shape), values.data()).has_value());
  return values;
}

struct Golden {
  std::vector<int32_t> ids;
  std::vector<float> hidden;  // [layers + 2, 16, hidden] of the last positions
  std::vector<float> logits;  // [seq, vocab]
};

// How far transformers' own BF16 run is from its FP32 run over the whole sequence; tools/golden/bf16_errors.py.
inline double Bf16ErrorOfTheReference(const std::string& name) {
  return ReadJsonFile(GoldenModel("bf16_errors.json")).at(name).get<double>();
}

// The floats of a golden file with one tensor.
inline std::vector<float> ReadGoldenFloats(const std::string& name, const std::string& file_name) {
  const SafetensorsFile file = Must(SafetensorsFile::Open(GoldenModel(name) / file_name));
  const auto bytes = file.Bytes(file.entries().front());
  std::vector<float> floats(bytes.size() / 4);
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

inline Golden ReadGolden(const std::string& name) {
  const SafetensorsFile file = Must(SafetensorsFile::Open(GoldenModel(name) / "golden.safetensors"));
  Golden golden;
  for (const SafetensorsFile::Entry& entry : file.entries()) {
    const auto bytes = file.Bytes(entry);
    if (entry.name == "input_ids") {
      golden.ids.resize(bytes.size() / 4);
      std::memcpy(golden.ids.data(), bytes.data(), bytes.size());
    } else {
      std::vector<float>& to = entry.name == "hidden" ? golden.hidden : golden.logits;
      to.resize(bytes.size() / 4);
      std::memcpy(to.data(), bytes.data(), bytes.size());
    }
  }
  return golden;
}

// A decoder with threads and pages of its own.
class TinyModel {
 public:
  TinyModel(const std::string& name, ComputeType compute, const kernels::KernelTable& table, size_t threads = 1,
            const std::string& config = "config.json", std::optional<kernels::CacheFormat> cache = std::nullopt)
      : pool(threads), context(pool, table), decoder(Load(name, compute, config, cache)) {}
  // The checkpoint may have been changed since it was opened.
  TinyModel(const Checkpoint& checkpoint, ComputeType compute, const kernels::KernelTable& table, size_t threads = 1)
      : pool(threads), context(pool, table), decoder(Load(checkpoint, checkpoint.config, compute)) {}

  TinyModel(Decoder loaded, const kernels::KernelTable& table, size_t threads)
      : pool(threads), context(pool, table), decoder(std::move(loaded)) {}

  // Zeroed pages for `positions` positions, in one piece as the engine has them.
  std::vector<std::byte*> Pages(size_t positions) {
    const size_t count = nn::KvLayout::PagesFor(positions), bytes = decoder.kv_layout().page_bytes();
    memory_.push_back(Must(AlignedBuffer::Allocate(count * bytes)));
    std::vector<std::byte*> pages;
    for (size_t i = 0; i < count; ++i) pages.push_back(memory_.back()->data() + i * bytes);
    return pages;
  }

  // All logits of the sequence, fed `chunk` tokens at a time.
  std::vector<float> Logits(const std::vector<int32_t>& ids, size_t chunk, Decoder::Observer* observer = nullptr) {
    std::vector<size_t> cuts(ids.size() / chunk, chunk);
    if (ids.size() % chunk != 0) cuts.push_back(ids.size() % chunk);
    return LogitsOfParts(ids, cuts, observer);
  }
  // The same, fed in parts of so many tokens, which add up to all.
  std::vector<float> LogitsOfParts(const std::vector<int32_t>& ids, const std::vector<size_t>& parts,
                                   Decoder::Observer* observer = nullptr) {
    const std::vector<std::byte*> pages = Pages(ids.size());
    std::vector<float> logits(ids.size() * decoder.spec().vocab);
    size_t first = 0;
    for (const size_t count : parts) {
      const Decoder::Run run{.tokens = std::span(ids).subspan(first, count),
                             .first_position = first,
                             .pages = pages,
                             .logits_from = 0,
                             .prompt_length = ids.size()};
      const Status done = decoder.Forward({&run, 1}, context, logits.data() + first * decoder.spec().vocab, observer);
      EXPECT_TRUE(done.has_value()) << done.error().message;
      first += count;
    }
    EXPECT_EQ(first, ids.size());
    return logits;
  }

  ThreadPool pool;
  nn::ExecutionContext context;
  Decoder decoder;

 private:
  Decoder Load(const std::string& name, ComputeType compute, const std::string& config,
               std::optional<kernels::CacheFormat> cache) {
    const Checkpoint checkpoint = Must(Checkpoint::Open(GoldenModel(name)));
    return Load(checkpoint, ReadJsonFile(GoldenModel(name) / config), compute, cache);
  }
  Decoder Load(const Checkpoint& checkpoint, const Json& config, ComputeType compute,
               std::optional<kernels::CacheFormat> cache = std::nullopt) {
    const ModelSpec spec = Must(ReadHfConfig(config, "config.json"));
    CheckpointWeights weights = Must(CheckpointWeights::Open(checkpoint, spec, compute, pool));
    return Must(Decoder::Load(spec, weights, cache));
  }

  std::vector<std::shared_ptr<AlignedBuffer>> memory_;
};

// Lengths of the parts in which a prompt is read to show that they don't matter. The reference computes each row by
// itself and takes long: one of them is enough.
inline std::vector<size_t> ChunksFor(const kernels::KernelTable& table) {
  return table.name == std::string_view("reference") ? std::vector<size_t>{3} : std::vector<size_t>{1, 3, 16};
}

// |got - want| / |want| in the Euclidean norm.
inline double RelativeError(std::span<const float> got, std::span<const float> want) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += std::pow(double{got[i]} - want[i], 2);
    norm += std::pow(double{want[i]}, 2);
  }
  return std::sqrt(difference / norm);
}

}  // namespace octet
