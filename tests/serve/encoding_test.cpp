// Embeddings, rerank and score through a running server, against what transformers computed (tools/golden/encoders.py).
#include "serve/api/encoding.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "base/mapped_file.h"
#include "tests/serve/model_server.h"
#include "text/charsmap.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;

class EncodingTest : public ModelServer {
 protected:
  Json GoldenCases(const std::string& path) { return *ParseJson(*ReadTextFile(Golden("encoders/" + path)), path); }

  // All rows of an embeddings' reply.
  static std::vector<std::vector<float>> Rows(const HttpResult& reply) {
    std::vector<std::vector<float>> rows;
    for (const Json& entry : reply.json.at("data")) rows.push_back(entry.at("embedding").get<std::vector<float>>());
    return rows;
  }
};

TEST_F(EncodingTest, TextsBecomeTheVectorsOfTransformers) {
  StartModels({Vectors()});
  const Json cases = GoldenCases("bert/texts.json");
  Json texts = Json::array(), ids = Json::array();
  size_t tokens = 0;
  for (const Json& item : cases) {
    texts.push_back(item.at("text"));
    ids.push_back(item.at("ids"));
    tokens += item.at("ids").size();
  }
  const HttpResult reply = Post("/v1/embeddings", {{"input", texts}, {"truncate_prompt_tokens", -1}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.At("/object"), "list");
  EXPECT_EQ(reply.At("/model"), "vectors");
  EXPECT_EQ(reply.At("/data/3/index"), 3);
  EXPECT_EQ(reply.At("/data/3/object"), "embedding");
  EXPECT_EQ(reply.At("/usage/prompt_tokens"), tokens);
  const std::vector<std::vector<float>> rows = Rows(reply);
  ASSERT_EQ(rows.size(), cases.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t k = 0; k < 64; ++k) EXPECT_NEAR(rows[i][k], cases[i].at("vector")[k].get<float>(), 1e-6);
  }
  EXPECT_EQ(Rows(Post("/v1/embeddings", {{"input", ids}})), rows);
  EXPECT_EQ(Rows(Post("/v1/embeddings", {{"input", texts[0]}}))[0], rows[0]);
  EXPECT_EQ(Rows(Post("/v1/embeddings", {{"input", ids[1]}}))[0], rows[1]);
}

TEST_F(EncodingTest, Base64IsLittleEndianFloats) {
  StartModels({Vectors()});
  const std::vector<float> want = Rows(Post("/v1/embeddings", {{"input", "the word"}}))[0];
  const HttpResult reply = Post("/v1/embeddings", {{"input", "the word"}, {"encoding_format", "base64"}});
  const std::string bytes = *DecodeBase64(reply.At("/data/0/embedding").get<std::string>());
  ASSERT_EQ(bytes.size(), want.size() * 4);
  for (size_t i = 0; i < want.size(); ++i) {
    uint32_t bits = 0, wanted = 0;
    for (size_t k = 0; k < 4; ++k) bits |= uint32_t{static_cast<uint8_t>(bytes[4 * i + k])} << (8 * k);
    std::memcpy(&wanted, &want[i], 4);
    EXPECT_EQ(bits, wanted);
  }
}

TEST_F(EncodingTest, WhatCantBeHonouredIsRefusedByItsField) {
  StartModels({Vectors(), Writer(), Pairs()});
  const auto refused = [&](const std::string& path, const Json& body, const std::string& param) {
    const HttpResult reply = Post(path, body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_EQ(reply.At("/error/param"), param) << reply.body;
    return reply;
  };
  const std::string path = "/v1/embeddings", text = "the word";
  EXPECT_EQ(Post(path, {{"input", text}, {"dimensions", 64}}).status, 200);
  EXPECT_THAT(refused(path, {{"input", text}, {"dimensions", 32}}, "dimensions").body, HasSubstr("is not 64"));
  refused(path, {{"input", text}, {"encoding_format", "int8"}}, "encoding_format");
  refused(path, Json::object(), "input");
  refused(path, {{"input", Json::array()}}, "input");
  refused(path, {{"input", Json::array({Json::array()})}}, "input[0]");
  refused(path, {{"input", {"a", 3}}}, "input[1]");
  refused(path, {{"input", {{5, 108}}}}, "input[0][1]");
  refused(path, {{"input", std::vector<std::string>(2049, "a")}}, "input");
  refused(path, {{"input", text}, {"truncate_prompt_tokens", 25}}, "truncate_prompt_tokens");
  const HttpResult longer = refused(path, {{"input", std::string(90, 'a')}}, "input");
  EXPECT_EQ(longer.At("/error/code"), "context_length_exceeded");
  EXPECT_THAT(longer.body, HasSubstr("the model reads 24"));
  refused(path, {{"input", text}, {"model", "writer"}}, "model");
  EXPECT_THAT(refused(path, {{"input", text}, {"model", "pairs"}}, "model").body, HasSubstr("scores pairs"));
  EXPECT_THAT(refused("/v1/chat/completions", {{"model", "vectors"}, {"messages", Json::array()}}, "model").body,
              HasSubstr("is an encoder, which writes no text"));
  EXPECT_EQ(Post("/v1/messages", {{"model", "vectors"}, {"messages", Json::array()}}).At("/error/type"),
            "invalid_request_error");
  const std::string rerank = "/v1/rerank";
  refused(rerank, {{"documents", {"a"}}}, "query");
  refused(rerank, {{"query", "a"}}, "documents");
  refused(rerank, {{"query", "a"}, {"documents", {3}}}, "documents[0]");
  refused(rerank, {{"query", "a"}, {"documents", {"a"}}, {"top_n", 0}}, "top_n");
  refused(rerank, {{"query", "a"}, {"documents", {"a"}}, {"max_tokens_per_doc", 9}}, "max_tokens_per_doc");
  refused(rerank, {{"model", "pairs"}, {"query", "a"}, {"documents", {"a", std::string(99, 'b')}}}, "documents[1]");
  refused("/score", {{"text_1", {"a", "b"}}, {"text_2", {"a", "b", "c"}}}, "text_1");
  EXPECT_TRUE(Post(path, {{"input", text}, {"colour", 1}}).Has("X-Octet-Ignored-Fields: colour"));
}

TEST_F(EncodingTest, ACrossEncoderRanksByTransformersScores) {
  StartModels({Pairs(), Vectors()});
  const Json cases = GoldenCases("pairs/pairs.json");
  Json documents = Json::array();
  std::vector<double> want;
  for (const Json& item : cases) {
    if (item.at("first") != "the token") continue;
    documents.push_back(documents.empty() ? Json{{"text", item.at("second")}} : item.at("second"));
    want.push_back(item.at("score"));
  }
  const HttpResult reply = Post("/v1/rerank", {{"model", "pairs"},
                                               {"query", "the token"},
                                               {"documents", documents},
                                               {"truncate_prompt_tokens", -1},
                                               {"return_documents", true}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.At("/method"), "cross_encoder");
  ASSERT_EQ(reply.At("/results").size(), want.size());
  double last = 1;
  for (const Json& result : reply.At("/results")) {
    const size_t index = result.at("index");
    const double score = result.at("relevance_score");
    EXPECT_NEAR(score, want[index], 1e-6);
    EXPECT_LE(score, last);
    const Json text = documents[index].is_object() ? documents[index]["text"] : documents[index];
    EXPECT_EQ(result.at("document").at("text"), text);
    last = score;
  }
  for (const char* path : {"/rerank", "/v1/reranking", "/reranking", "/score"}) {
    const HttpResult best =
        Post(path, {{"model", "pairs"}, {"query", "the token"}, {"documents", {"a", "b"}}, {"top_n", 1}});
    EXPECT_EQ(best.At("/results").size(), 1u) << path << best.body;
  }
  const HttpResult scores = Post("/score", {{"model", "pairs"},
                                            {"text_1", {cases[0].at("first"), cases[6].at("first")}},
                                            {"text_2", {cases[0].at("second"), cases[6].at("second")}}});
  EXPECT_NEAR(scores.At("/data/0/score").get<double>(), cases[0].at("score").get<double>(), 1e-6);
  EXPECT_NEAR(scores.At("/data/1/score").get<double>(), cases[6].at("score").get<double>(), 1e-6);
  EXPECT_EQ(scores.At("/usage/total_tokens"), cases[0].at("ids").size() + cases[6].at("ids").size());
}

TEST_F(EncodingTest, WhatADrainDoesntWaitForIsTold) {
  StartModels({Vectors()});
  const std::string body = Dump(Json{{"input", std::vector<std::string>(2048, "the word and the token")}});
  RawClient client(server_->port());
  client.Send(
      Cat("POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  const auto jobs = [&] { return service_->models().List()[0].lease->encoder->stats().jobs; };
  for (int i = 0; i < 5000 && jobs() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  service_->Drain();
  service_->models().CancelAll();
  const HttpResult reply = Parse(client.ReadUntil("}}\n"));
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("the server ended before the texts were computed"));
}

// A query of a megabyte beside 2048 documents would else hold its thread for an hour.
TEST_F(EncodingTest, AQueryIsReadOnceWhateverItIsComparedWith) {
  const std::unique_ptr<RunningModel> model = std::move(*RunningModel::Open(Pairs(), {.engine = {.threads = 1}}));
  Json body = {{"query", std::string(1 << 17, 'a') + " b"}, {"documents", {"a"}}, {"truncate_prompt_tokens", -1}};
  const auto seconds = [&] {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(ReadRerank(body, model->open().model, "id").has_value());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const double one = std::max(seconds(), seconds());
  body["documents"] = std::vector<std::string>(200, "a");
  EXPECT_LT(std::min(seconds(), seconds()), 50 * one);
}

// RoBERTa: a tokenizer of bytes, whose pairs have two separators between them and one type. MPNet: its tokenizer gives
// types, of which the model has no table.
TEST_F(EncodingTest, OtherFamiliesScorePairsAsTheirTokenizersJoinThem) {
  StartModels({{.name = "roberta", .path = Golden("encoders/roberta")},
               {.name = "mpnet_pairs", .path = Golden("encoders/mpnet_pairs")}});
  for (const char* model : {"roberta", "mpnet_pairs"}) {
    for (const Json& item : GoldenCases(Cat(model, "/pairs.json"))) {
      const HttpResult reply = Post("/score", {{"model", model},
                                               {"text_1", item.at("first")},
                                               {"text_2", item.at("second")},
                                               {"truncate_prompt_tokens", -1}});
      ASSERT_EQ(reply.status, 200) << reply.body;
      EXPECT_NEAR(reply.At("/data/0/score").get<double>(), item.at("score").get<double>(), 1e-6) << item;
      EXPECT_EQ(reply.At("/usage/total_tokens"), item.at("ids").size()) << item;
    }
  }
}

TEST_F(EncodingTest, AnotherEncoderRanksByTheCosineOfVectors) {
  StartModels({Vectors()});
  const std::vector<std::string> texts = {"the word", "the token", "words and words", "zebra"};
  const std::vector<std::vector<float>> rows = Rows(Post("/v1/embeddings", {{"input", texts}}));
  const HttpResult reply =
      Post("/v1/rerank", {{"query", texts[0]}, {"documents", std::vector(texts.begin() + 1, texts.end())}});
  EXPECT_EQ(reply.At("/method"), "cosine");
  ASSERT_EQ(reply.At("/results").size(), 3u) << reply.body;
  for (const Json& result : reply.At("/results")) {
    double product = 0;
    for (size_t k = 0; k < 64; ++k) product += double{rows[0][k]} * rows[1 + result.at("index").get<size_t>()][k];
    EXPECT_NEAR(result.at("relevance_score").get<double>(), product, 1e-6);
  }
}

TEST_F(EncodingTest, RequestsTogetherGetWhatEachGetsAlone) {
  StartModels({Vectors()});
  const auto ask = [&](size_t i) {
    const std::vector<std::string> texts(1 + 5 * i, "the word number " + std::to_string(i));
    return Post("/v1/embeddings", {{"input", texts}}).At("/data");
  };
  std::vector<Json> alone(12), together(12);
  for (size_t i = 0; i < 12; ++i) alone[i] = ask(i);
  std::vector<std::thread> clients;
  for (size_t i = 0; i < 12; ++i) clients.emplace_back([&, i] { together[i] = ask(i); });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(together, alone);
  EXPECT_EQ(alone[11].size(), 56u);
}

// Work of minutes beside the requests, until the test has seen enough.
class BusyEncoder {
 public:
  explicit BusyEncoder(ModelLease model) : model_(std::move(model)) {
    id_ = *model_->encoder->Submit({.inputs = std::vector<EncoderInput>(20000, {std::vector<int32_t>(24, 7)})},
                                   [](const EncoderResult&) {});
  }
  ~BusyEncoder() { model_->encoder->Cancel(id_); }

 private:
  ModelLease model_;
  uint64_t id_ = 0;
};

TEST_F(EncodingTest, AFullQueueIsToldAndSoIsATimeThatIsOver) {
  StartModels({Vectors()}, {}, {}, {.max_waiting = 2});
  const ModelLease model = service_->models().Find("vectors")->lease;
  const BusyEncoder one(model);
  const HttpResult late = Post("/v1/embeddings", {{"input", "the word"}}, "X-Request-Timeout: 0.0000001\r\n");
  EXPECT_EQ(late.status, 504) << late.body;
  const EncoderInput small{{5, 6, 7}};
  while (model->encoder->stats().jobs < 2)
    ASSERT_TRUE(model->encoder->Submit({.inputs = std::vector<EncoderInput>(1500, small)}, [](const auto&) {}));
  const HttpResult full = Post("/v1/embeddings", {{"input", "the word"}});
  EXPECT_EQ(full.status, 503) << full.body;
  EXPECT_THAT(full.body, HasSubstr("max-waiting"));
  EXPECT_TRUE(full.Has("Retry-After: 1")) << full.head;
}

TEST_F(EncodingTest, AClientThatLeavesEndsItsRequest) {
  StartModels({Vectors()});
  const ModelLease model = service_->models().Find("vectors")->lease;
  const BusyEncoder other(model);
  RawClient client(server_->port());
  const std::string body = Dump({{"input", std::vector<Json>(1500, Json(std::vector<int>(24, 7)))}});
  client.Send(Cat("POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
                  "Content-Length: ", body.size(), "\r\n\r\n", body));
  while (model->encoder->stats().jobs < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  client.Close();
  while (model->encoder->stats().jobs == 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_LT(model->encoder->stats().inputs_done, 3000u) << "it was computed to its end";
  while (log().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(log()[0]["client_left"], true);
}

}  // namespace
}  // namespace octet::serve
