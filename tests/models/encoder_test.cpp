#include "models/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "editable_source.h"
#include "formats/settle_tensors.h"
#include "golden_model.h"
#include "kernels/kernel_table.h"

namespace octet {
namespace {

// A model of tests/golden/encoders (tools/golden/encoders.py) with what transformers computes from it.
struct GoldenEncoder {
  explicit GoldenEncoder(const std::string& name)
      : directory(std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/encoders" / name) {
    const SafetensorsFile file = Must(SafetensorsFile::Open(directory / "golden.safetensors"));
    for (const SafetensorsFile::Entry& entry : file.entries()) {
      const auto bytes = file.Bytes(entry);
      const auto copy = [&](auto& to) {
        to.resize(bytes.size() / 4);
        std::memcpy(to.data(), bytes.data(), bytes.size());
      };
      const bool is_integer = entry.name.starts_with("ids.") || entry.name.starts_with("types.");
      is_integer ? copy(integers[entry.name]) : copy(floats[entry.name]);
    }
  }

  size_t sequences() const { return integers.size() / 2; }
  const std::vector<int32_t>& ids(size_t i) const { return integers.at(Cat("ids.", i)); }
  Encoder::Run run(size_t i) const {
    const std::vector<int32_t>& types = integers.at(Cat("types.", i));
    return {.tokens = ids(i),
            .first_text = static_cast<size_t>(std::find(types.begin(), types.end(), 1) - types.begin())};
  }
  std::vector<Encoder::Run> runs() const {
    std::vector<Encoder::Run> all;
    for (size_t i = 0; i < sequences(); ++i) all.push_back(run(i));
    return all;
  }
  // [layers + 1, seq, hidden]
  const std::vector<float>& hidden(size_t i) const { return floats.at(Cat("hidden.", i)); }

  std::filesystem::path directory;
  std::map<std::string, std::vector<int32_t>> integers;
  std::map<std::string, std::vector<float>> floats;
};

// An encoder with threads of its own.
struct TinyEncoder {
  TinyEncoder(const Checkpoint& checkpoint, ComputeType compute, const kernels::KernelTable& table, size_t threads = 1)
      : pool(threads), context(pool, table), encoder(Load(checkpoint, compute)) {}
  TinyEncoder(const GoldenEncoder& golden, ComputeType compute, const kernels::KernelTable& table, size_t threads = 1)
      : TinyEncoder(Must(Checkpoint::Open(golden.directory)), compute, table, threads) {}

  std::vector<float> Forward(std::span<const Encoder::Run> runs, Decoder::Observer* observer = nullptr) {
    size_t rows = 0;
    for (const Encoder::Run& run : runs) rows += run.tokens.size();
    std::vector<float> hidden(rows * encoder.spec().hidden);
    const Status done = encoder.Forward(runs, context, hidden.data(), observer);
    EXPECT_TRUE(done.has_value()) << done.error().message;
    return hidden;
  }

  ThreadPool pool;
  nn::ExecutionContext context;
  Encoder encoder;

 private:
  Encoder Load(const Checkpoint& checkpoint, ComputeType compute) {
    const ModelSpec spec = Must(ReadHfConfig(checkpoint.config, "config.json"));
    CheckpointWeights weights = Must(CheckpointWeights::Open(checkpoint, spec, compute, pool));
    return Must(Encoder::Load(spec, weights));
  }
};

class AllSteps : public Decoder::Observer {
 public:
  explicit AllSteps(size_t width) : width_(width) {}
  void OnHidden(size_t step, const float* rows, size_t count) override {
    ASSERT_EQ(step, steps.size());
    steps.emplace_back(rows, rows + count * width_);
  }
  std::vector<std::vector<float>> steps;

 private:
  size_t width_;
};

class EncoderOfEveryTier : public testing::TestWithParam<std::tuple<std::string, size_t>> {
 protected:
  const GoldenEncoder golden_{std::get<0>(GetParam())};
  const kernels::KernelTable& tier_ = *kernels::AvailableTiers()[std::get<1>(GetParam())];
};

INSTANTIATE_TEST_SUITE_P(Models, EncoderOfEveryTier,
                         testing::Combine(testing::Values("bert", "mpnet", "mpnet_pairs", "pairs", "roberta"),
                                          testing::Range(size_t{0}, kernels::AvailableTiers().size())),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_" +
                                  kernels::AvailableTiers()[std::get<1>(test.param)]->name;
                         });

TEST_P(EncoderOfEveryTier, Fp32HiddenStatesEqualThoseOfTransformersAfterEachLayer) {
  TinyEncoder model(golden_, ComputeType::kF32, tier_);
  const size_t width = model.encoder.spec().hidden;
  for (size_t i = 0; i < golden_.sequences(); ++i) {
    AllSteps observer(width);
    const Encoder::Run run = golden_.run(i);
    const std::vector<float> hidden = model.Forward({&run, 1}, &observer);
    ASSERT_EQ(observer.steps.size(), model.encoder.spec().layers.size() + 1);
    EXPECT_EQ(observer.steps.back(), hidden);
    for (size_t step = 0; step < observer.steps.size(); ++step) {
      const auto want = std::span(golden_.hidden(i)).subspan(step * hidden.size(), hidden.size());
      EXPECT_LT(RelativeError(observer.steps[step], want), 2e-6) << "sequence " << i << ", step " << step;
    }
  }
}

// Rounding inputs to BF16 (2^-9 each) in seven products of a layer.
TEST_P(EncoderOfEveryTier, Bf16HiddenStatesAreNearThoseOfTransformersInFp32) {
  TinyEncoder model(golden_, ComputeType::kBf16, tier_);
  for (size_t i = 0; i < golden_.sequences(); ++i) {
    const Encoder::Run run = golden_.run(i);
    const std::vector<float> hidden = model.Forward({&run, 1});
    EXPECT_LT(RelativeError(hidden, std::span(golden_.hidden(i)).last(hidden.size())), 0.01) << "sequence " << i;
  }
}

TEST_P(EncoderOfEveryTier, ASequenceAmongOthersOnManyThreadsHasItsOwnBits) {
  for (const ComputeType compute : {ComputeType::kF32, ComputeType::kBf16}) {
    TinyEncoder one(golden_, compute, tier_), three(golden_, compute, tier_, 3);
    const std::vector<float> together = three.Forward(golden_.runs());
    auto place = together.begin();
    for (const Encoder::Run& run : golden_.runs()) {
      const std::vector<float> alone = one.Forward({&run, 1});
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), place));
      place += static_cast<std::ptrdiff_t>(alone.size());
    }
    EXPECT_EQ(place, together.end());
  }
}

TEST(Encoder, TheHeadScoresPairsAsTransformersDoes) {
  for (const char* name : {"pairs", "mpnet_pairs", "roberta"}) {
    const GoldenEncoder golden(name);
    TinyEncoder model(golden, ComputeType::kF32, kernels::ActiveKernels());
    const size_t width = model.encoder.spec().hidden;
    std::vector<float> first;
    for (const Encoder::Run& run : golden.runs()) {
      const std::vector<float> hidden = model.Forward({&run, 1});
      first.insert(first.end(), hidden.begin(), hidden.begin() + static_cast<std::ptrdiff_t>(width));
    }
    std::vector<float> scores(golden.sequences());
    ASSERT_TRUE(model.encoder.Scores(first.data(), scores.size(), model.context, scores.data()).has_value());
    EXPECT_LT(RelativeError(scores, golden.floats.at("scores")), 1e-5) << name;
  }
}

TEST(Encoder, NamesWithAndWithoutThePrefixAreTheSameModel) {
  for (const auto& [name, prefix, masked_class] :
       {std::tuple("bert", "bert.", "BertForMaskedLM"), std::tuple("mpnet", "mpnet.", "MPNetForMaskedLM")}) {
    const GoldenEncoder golden(name);
    Checkpoint prefixed = Must(Checkpoint::Open(golden.directory));
    const auto source = std::make_shared<EditableSource>(*prefixed.tensors);
    for (const TensorInfo& info : prefixed.tensors->tensors()) {
      source->Set(prefix + info.name, info.dtype, info.shape, ReadTensor(*prefixed.tensors, info.name));
      source->Remove(info.name);
    }
    prefixed.tensors = source;
    ASSERT_TRUE(SettleTensors(prefixed).has_value());
    const Encoder::Run run = golden.run(1);
    TinyEncoder plain(golden, ComputeType::kF32, kernels::ActiveKernels());
    TinyEncoder renamed(prefixed, ComputeType::kF32, kernels::ActiveKernels());
    EXPECT_EQ(plain.Forward({&run, 1}), renamed.Forward({&run, 1}));

    // And a class with a head whose file has the encoder alone.
    Checkpoint masked = Must(Checkpoint::Open(golden.directory));
    masked.config["architectures"] = Json::array({masked_class});
    ASSERT_TRUE(SettleTensors(masked).has_value());
    TinyEncoder around(masked, ComputeType::kF32, kernels::ActiveKernels());
    EXPECT_EQ(plain.Forward({&run, 1}), around.Forward({&run, 1}));
  }
}

// XLM-RoBERTa is RoBERTa by another name, and so are its classes.
TEST(Encoder, AnXlmRobertaComputesWhatARobertaDoes) {
  const GoldenEncoder golden("roberta");
  Checkpoint renamed = Must(Checkpoint::Open(golden.directory));
  renamed.config["model_type"] = "xlm-roberta";
  renamed.config["architectures"] = Json::array({"XLMRobertaForSequenceClassification"});
  ASSERT_TRUE(SettleTensors(renamed).has_value());
  TinyEncoder plain(golden, ComputeType::kF32, kernels::ActiveKernels());
  TinyEncoder other(renamed, ComputeType::kF32, kernels::ActiveKernels());
  EXPECT_EQ(other.encoder.spec().encoder->labels, 1u);
  EXPECT_EQ(plain.Forward(golden.runs()), other.Forward(golden.runs()));
}

TEST(Encoder, WhatItCannotReadIsRefusedBeforeAnythingIsComputed) {
  const GoldenEncoder golden("pairs");
  TinyEncoder model(golden, ComputeType::kF32, kernels::ActiveKernels());
  std::vector<float> hidden(65 * model.encoder.spec().hidden);
  const auto message = [&](const std::vector<int32_t>& ids) {
    const Encoder::Run run{.tokens = ids};
    const Status done = model.encoder.Forward({&run, 1}, model.context, hidden.data());
    return done ? std::string("accepted") : done.error().message;
  };
  EXPECT_EQ(message({}), "sequence 0 has 0 tokens, the model reads 1 to 64");
  EXPECT_EQ(message(std::vector<int32_t>(65, 7)), "sequence 0 has 65 tokens, the model reads 1 to 64");
  EXPECT_EQ(message({5, -1}), Cat("sequence 0: token id -1 is outside the vocabulary of ", model.encoder.spec().vocab));
  EXPECT_EQ(message(std::vector<int32_t>(64, 7)), "accepted");
}

TEST(Encoder, ADecoderAndAnEncoderSayWhatTheyAre) {
  ThreadPool pool(1);
  const Checkpoint bert = Must(Checkpoint::Open(GoldenEncoder("bert").directory));
  const ModelSpec spec = Must(ReadHfConfig(bert.config, "config.json"));
  CheckpointWeights weights = Must(CheckpointWeights::Open(bert, spec, ComputeType::kAuto, pool));
  EXPECT_THAT(Decoder::Load(spec, weights).error().message, testing::HasSubstr("is an encoder (`bert`)"));

  const Checkpoint llama = Must(Checkpoint::Open(GoldenModel("llama2")));
  const ModelSpec other = Must(ReadHfConfig(llama.config, "config.json"));
  CheckpointWeights of_llama = Must(CheckpointWeights::Open(llama, other, ComputeType::kAuto, pool));
  EXPECT_THAT(Encoder::Load(other, of_llama).error().message, testing::HasSubstr("(`llama`) is a decoder"));
}

}  // namespace
}  // namespace octet
