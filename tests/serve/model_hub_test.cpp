// Several models in one server: which answers, and how they come and go.
#include "serve/model_hub.h"

#include <gmock/gmock.h>

#include <future>

#include "tests/serve/model_server.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kAdminKey = "0123456789abcdef0123";
constexpr const char* kUserKey = "0123456789abcdef9999";

class ModelHubTest : public ModelServer {
 protected:
  Json Prompt(const std::string& model, int tokens = 3) {
    return {{"model", model}, {"prompt", {1, 2, 3}}, {"max_tokens", tokens}, {"ignore_eos", true}, {"temperature", 0}};
  }
  static ServiceOptions WithKeys() {
    ServiceOptions options;
    options.keys = *ApiKeys::Parse(Cat("root: ", kAdminKey, " admin\nbob: ", kUserKey, "\n"), "keys");
    return options;
  }
};

TEST_F(ModelHubTest, TheRequestsModelChoosesWhoAnswers) {
  ModelSource writer = Writer();
  writer.aliases = {"gpt"};
  StartModels({writer, Vectors()});
  const HttpResult list = Get("/v1/models");
  EXPECT_EQ(list.At("/data/0/id"), "writer");
  EXPECT_EQ(list.At("/data/1/id"), "gpt");
  EXPECT_EQ(list.At("/data/1/root"), "writer");
  EXPECT_EQ(list.At("/data/2/id"), "vectors");
  EXPECT_EQ(list.At("/data/2/meta/n_embd"), 64);
  EXPECT_EQ(Post("/v1/completions", Prompt("gpt")).At("/model"), "gpt");
  EXPECT_EQ(Post("/v1/embeddings", {{"model", "vectors"}, {"input", "a"}}).status, 200);
  const HttpResult none = Post("/v1/embeddings", {{"model", "none"}, {"input", "a"}});
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.At("/error/code"), "model_not_found");
  EXPECT_EQ(Post("/v1/completions", {{"model", 3}, {"prompt", "a"}}).At("/error/param"), "model");
}

TEST_F(ModelHubTest, WithoutANameTheFirstThatCanAnswers) {
  StartModels({Vectors(), Writer()});
  EXPECT_EQ(Post("/v1/completions", {{"prompt", {1, 2}}, {"max_tokens", 1}}).At("/model"), "writer");
  EXPECT_EQ(Post("/v1/embeddings", {{"input", "a"}}).At("/model"), "vectors");
}

TEST_F(ModelHubTest, TheAnswerIsTheModelsOwnHoweverOftenItWasLoaded) {
  StartModels({Writer(), Vectors()}, {.most_open = 1});
  const HttpResult first = Post("/v1/completions", Prompt("writer", 20));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Post("/v1/embeddings", {{"input", "a"}}).status, 200);
    EXPECT_EQ(StateOf("writer"), "unloaded");
    EXPECT_EQ(Post("/v1/completions", Prompt("writer", 20)).At("/choices/0/text"), first.At("/choices/0/text"));
    EXPECT_EQ(StateOf("vectors"), "unloaded");
  }
}

TEST_F(ModelHubTest, TheOneUnusedForLongestMakesRoom) {
  StartModels({Writer("a"), Writer("b"), Writer("c")}, {.most_open = 2});
  EXPECT_EQ(StateOf("c"), "unloaded");
  Post("/v1/completions", Prompt("a"));
  Post("/v1/completions", Prompt("c"));
  EXPECT_EQ(StateOf("a"), "loaded");
  EXPECT_EQ(StateOf("b"), "unloaded");
  EXPECT_EQ(StateOf("c"), "loaded");
}

TEST_F(ModelHubTest, WhereAllAnswerOneMoreIsToldToComeLater) {
  StartModels({Writer("a"), Writer("b")}, {.most_open = 1});
  const ModelLease busy = service_->models().Find("a")->lease;
  const HttpResult reply = Post("/v1/completions", Prompt("b"));
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(reply.Has("Retry-After: 1")) << reply.head;
  EXPECT_EQ(StateOf("a"), "loaded");
}

TEST_F(ModelHubTest, AModelThatCantBeLoadedHarmsNobody) {
  std::vector<std::string> notes;
  ModelHubOptions hub{.most_open = 1, .note = [&](const std::string& line) { notes.push_back(line); }};
  StartModels({Writer(), {.name = "broken", .path = "/nowhere"}}, std::move(hub), WithKeys());
  const std::string admin = Cat("Authorization: Bearer ", kAdminKey, "\r\n");
  const HttpResult reply = Post("/v1/completions", Prompt("broken"), admin);
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.At("/error/code"), "model_load_failed");
  EXPECT_THAT(reply.body, Not(HasSubstr("nowhere")));
  const HttpResult load = Post("/models/load", {{"model", "broken"}}, admin);
  EXPECT_EQ(load.status, 400);
  EXPECT_THAT(load.body, HasSubstr("/nowhere: doesn't exist"));
  EXPECT_THAT(notes, testing::Contains(HasSubstr("model `broken`: /nowhere")));
  const HttpResult list = Ask("GET", "/models", admin);
  EXPECT_EQ(list.At("/data/0/status/value"), "loaded") << "it made room for a model that can't be loaded";
  EXPECT_EQ(list.At("/data/1/status/value"), "unloaded");
  EXPECT_EQ(list.At("/data/1/status/failed"), true);
}

TEST_F(ModelHubTest, WithoutAnyModelTheServerSaysWhy) {
  ServiceOptions options;
  options.models.sources = {{.name = "broken", .path = "/nowhere"}};
  options.models.open = [](const ModelSource& source) { return RunningModel::Open(source, {}); };
  Listen(std::move(options));
  const Status opened = service_->OpenModels();
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().message, HasSubstr("/nowhere: doesn't exist"));
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
}

TEST_F(ModelHubTest, OnlyAnAdministratorLoadsAndUnloads) {
  StartModels({Writer(), Vectors()}, {}, WithKeys());
  const std::string admin = Cat("Authorization: Bearer ", kAdminKey, "\r\n");
  const std::string user = Cat("Authorization: Bearer ", kUserKey, "\r\n");
  const Json vectors = {{"model", "vectors"}};
  EXPECT_EQ(Post("/models/unload", vectors).status, 401);
  EXPECT_EQ(Post("/models/unload", vectors, user).status, 403);
  EXPECT_EQ(Post("/models/load", vectors, user).status, 403);
  EXPECT_EQ(Ask("GET", "/models", user).status, 200);
  EXPECT_EQ(Post("/models/unload", vectors, admin).body, "{\"success\":true}\n");
  const auto state = [&] { return Ask("GET", "/models", admin).At("/data/1/status/value"); };
  while (state() != "unloaded") std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(Post("/models/unload", vectors, admin).status, 400);
  EXPECT_EQ(Post("/models/load", vectors, admin).body, "{\"success\":true}\n");
  EXPECT_EQ(state(), "loaded");
  EXPECT_EQ(Post("/models/load", vectors, admin).status, 200) << "it is there already";
  EXPECT_EQ(Post("/models/load", {{"model", "/etc/passwd"}}, admin).status, 404);
  EXPECT_EQ(Post("/models/load", Json::object(), admin).At("/error/param"), "model");
}

TEST_F(ModelHubTest, WithoutKeysNobodyIsAnAdministrator) {
  StartModels({Writer()});
  EXPECT_EQ(Post("/models/unload", {{"model", "writer"}}).status, 403);
  EXPECT_EQ(Post("/models/load", {{"model", "writer"}}).status, 403);
}

TEST_F(ModelHubTest, UnloadingWaitsForWhatWasAccepted) {
  StartModels({Writer(), Vectors()});
  std::future<HttpResult> answer =
      std::async(std::launch::async, [&] { return Post("/v1/completions", Prompt("writer", 500)); });
  while (service_->under_way() == 0 && answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) continue;
  ASSERT_TRUE(service_->models().Unload("writer").has_value());
  const HttpResult reply = answer.get();
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.At("/usage/completion_tokens"), 500);
  EXPECT_TRUE(BecomesState("writer", "unloaded"));
}

TEST_F(ModelHubTest, WhoAsksForAModelThatGoesHasItBack) {
  StartModels({Writer(), Vectors()});
  std::future<HttpResult> answer;
  {
    const ModelLease held = service_->models().Find("writer")->lease;
    ASSERT_TRUE(service_->models().Unload("writer").has_value());
    answer = std::async(std::launch::async, [&] { return Post("/v1/completions", Prompt("writer")); });
    EXPECT_EQ(answer.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
    EXPECT_EQ(StateOf("writer"), "unloading");
    EXPECT_NE(service_->models().Find("writer")->lease, nullptr) << "what ends the server would not wait for it";
  }
  EXPECT_EQ(answer.get().status, 200);
  EXPECT_EQ(StateOf("writer"), "loaded");
}

TEST_F(ModelHubTest, AModelThatNobodyAsksLeavesMemoryUntilSomebodyDoes) {
  StartModels({Writer(), Vectors()}, {.idle_seconds = 0.3});
  EXPECT_TRUE(BecomesState("writer", "unloaded"));
  EXPECT_TRUE(BecomesState("vectors", "unloaded"));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("octet_model_loaded{model_name=\"vectors\",engine=\"0\"} 0"));
  EXPECT_EQ(Post("/v1/embeddings", {{"model", "vectors"}, {"input", "a"}}).status, 200);
  EXPECT_EQ(StateOf("writer"), "unloaded");
}

TEST_F(ModelHubTest, AModelInUseIsNeverIdle) {
  StartModels({Writer(), Vectors()}, {.idle_seconds = 0.2});
  {
    const ModelLease held = service_->models().Find("writer")->lease;
    EXPECT_TRUE(BecomesState("vectors", "unloaded"));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    EXPECT_EQ(StateOf("writer"), "loaded");
  }
  EXPECT_TRUE(BecomesState("writer", "unloaded"));
}

// Opening that waits until the test lets it go on.
struct SlowOpening {
  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();
  std::function<Result<std::unique_ptr<RunningModel>>(const ModelSource&)> Open() {
    return [this](const ModelSource& source) {
      if (source.name == "slow") opened.wait();
      return RunningModel::Open(source, {.engine = {.threads = 1}});
    };
  }
};

TEST_F(ModelHubTest, RequestsWaitWhileTheirModelLoadsAndOthersGoOn) {
  SlowOpening slow;
  StartModels({Writer(), Vectors(), Writer("slow")}, {.open = slow.Open(), .most_open = 2, .most_waiting = 2});
  std::vector<std::future<HttpResult>> waiting;
  for (int i = 0; i < 2; ++i)
    waiting.push_back(std::async(std::launch::async, [&] { return Post("/v1/completions", Prompt("slow")); }));
  int refused = 0;
  for (std::future<HttpResult>& one : waiting) {
    EXPECT_EQ(one.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  }
  const HttpResult third = Post("/v1/completions", Prompt("slow"));
  refused += third.status == 503 ? 1 : 0;
  EXPECT_EQ(refused, 1) << third.body;
  EXPECT_EQ(StateOf("slow"), "loading");
  EXPECT_EQ(Post("/v1/embeddings", {{"input", "a"}}).status, 200);
  slow.gate.set_value();
  for (std::future<HttpResult>& one : waiting) EXPECT_EQ(one.get().status, 200);
}

TEST_F(ModelHubTest, ADrainTellsThoseWhoWaitForAModel) {
  SlowOpening slow;
  StartModels({Writer(), Writer("slow")}, {.open = slow.Open(), .most_open = 1});
  std::future<HttpResult> waiting =
      std::async(std::launch::async, [&] { return Post("/v1/completions", Prompt("slow")); });
  while (StateOf("slow") != "loading") std::this_thread::sleep_for(std::chrono::milliseconds(1));
  service_->Drain();
  EXPECT_EQ(Post("/v1/completions", Prompt("writer")).status, 503);
  slow.gate.set_value();
  EXPECT_TRUE(service_->models().Drain(std::chrono::steady_clock::now() + std::chrono::seconds(20)));
  EXPECT_THAT(waiting.get().status, testing::AnyOf(200, 503)) << "nobody was told";
}

TEST_F(ModelHubTest, MetricsNameTheirModel) {
  StartModels({Writer("one"), Writer("two"), Vectors()});
  Post("/v1/completions", Prompt("one", 5));
  Post("/v1/completions", Prompt("two", 7));
  Post("/v1/embeddings", {{"input", {"a", "b"}}});
  const std::string text = Get("/metrics").body;
  EXPECT_THAT(text, HasSubstr("vllm:generation_tokens_total{model_name=\"one\",engine=\"0\"} 5"));
  EXPECT_THAT(text, HasSubstr("vllm:generation_tokens_total{model_name=\"two\",engine=\"0\"} 7"));
  EXPECT_THAT(text, HasSubstr("octet_encoder_inputs_total{model_name=\"vectors\",engine=\"0\"} 2"));
  const std::string type = "# TYPE vllm:generation_tokens_total ";
  EXPECT_EQ(text.find(type), text.rfind(type)) << "a family stands once";
}

}  // namespace
}  // namespace octet::serve
