// Requests that name an adapter as their model.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/serve/model_server.h"

namespace octet::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class AdapterRequests : public ModelServer {
 protected:
  static ModelSource WithAdapters() {
    ModelSource source = Writer();
    source.aliases = {"gpt"};
    source.adapters = {{"poems", Golden("adapters/smollm2_a")}, {"prose", Golden("adapters/smollm2_b")}};
    return source;
  }
  Json TextOf(const std::string& model) {
    const HttpResult result = Post(
        "/v1/completions",
        {{"model", model}, {"prompt", {100, 101, 7}}, {"max_tokens", 4}, {"ignore_eos", true}, {"temperature", 0}});
    EXPECT_EQ(result.status, 200) << result.body;
    EXPECT_EQ(result.At("/model"), model);
    return result.At("/choices/0/text");
  }
};

TEST_F(AdapterRequests, TheNameChoosesTheAdapterAndEachAnswersAsItself) {
  StartModels({WithAdapters(), Vectors()});
  const Json plain = TextOf("writer"), poems = TextOf("poems"), prose = TextOf("prose");
  EXPECT_NE(plain, poems);
  EXPECT_NE(plain, prose);
  EXPECT_NE(poems, prose);
  EXPECT_EQ(TextOf("gpt"), plain);
  EXPECT_EQ(TextOf("poems"), poems);
  const HttpResult unnamed =
      Post("/v1/completions", {{"prompt", {100, 101, 7}}, {"max_tokens", 4}, {"ignore_eos", true}, {"temperature", 0}});
  EXPECT_EQ(unnamed.At("/choices/0/text"), plain);
  EXPECT_EQ(Post("/tokenize", {{"model", "poems"}, {"prompt", "a"}}).status, 200);
  EXPECT_EQ(Post("/v1/completions", {{"model", "letters"}, {"prompt", {1}}}).status, 404);
}

TEST_F(AdapterRequests, AreListedWithTheModelAsTheirParentLoadedOrNot) {
  StartModels({WithAdapters(), Vectors()}, {.most_open = 1});
  const auto expect_entry = [&](const Json& entry) {
    EXPECT_EQ(entry.at("id"), "poems");
    EXPECT_EQ(entry.at("root"), "poems");
    EXPECT_EQ(entry.at("parent"), "writer");
  };
  const HttpResult list = Get("/v1/models");
  ASSERT_EQ(list.json.at("data").size(), 5u);
  EXPECT_EQ(list.At("/data/0/parent"), nullptr);
  expect_entry(list.At("/data/2"));
  EXPECT_EQ(list.At("/data/3/id"), "prose");
  expect_entry(Get("/v1/models/poems").json);
  EXPECT_EQ(Get("/models").json.at("data").size(), 2u) << "of models alone";
  EXPECT_EQ(Post("/v1/embeddings", {{"input", "a"}}).status, 200);  // the encoder takes the other's place
  expect_entry(Get("/v1/models/poems").json);
  EXPECT_EQ(Get("/v1/models/poems").At("/status/value"), "unloaded");
  EXPECT_NE(TextOf("poems"), TextOf("writer")) << "opened again, with its adapters";
}

TEST_F(AdapterRequests, MetricsNameThoseAtWork) {
  StartModels({WithAdapters()});
  EXPECT_THAT(Get("/metrics").body,
              HasSubstr("vllm:lora_requests_info{model_name=\"writer\",engine=\"0\",max_lora=\"2\","
                        "running_lora_adapters=\"\",waiting_lora_adapters=\"\"} "));
  const ApiResult<ModelStatus> model = service_->models().Find("writer");
  ASSERT_TRUE(model.has_value());
  SlowEngine(*model->lease->loop);
  Request request;
  request.prompt = {1, 2, 3};
  request.options.max_tokens = 400;
  request.options.ignore_eos = true;
  request.adapter = model->lease->AdapterNamed("prose");
  const Result<uint64_t> id = model->lease->loop->Submit({.request = request}, [](const ChoiceEvent&) {});
  ASSERT_TRUE(id.has_value());
  const char* running = "running_lora_adapters=\"prose\"";
  std::string text;
  for (int i = 0; i < 1000 && text.find(running) == std::string::npos; ++i) text = Get("/metrics").body;
  EXPECT_THAT(text, HasSubstr(running));
  model->lease->loop->CancelAll();
}

TEST_F(AdapterRequests, AModelWhoseAdapterCantBeOpenedIsNotOpened) {
  ModelSource broken = WithAdapters();
  broken.adapters[1].path = Golden("adapters/gemma2_a");
  RunningModelOptions options{.engine = {.threads = 1}};
  for (const Error& error :
       {RunningModel::Open(broken, options).error(), RunningModel::Check(broken, options).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message, AllOf(HasSubstr("gemma2_a"), HasSubstr("the model has it as")));
  }
  ModelSource encoder = Vectors();
  encoder.adapters = WithAdapters().adapters;
  EXPECT_THAT(RunningModel::Open(encoder, options).error().message, HasSubstr("adapters are for decoders"));
}

TEST_F(AdapterRequests, WithoutAdaptersNoMetricSpeaksOfThem) {
  StartModels({Writer()});
  EXPECT_THAT(Get("/metrics").body, Not(HasSubstr("lora")));
}

}  // namespace
}  // namespace octet::serve
